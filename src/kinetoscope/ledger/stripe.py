"""Stripe in pure functions: the order for a checkout, its answer, and the events that it signs.

https://docs.stripe.com/api/checkout/sessions/create and https://docs.stripe.com/webhooks
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode, urlsplit

import orjson

from kinetoscope.kernel.calling import Answer, Call
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON
from kinetoscope.ledger.disputes import DisputeNews
from kinetoscope.ledger.payments import Payment
from kinetoscope.ledger.settling import ChargeNews, News, SessionNews

VERSION = "2026-10-28.endive"
"""Of Stripe's API: https://docs.stripe.com/api/versioning."""

STALE_S = 300
"""How far a signature's time may be from ours: https://docs.stripe.com/webhooks/signature."""

DIGITS_MAX = 12
"""Of a time in seconds; what is longer is none."""

SESSION_STATES: dict[str, Literal["pending", "paid", "failed", "expired"]] = {
    "checkout.session.async_payment_failed": "failed",
    "checkout.session.expired": "expired",
}
PAID_EVENTS = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
CHARGE_EVENTS = frozenset({"charge.succeeded", "charge.updated", "charge.refunded"})
DISPUTE_EVENTS = frozenset(
    {"charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"}
)
"""An inquiry becomes a dispute, with the same name, when the money is withdrawn."""

INQUIRY = "warning_"
"""How the states of a dispute begin while no money has moved, and perhaps never will."""

EVENTS = (
    *sorted(PAID_EVENTS),
    *sorted(SESSION_STATES),
    *sorted(CHARGE_EVENTS),
    *sorted(DISPUTE_EVENTS),
)
"""What an operator has Stripe send."""


class NotTaken(KinetoscopeError):
    """Stripe did not take an order, or answered what it does not document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Whose money it goes to, and where Stripe's API is. The key goes to that origin only."""

    url: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A page of Stripe's where a payment can be made."""

    session_id: str
    url: str


def create(shop: Shop, payment: Payment, success_url: str, cancel_url: str) -> Call:
    """Ask for a checkout. Asked again, Stripe answers the same one: the payment's id is the key."""
    bought = format_credits(payment.credits)
    fields = {
        "mode": "payment",
        "client_reference_id": payment.id,
        "metadata[payment_id]": payment.id,
        # Stripe copies these on to the charge, whose events tell of refunds.
        "payment_intent_data[metadata][payment_id]": payment.id,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": payment.currency,
        "line_items[0][price_data][unit_amount]": str(payment.amount_minor),
        "line_items[0][price_data][product_data][name]": f"{bought} credits",
        # What is paid is compared with our row: in our currency.
        "adaptive_pricing[enabled]": "false",
        "success_url": success_url,
        "cancel_url": cancel_url,
    }
    return Call(
        method="POST",
        url=f"{shop.url}/v1/checkout/sessions",
        headers={
            "Authorization": f"Bearer {shop.key}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": payment.id,
            "Stripe-Version": VERSION,
        },
        content=urlencode(fields).encode(),
    )


def checkout(shop: Shop, answer: Answer) -> Checkout:
    """Read what Stripe answered; raises NotTaken, with words for the log alone, and Malformed."""
    table = answer.table()
    if not answer.is_fine:
        error = _table(table.get("error"))
        words = [str(error.get(name)) for name in ("type", "code") if error.get(name)]
        raise NotTaken(f"Stripe answered {answer.status} {' '.join(words)}".strip())
    session_id, url = table.get("id"), table.get("url")
    if not isinstance(session_id, str) or not isinstance(url, str):
        raise NotTaken("Stripe's answer names no session and address")
    if urlsplit(url).scheme not in {"https", urlsplit(shop.url).scheme}:
        raise NotTaken("Stripe's answer leads to no web page")
    return Checkout(session_id=session_id, url=url)


def signed(header: str, body: bytes, secret: str, now: datetime) -> bool:
    """Check `Stripe-Signature`: `t=…,v1=…`, with several v1 while the secret is being replaced."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in pairs if name == "t"]
    if len(moments) != 1 or not secret:
        return False
    moment = moments[0]
    if not (moment.isascii() and moment.isdigit() and len(moment) <= DIGITS_MAX):
        return False
    if abs(now.timestamp() - int(moment)) > STALE_S:
        return False
    expected = hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex().encode()
    given = [value.encode("utf-8", "replace") for name, _, value in pairs if name == "v1"]
    return any([hmac.compare_digest(expected, each) for each in given])  # noqa: C419 - as above


def read_event(body: bytes) -> News | DisputeNews | None:
    """Read what an event tells of a payment; None where that is nothing of interest."""
    try:
        event = _table(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
    kind = event.get("type")
    about = _table(_table(event.get("data")).get("object"))
    if kind in DISPUTE_EVENTS:
        return _dispute(about)
    named = _table(about.get("metadata")).get("payment_id") or about.get("client_reference_id")
    if not isinstance(kind, str) or not isinstance(named, str):
        return None
    if kind in CHARGE_EVENTS:
        return _charge(named, about)
    if kind in PAID_EVENTS or kind in SESSION_STATES:
        return _session(named, kind, about)
    return None


def _session(payment_id: str, kind: str, about: dict[str, JSON]) -> SessionNews | None:
    state = SESSION_STATES.get(kind)
    if state is None:
        # With slow methods of payment a checkout is complete before any money has come.
        status = about.get("payment_status")
        state = "paid" if status == "paid" else "pending" if status == "unpaid" else None
    session_id, amount = about.get("id"), about.get("amount_total")
    if state is None or not isinstance(session_id, str):
        return None
    return SessionNews(
        payment_id=payment_id,
        session_id=session_id,
        intent_id=_text(about.get("payment_intent")),
        state=state,
        amount_minor=_whole(amount),
        currency=str(about.get("currency", "")).lower(),
    )


def _charge(payment_id: str, about: dict[str, JSON]) -> ChargeNews:
    receipt = about.get("receipt_url")
    is_link = isinstance(receipt, str) and receipt.startswith("https://")
    return ChargeNews(
        payment_id=payment_id,
        intent_id=_text(about.get("payment_intent")),
        receipt_url=str(receipt) if is_link else None,
        refunded_minor=max(0, _whole(about.get("amount_refunded")) or 0),
        currency=str(about.get("currency", "")).lower(),
    )


def _dispute(about: dict[str, JSON]) -> DisputeNews | None:
    dispute_id, intent_id = _text(about.get("id")), _text(about.get("payment_intent"))
    status, amount = _text(about.get("status")), _whole(about.get("amount"))
    if dispute_id is None or intent_id is None or status is None or amount is None:
        return None
    if status.startswith(INQUIRY) or status == "prevented" or amount < 0:
        return None
    return DisputeNews(
        dispute_id=dispute_id,
        intent_id=intent_id,
        state="won" if status == "won" else "lost" if status == "lost" else "open",
        amount_minor=amount,
        currency=str(about.get("currency", "")).lower(),
    )


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _table(value: object) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
