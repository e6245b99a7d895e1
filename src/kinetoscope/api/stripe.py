"""Where Stripe says what became of a payment; what it signed is settled, once."""

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
from kinetoscope.ledger import payments, stripe
from kinetoscope.ledger.payments import Settled

log = structlog.get_logger(__name__)

PATH = "/api/stripe/webhook"

BYTES_MAX = 1024 * 1024

HEARD = Operation(summary="Tell what became of a payment", tag="upstream", described=False)

STRIPE = Actor(person_id=None, name="Stripe")

ACTIONS = {
    "granted": "payment.paid",
    "taken_back": "payment.refunded",
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
        settled = None if news is None else await payments.settle(runtime.database, news, now)
        if settled is not None and settled.outcome in ACTIONS:
            await audit.note(
                runtime.database,
                STRIPE,
                ACTIONS[settled.outcome],
                settled.payment_id,
                now,
                account_id=settled.account_id,
                detail={"credits": format_credits(settled.credits)},
            )
        _tell(settled)
        return answer({})

    doors.open("POST", PATH, heard, HEARD)


def _tell(settled: Settled | None) -> None:
    if settled is None:
        return
    told = {"payment": settled.payment_id, "credits": format_credits(settled.credits)}
    if settled.outcome == "differs":
        # Money may have come for which nothing was granted: a person has to look.
        log.error("stripe.payment_differs", **told)
    else:
        log.info("stripe.payment", outcome=settled.outcome, **told)
