"""Buying credits: a checkout at Stripe's, and how it goes on.

A payment begins here and is settled by what Stripe tells `api/stripe.py`; that somebody comes back
from Stripe's page proves nothing.
"""

import structlog
from starlette.responses import Response

from kinetoscope.accounts import audit
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.calling import Answer, Caller, CallFailed, Malformed
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.currency import price_text
from kinetoscope.kernel.errors import InvalidRequest, NotFound
from kinetoscope.ledger import payments, stripe
from kinetoscope.ledger.payments import Payment
from kinetoscope.ledger.stripe import Checkout, NotTaken, Shop
from kinetoscope.people_settings import Pack, PeopleSettings

log = structlog.get_logger(__name__)

AWAY = "Stripe did not answer as it should, and nothing was bought. Try again in a moment."

BAD_GATEWAY = 502


def mount(pages: Pages) -> None:
    """Add /billing/buy and the page of a payment."""
    pages.add("POST", "/billing/buy", "owner", buy)
    pages.add("GET", "/billing/payments/{payment}", "person", show)


def is_open(settings: PeopleSettings) -> bool:
    """Whether there is anything to buy: only where we would also hear that it was paid."""
    return bool(settings.stripe_key and settings.stripe_webhook_secret)


def pack_name(pack: Pack) -> str:
    """Name a pack in a form: by what it says, so that nobody buys another than they saw."""
    return f"{pack.credits}-{pack.price_minor}"


async def buy(visit: Visit) -> Response:
    """Begin a payment and lead to where it is made."""
    settings = visit.runtime.settings
    if not is_open(settings):
        raise NotFound("Here the operator grants credits")
    pack = chosen(await visit.form(), settings.credit_packs)
    payment = await payments.begin(
        visit.runtime.database,
        visit.me.account_id,
        visit.me.person_id,
        bought=pack.credits,
        amount_minor=pack.price_minor,
        currency=settings.currency,
        now=visit.now,
    )
    try:
        at_stripe = await _checkout(visit, payment)
    except (CallFailed, Malformed, NotTaken) as error:
        log.error("stripe.no_checkout", payment=payment.id, reason=str(error))  # noqa: TRY400
        template = "shared/error_note.html" if visit.is_partial else "shared/error.html"
        return visit.render(template, BAD_GATEWAY, code=BAD_GATEWAY, message=AWAY)
    await payments.opened(visit.runtime.database, payment.id, at_stripe.session_id, at_stripe.url)
    await audit.note(
        visit.runtime.database,
        visit.actor,
        "payment.begin",
        payment.id,
        visit.now,
        account_id=payment.account_id,
        detail={
            "credits": format_credits(payment.credits),
            "price": price_text(payment.amount_minor, payment.currency),
        },
    )
    # A form may not lead to another host (our policy for pages), a script's navigation may.
    return visit.go(at_stripe.url if visit.is_partial else page_of(payment))


def chosen(form: Form, packs: tuple[Pack, ...]) -> Pack:
    """Return the pack that a form names; raises InvalidRequest for one that is not sold (now)."""
    for pack in packs:
        if pack_name(pack) == form["pack"]:
            return pack
    raise InvalidRequest("This pack is not sold any more. Look at the packs again.")


async def _checkout(visit: Visit, payment: Payment) -> Checkout:
    settings = visit.runtime.settings
    shop = Shop(url=settings.stripe_url, key=settings.stripe_key)
    back = f"{settings.public_url}{page_of(payment)}?back=1"
    call = stripe.create(shop, payment, back, f"{settings.public_url}/billing")
    caller = Caller()
    try:
        answer: Answer
        try:
            answer = await caller.call(call)
        except CallFailed:
            # The same again is the same checkout, whatever became of the first.
            answer = await caller.call(call)
        return stripe.checkout(shop, answer)
    finally:
        await caller.close()


def page_of(payment: Payment) -> str:
    """Return where a payment is shown."""
    return f"/billing/payments/{payment.id}"


async def show(visit: Visit) -> Response:
    """Show how a payment stands; asked again by the page itself until Stripe has told."""
    payment_id = visit.request.path_params["payment"]
    payment = await payments.own(visit.runtime.database, visit.me.account_id, payment_id)
    is_back = visit.query("back") == "1"
    is_awaited = payment.state == "pending" or (payment.state == "open" and is_back)
    if visit.is_partial:
        if is_awaited:
            return Response(status_code=204)
        return visit.go(page_of(payment))
    return visit.render(
        "billing/payment.html",
        payment=payment,
        price=price_text(payment.amount_minor, payment.currency),
        refunded=price_text(payment.refunded_minor, payment.currency),
        is_awaited=is_awaited,
        can_go_on=payment.state == "open"
        and payment.checkout_url is not None
        and visit.now - payment.created_at < payments.OPEN_SHOWN,
    )
