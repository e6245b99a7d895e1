"""Where Stripe says what became of a payment; what it signed is settled, once."""

from datetime import datetime

import structlog
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts import audit
from kinetoscope.accounts.audit import Actor
from kinetoscope.api.body import read_body
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.errors import NotFound
from kinetoscope.ledger import disputes, settling, stripe
from kinetoscope.ledger.disputes import DisputeNews
from kinetoscope.ledger.payments import Settled
from kinetoscope.ledger.settling import News
from kinetoscope.postgres.pool import Connection, Database

log = structlog.get_logger(__name__)

PATH = "/api/stripe/webhook"

BYTES_MAX = 1024 * 1024

HEARD = Operation(summary="Tell what became of a payment", tag="upstream", described=False)

STRIPE = Actor(person_id=None, name="Stripe")

ACTIONS = {
    "granted": "payment.paid",
    "taken_back": "payment.refunded",
    "disputed": "payment.disputed",
    "given_back": "payment.dispute_won",
    "differs": "payment.differs",
}
"""What the audit log calls an outcome; the others change nothing that matters."""


def mount(doors: Doors) -> None:
    """Add /api/stripe/webhook."""
    runtime = doors.runtime

    async def heard(request: Request) -> Response:
        """Settle an event."""
        secret = runtime.settings.stripe_webhook_secret
        if not secret:
            raise NotFound("There is no such address")
        body, now = await read_body(request, BYTES_MAX), runtime.clock()
        if not stripe.signed(request.headers.get("stripe-signature", ""), body, secret, now):
            log.warning("stripe.not_signed")
            return answer({"message": "The signature is missing, wrong or too old"}, 400)
        news = stripe.read_event(body)
        if news is not None:
            _tell(news, await _settle(runtime.database, news, now))
        return answer({})

    doors.open("POST", PATH, heard, HEARD)


async def _settle(database: Database, news: News | DisputeNews, now: datetime) -> Settled | None:
    """Do what an event comes to and note it: both, or neither."""

    async def steps(connection: Connection) -> Settled | None:
        if isinstance(news, DisputeNews):
            settled = await disputes.settle_within(connection, news, now)
        else:
            settled = await settling.settle_within(connection, news, now)
        if settled is not None and settled.outcome in ACTIONS:
            await audit.note_within(
                connection,
                STRIPE,
                ACTIONS[settled.outcome],
                settled.payment_id,
                now,
                account_id=settled.account_id,
                detail={"credits": format_credits(settled.credits)},
            )
        return settled

    return await database.transact_once(steps)


def _tell(news: News | DisputeNews, settled: Settled | None) -> None:
    if settled is None:
        if isinstance(news, DisputeNews):
            # Another shop's, or money whose coming we have not heard of.
            log.warning("stripe.dispute_of_nothing_known", dispute=news.dispute_id)
        return
    told = {"payment": settled.payment_id, "credits": format_credits(settled.credits)}
    if settled.outcome == "differs":
        # Money may have come for which nothing was granted: a person has to look.
        log.error("stripe.payment_differs", **told)
    elif settled.outcome == "disputed":
        # Only a person can answer the bank, and has a few days for it.
        log.warning("stripe.payment_disputed", **told)
    else:
        log.info("stripe.payment", outcome=settled.outcome, **told)
