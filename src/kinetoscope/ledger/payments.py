"""Payments: packs of credits that somebody buys. What Stripe tells of one is settled here, once.

News come in any order, several times, and to several processes at once. Each is settled under the
payment's lock; what it grants or takes back is part of the same transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg.rows import class_row

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Conflict, NotFound
from kinetoscope.kernel.ids import AccountId, random_base36
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection, Database

State = Literal["open", "pending", "paid", "failed", "expired", "refunded"]

OPEN_SHOWN = timedelta(hours=24)
"""How long one can go on with a payment: Stripe's sessions end then."""

BEGUN_TIME = timedelta(hours=1)
BEGUN_MAX = 20

CLOSED = frozenset({"paid", "refunded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Somebody's buying of a pack. Money is in the currency's smallest unit."""

    id: str
    account_id: AccountId
    person_id: str
    credits: Credits
    amount_cents: int
    currency: str
    state: State
    session_id: str | None
    checkout_url: str | None
    receipt_url: str | None
    refunded_cents: int
    taken_back: Credits
    created_at: datetime
    paid_at: datetime | None
    refunded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNews:
    """What became of a checkout; `amount_cents` and `currency` are what was asked there."""

    payment_id: str
    session_id: str
    state: Literal["pending", "paid", "failed", "expired"]
    amount_cents: int | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeNews:
    """What is known of the money: where its receipt is, and how much of it went back so far."""

    payment_id: str
    receipt_url: str | None
    refunded_cents: int
    currency: str


News = SessionNews | ChargeNews


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a piece of news came to. `credits` were granted or taken back."""

    payment_id: str
    account_id: AccountId
    outcome: Literal["granted", "taken_back", "noted", "nothing", "differs"]
    credits: Credits


COLUMNS = """
  id, account_id, person_id, credits, amount_cents, currency, state, session_id, checkout_url,
  receipt_url, refunded_cents, taken_back, created_at, paid_at, refunded_at
"""


async def begin(  # noqa: PLR0913 - one value per column
    database: Database,
    account_id: AccountId,
    person_id: str,
    *,
    bought: Credits,
    amount_cents: int,
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
          (id, account_id, person_id, credits, amount_cents, currency, created_at)
        select %(id)s, %(account_id)s, %(person_id)s, %(credits)s, %(amount_cents)s, %(currency)s,
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
            "amount_cents": amount_cents,
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
          and (state in ('pending', 'paid', 'failed', 'refunded')
               or state = 'open' and checkout_url is not null and created_at > %(open_since)s)
        order by created_at desc, id
        limit %(limit)s
        """,
        {"account_id": account_id, "open_since": now - OPEN_SHOWN, "limit": limit},
    )


async def settle(database: Database, news: News, now: datetime) -> Settled | None:
    """Do what a piece of news comes to, if it was not done before; None for no payment of ours."""

    async def steps(connection: Connection) -> Settled | None:
        payment = await _locked(connection, news.payment_id)
        if payment is None:
            return None
        if isinstance(news, ChargeNews):
            return await _settle_charge(connection, payment, news, now)
        return await _settle_session(connection, payment, news, now)

    return await database.transact(steps)


async def _locked(connection: Connection, payment_id: str) -> Payment | None:
    async with connection.cursor(row_factory=class_row(Payment)) as cursor:
        await cursor.execute(
            f"select {COLUMNS} from payment where id = %s for update", (payment_id,)
        )
        return await cursor.fetchone()


async def _settle_session(
    connection: Connection, payment: Payment, news: SessionNews, now: datetime
) -> Settled:
    if payment.session_id not in {None, news.session_id}:
        return _settled(payment, "differs")
    if payment.state in CLOSED:
        return _settled(payment, "nothing")
    if news.state != "paid":
        # Late news of waiting undo no end.
        if news.state == "pending" and payment.state != "open":
            return _settled(payment, "nothing")
        await connection.execute(
            "update payment set state = %s where id = %s", (news.state, payment.id)
        )
        return _settled(payment, "noted")
    if (news.amount_cents, news.currency) != (payment.amount_cents, payment.currency):
        return _settled(payment, "differs")
    # Money may have gone back before it was told that it came.
    granted = Credits(payment.credits - _share(payment, payment.refunded_cents))
    await connection.execute(
        """
        update payment set state = %s, session_id = %s, paid_at = %s where id = %s
        """,
        ("paid" if granted else "refunded", news.session_id, now, payment.id),
    )
    if granted:
        reason = f"payment {payment.id}"
        await book.grant_within(connection, payment.account_id, granted, reason=reason, now=now)
    return _settled(payment, "granted", granted)


async def _settle_charge(
    connection: Connection, payment: Payment, news: ChargeNews, now: datetime
) -> Settled:
    if news.currency != payment.currency:
        return _settled(payment, "differs")
    await connection.execute(
        "update payment set receipt_url = coalesce(%s, receipt_url) where id = %s",
        (news.receipt_url, payment.id),
    )
    refunded_cents = min(news.refunded_cents, payment.amount_cents)
    if refunded_cents <= payment.refunded_cents:
        return _settled(payment, "noted")
    taken = Credits(0)
    if payment.state == "paid":
        due = _share(payment, refunded_cents) - _share(payment, payment.refunded_cents)
        reason = f"refund {payment.id}"
        taken = await book.take_back_within(
            connection, payment.account_id, Credits(due), reason=reason, now=now
        )
    state = "refunded" if refunded_cents == payment.amount_cents else payment.state
    await connection.execute(
        """
        update payment
        set state = %s, refunded_cents = %s, taken_back = taken_back + %s, refunded_at = %s
        where id = %s
        """,
        (state, refunded_cents, taken, now, payment.id),
    )
    return _settled(payment, "taken_back", taken)


def _share(payment: Payment, refunded_cents: int) -> int:
    """Return the credits that so much of the money stands for, rounded down."""
    return payment.credits * refunded_cents // payment.amount_cents


def _settled(
    payment: Payment,
    outcome: Literal["granted", "taken_back", "noted", "nothing", "differs"],
    amount: int = 0,
) -> Settled:
    return Settled(
        payment_id=payment.id,
        account_id=payment.account_id,
        outcome=outcome,
        credits=Credits(amount),
    )
