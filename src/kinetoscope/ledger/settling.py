"""Settling: what Stripe tells of a payment and of its money is done here, once.

News come in any order, several times, and to several processes at once. Each is settled under the
payment's lock; what it grants or takes back is part of the same transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kinetoscope.kernel.credits import Credits
from kinetoscope.ledger import book
from kinetoscope.ledger.payments import CLOSED, Payment, Settled, locked, settled, share, take_back
from kinetoscope.postgres.pool import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNews:
    """What became of a checkout; `amount_minor` and `currency` are what was asked there."""

    payment_id: str
    session_id: str
    intent_id: str | None
    state: Literal["pending", "paid", "failed", "expired"]
    amount_minor: int | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeNews:
    """What is known of the money: where its receipt is, and how much of it went back so far."""

    payment_id: str
    intent_id: str | None
    receipt_url: str | None
    refunded_minor: int
    currency: str


News = SessionNews | ChargeNews


async def settle_within(connection: Connection, news: News, now: datetime) -> Settled | None:
    """Do what a piece of news comes to, if it was not done before; None for no payment of ours.

    Part of a transaction, so that what tells of it can be one with it.
    """
    payment = await locked(connection, "id", news.payment_id)
    if payment is None:
        return None
    if isinstance(news, ChargeNews):
        return await _settle_charge(connection, payment, news, now)
    return await _settle_session(connection, payment, news, now)


async def _settle_session(
    connection: Connection, payment: Payment, news: SessionNews, now: datetime
) -> Settled:
    if payment.session_id not in {None, news.session_id}:
        return settled(payment, "differs")
    if payment.state in CLOSED:
        return settled(payment, "nothing")
    if news.state != "paid":
        # Late news of waiting undo no end.
        if news.state == "pending" and payment.state != "open":
            return settled(payment, "nothing")
        await connection.execute(
            "update payment set state = %s where id = %s", (news.state, payment.id)
        )
        return settled(payment, "noted")
    if (news.amount_minor, news.currency) != (payment.amount_minor, payment.currency):
        return settled(payment, "differs")
    # Money may have gone back before it was told that it came.
    granted = Credits(payment.credits - share(payment, payment.refunded_minor))
    await connection.execute(
        """
        update payment
        set state = %s, session_id = %s, intent_id = coalesce(intent_id, %s), paid_at = %s
        where id = %s
        """,
        ("paid" if granted else "refunded", news.session_id, news.intent_id, now, payment.id),
    )
    if granted:
        reason = f"payment {payment.id}"
        await book.grant_within(connection, payment.account_id, granted, reason=reason, now=now)
    return settled(payment, "granted", granted)


async def _settle_charge(
    connection: Connection, payment: Payment, news: ChargeNews, now: datetime
) -> Settled:
    if news.currency != payment.currency:
        return settled(payment, "differs")
    await connection.execute(
        """
        update payment
        set receipt_url = coalesce(%s, receipt_url), intent_id = coalesce(intent_id, %s)
        where id = %s
        """,
        (news.receipt_url, news.intent_id, payment.id),
    )
    refunded_minor = min(news.refunded_minor, payment.amount_minor)
    if refunded_minor <= payment.refunded_minor:
        return settled(payment, "noted")
    taken = Credits(0)
    if payment.state in CLOSED:
        due = share(payment, refunded_minor) - share(payment, payment.refunded_minor)
        taken = await take_back(connection, payment, due, reason="refund", now=now)
    state = "refunded" if refunded_minor == payment.amount_minor else payment.state
    await connection.execute(
        """
        update payment
        set state = %s, refunded_minor = %s, taken_back = taken_back + %s, refunded_at = %s
        where id = %s
        """,
        (state, refunded_minor, taken, now, payment.id),
    )
    return settled(payment, "taken_back", taken)
