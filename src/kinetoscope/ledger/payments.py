"""Payments: packs of credits that somebody buys, and what settling one is made of."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg.rows import class_row

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Conflict, NotFound
from kinetoscope.kernel.ids import AccountId, random_base36
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection, Database

State = Literal["open", "pending", "paid", "failed", "expired", "refunded", "disputed"]
Outcome = Literal["granted", "taken_back", "disputed", "given_back", "noted", "nothing", "differs"]

OPEN_SHOWN = timedelta(hours=24)
"""How long one can go on with a payment: Stripe's sessions end then."""

BEGUN_TIME = timedelta(hours=1)
BEGUN_MAX = 20

CLOSED = frozenset({"paid", "refunded", "disputed"})
"""States of payments that were granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Somebody's buying of a pack. Money is in the currency's smallest unit."""

    id: str
    account_id: AccountId
    person_id: str
    credits: Credits
    amount_minor: int
    currency: str
    state: State
    session_id: str | None
    checkout_url: str | None
    receipt_url: str | None
    refunded_minor: int
    taken_back: Credits
    created_at: datetime
    paid_at: datetime | None
    refunded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a piece of news came to. `credits` were granted or taken back."""

    payment_id: str
    account_id: AccountId
    outcome: Outcome
    credits: Credits


COLUMNS = """
  id, account_id, person_id, credits, amount_minor, currency, state, session_id, checkout_url,
  receipt_url, refunded_minor, taken_back, created_at, paid_at, refunded_at
"""


async def begin(  # noqa: PLR0913 - one value per column
    database: Database,
    account_id: AccountId,
    person_id: str,
    *,
    bought: Credits,
    amount_minor: int,
    currency: str,
    now: datetime,
) -> Payment:
    """Write down that somebody sets out to buy credits; nothing is granted.

    Raises Conflict where an account begins far more than it pays: each asks Stripe for something.
    """
    payment_id = "pay_" + random_base36(24)
    await database.execute(
        """
        insert into payment
          (id, account_id, person_id, credits, amount_minor, currency, created_at)
        select %(id)s, %(account_id)s, %(person_id)s, %(credits)s, %(amount_minor)s, %(currency)s,
               %(now)s
        where (select count(*) from payment
               where account_id = %(account_id)s and state = 'open'
                 and created_at > %(begun_since)s) < %(begun_max)s
        on conflict (id) do nothing
        """,
        {
            "id": payment_id,
            "account_id": account_id,
            "person_id": person_id,
            "credits": bought,
            "amount_minor": amount_minor,
            "currency": currency,
            "now": now,
            "begun_since": now - BEGUN_TIME,
            "begun_max": BEGUN_MAX,
        },
    )
    try:
        return await own(database, account_id, payment_id)
    except NotFound:
        raise Conflict(
            "Many payments were begun, and not paid. Pay one of them, or try again in an hour."
        ) from None


async def opened(
    database: Database, payment_id: str, session_id: str, checkout_url: str | None
) -> None:
    """Keep where a payment can be made."""
    await database.execute(
        """
        update payment set session_id = %(session_id)s, checkout_url = %(checkout_url)s
        where id = %(id)s
        """,
        {"id": payment_id, "session_id": session_id, "checkout_url": checkout_url},
    )


async def own(database: Database, account_id: AccountId, payment_id: str) -> Payment:
    """Return a payment of an account; raises NotFound."""
    query = f"select {COLUMNS} from payment where id = %(id)s and account_id = %(account_id)s"
    found = await database.fetch_one(Payment, query, {"id": payment_id, "account_id": account_id})
    if found is None:
        raise NotFound("There is no such payment")
    return found


async def listing(
    database: Database, account_id: AccountId, now: datetime, limit: int
) -> list[Payment]:
    """Return an account's payments, newest first, but for those that nobody went on with."""
    return await database.fetch_all(
        Payment,
        f"""
        select {COLUMNS} from payment
        where account_id = %(account_id)s
          and (state in ('pending', 'paid', 'failed', 'refunded', 'disputed')
               or state = 'open' and checkout_url is not null and created_at > %(open_since)s)
        order by created_at desc, id
        limit %(limit)s
        """,
        {"account_id": account_id, "open_since": now - OPEN_SHOWN, "limit": limit},
    )


async def locked(
    connection: Connection, column: Literal["id", "intent_id"], name: str
) -> Payment | None:
    """Return a payment that nobody else settles until the transaction ends."""
    query = f"select {COLUMNS} from payment where {column} = %s for update"
    async with connection.cursor(row_factory=class_row(Payment)) as cursor:
        await cursor.execute(query.encode(), (name,))
        return await cursor.fetchone()


async def take_back(
    connection: Connection, payment: Payment, due: int, *, reason: str, now: datetime
) -> Credits:
    """Take back credits of a payment, as far as they are available; return how many.

    No more than it brought, whatever was taken for refunds and for disputes before.
    """
    cursor = await connection.execute(
        """
        select coalesce(sum(taken_back), 0)::bigint from payment_dispute
        where payment_id = %s and state <> 'won'
        """,
        (payment.id,),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a sum is always one row
    left = payment.credits - payment.taken_back - int(row[0])
    return await book.take_back_within(
        connection,
        payment.account_id,
        Credits(max(0, min(due, left))),
        reason=f"{reason} {payment.id}",
        now=now,
    )


def share(payment: Payment, amount_minor: int) -> int:
    """Return the credits that so much of the money stands for, rounded down."""
    return payment.credits * amount_minor // payment.amount_minor


def settled(payment: Payment, outcome: Outcome, amount: int = 0) -> Settled:
    """Say what was done about a payment."""
    return Settled(
        payment_id=payment.id,
        account_id=payment.account_id,
        outcome=outcome,
        credits=Credits(amount),
    )
