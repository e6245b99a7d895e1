"""Disputes: a bank takes the money of a payment back. So do we with its credits, once.

While a dispute is open, and when it is lost, the credits stay where they are; when it is won, those
that were taken come back. News of one come in any order, as those of payments do.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Conflict
from kinetoscope.ledger import book
from kinetoscope.ledger.payments import CLOSED, Payment, Settled, locked, settled, share, take_back
from kinetoscope.postgres.pool import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNews:
    """How a dispute stands. It names what was paid by Stripe's name for it, not by ours."""

    dispute_id: str
    intent_id: str
    state: Literal["open", "won", "lost"]
    amount_minor: int
    currency: str


async def settle_within(connection: Connection, news: DisputeNews, now: datetime) -> Settled | None:
    """Do what news of a dispute come to, if it was not done before; None for no payment of ours.

    Part of a transaction. Raises Conflict where we have yet to hear that it was paid: Stripe tells
    again later.
    """
    payment = await locked(connection, "intent_id", news.intent_id)
    if payment is None:
        return None
    if payment.state not in CLOSED:
        raise Conflict("Whether this was paid is not known yet")
    if news.currency != payment.currency:
        return settled(payment, "differs")
    cursor = await connection.execute(
        "select state, taken_back from payment_dispute where id = %s", (news.dispute_id,)
    )
    known = await cursor.fetchone()
    if known is None:
        return await _begin(connection, payment, news, now)
    state, taken = known
    if state == "won" or news.state in {"open", state}:
        return settled(payment, "nothing")
    await connection.execute(
        "update payment_dispute set state = %s, closed_at = %s where id = %s",
        (news.state, now, news.dispute_id),
    )
    await _mark(connection, payment)
    if news.state == "lost":
        return settled(payment, "noted")
    reason = f"dispute won {payment.id}"
    if taken:
        await book.grant_within(connection, payment.account_id, taken, reason=reason, now=now)
    return settled(payment, "given_back", taken)


async def _begin(
    connection: Connection, payment: Payment, news: DisputeNews, now: datetime
) -> Settled:
    """Take back what the disputed money stands for, as far as it is available."""
    taken = Credits(0)
    if news.state != "won":
        due = share(payment, min(news.amount_minor, payment.amount_minor))
        taken = await take_back(connection, payment, due, reason="dispute", now=now)
    await connection.execute(
        """
        insert into payment_dispute
          (id, payment_id, amount_minor, state, taken_back, created_at, closed_at)
        values (%s, %s, %s, %s, %s, %s, %s)
        """,
        (
            news.dispute_id,
            payment.id,
            news.amount_minor,
            news.state,
            taken,
            now,
            None if news.state == "open" else now,
        ),
    )
    await _mark(connection, payment)
    return settled(payment, "noted" if news.state == "won" else "disputed", taken)


async def _mark(connection: Connection, payment: Payment) -> None:
    """Let a payment say whether it is disputed."""
    await connection.execute(
        """
        update payment
        set state = case
          when exists (select from payment_dispute
                       where payment_id = payment.id and state <> 'won') then 'disputed'
          when refunded_minor >= amount_minor then 'refunded'
          else 'paid' end
        where id = %s
        """,
        (payment.id,),
    )
