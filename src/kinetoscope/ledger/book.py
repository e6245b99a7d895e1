"""The ledger's SQL: every movement writes its entry and the balance in the same transaction."""

from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import CreditsShort, NotFound
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.ledger import entry
from kinetoscope.ledger.entry import Movement
from kinetoscope.postgres.pool import Connection, Database


async def grant(
    database: Database, account_id: AccountId, amount: Credits, *, reason: str, now: datetime
) -> None:
    """Give credits to an account, or take unused ones back; raises CreditsShort, NotFound."""
    attempts: list[str] = []

    async def steps(connection: Connection) -> None:
        available = await _lock_available(connection, account_id)
        if await _took_effect(connection, attempts):
            return
        if available + amount < 0:
            raise CreditsShort(required=Credits(-amount), available=available)
        await _move(connection, account_id, None, entry.grant(amount), reason=reason, now=now)

    await database.transact(steps)


async def grant_once(
    database: Database, account_id: AccountId, amount: Credits, *, reason: str, now: datetime
) -> bool:
    """Give credits unless a grant for this reason was made before; True if it was made now."""
    attempts: list[str] = []

    async def steps(connection: Connection) -> bool:
        await _lock_available(connection, account_id)
        if await _took_effect(connection, attempts):
            return True
        cursor = await connection.execute(
            """
            select from ledger_entry
            where account_id = %s and kind = 'grant' and reason = %s limit 1
            """,
            (account_id, reason),
        )
        if await cursor.fetchone() is not None:
            return False
        await _move(connection, account_id, None, entry.grant(amount), reason=reason, now=now)
        return True

    return await database.transact(steps)


async def grant_within(
    connection: Connection, account_id: AccountId, amount: Credits, *, reason: str, now: datetime
) -> None:
    """Give credits as part of a transaction, which sees to it that it happens once."""
    await _lock_available(connection, account_id)
    await _move(connection, account_id, None, entry.grant(amount), reason=reason, now=now)


async def grant_named_within(
    connection: Connection,
    account_id: AccountId,
    amount: Credits,
    *,
    token: str,
    reason: str,
    now: datetime,
) -> bool:
    """Give credits, or take unused ones back, once for each token; False where that was before.

    Part of a transaction; raises CreditsShort, NotFound.
    """
    available = await _lock_available(connection, account_id)
    cursor = await connection.execute(
        """
        insert into grant_once (token, account_id, created_at) values (%s, %s, %s)
        on conflict (token) do nothing
        """,
        (token, account_id, now),
    )
    if cursor.rowcount == 0:
        return False
    if available + amount < 0:
        raise CreditsShort(required=Credits(-amount), available=available)
    await _move(connection, account_id, None, entry.grant(amount), reason=reason, now=now)
    return True


async def take_back_within(
    connection: Connection, account_id: AccountId, amount: Credits, *, reason: str, now: datetime
) -> Credits:
    """Take credits back as far as they are available; return how many. Part of a transaction."""
    taken = Credits(min(amount, await _lock_available(connection, account_id)))
    if taken > 0:
        movement = entry.grant(Credits(-taken))
        await _move(connection, account_id, None, movement, reason=reason, now=now)
    return taken


async def capture(
    connection: Connection,
    account_id: AccountId,
    task_id: TaskId,
    *,
    held: Credits,
    charged: Credits,
    now: datetime,
) -> Credits:
    """End a task's hold by charging; return what was really charged. Part of a transaction."""
    available = Credits(0)  # of no interest, but for a charge above the hold
    if charged > held:
        available = await _lock_available(connection, account_id)
    movement = entry.capture(held, charged, available)
    await _move(connection, account_id, task_id, movement, reason="", now=now)
    return Credits(movement.spent)


async def release(
    connection: Connection,
    account_id: AccountId,
    task_id: TaskId,
    *,
    held: Credits,
    now: datetime,
) -> None:
    """End a task's hold by giving it back. Part of a transaction."""
    await _move(connection, account_id, task_id, entry.release(held), reason="", now=now)


async def _took_effect(connection: Connection, attempts: list[str]) -> bool:
    """Tell whether an earlier attempt at this transaction was committed, and note this one.

    A commit whose answer is lost is repeated by the pool, and grants have no id of their own that
    would make that harmless. Call it with the account locked: an attempt that got as far as its
    commit held that lock, so it is over by now.
    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
    """
    cursor = await connection.execute(
        """
        select pg_current_xact_id()::text,
               exists (select from unnest(%s::text[]) as attempt
                       where pg_xact_status(attempt::xid8) = 'committed')
        """,
        (attempts,),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - no table, so always one row
    attempts.append(row[0])
    return bool(row[1])


async def _lock_available(connection: Connection, account_id: AccountId) -> Credits:
    cursor = await connection.execute(
        # No key is changed: rows that refer to the account need not wait.
        "select available from account where id = %s for no key update",
        (account_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no account with the id {account_id!r}")
    return Credits(row[0])


async def _move(
    connection: Connection,
    account_id: AccountId,
    task_id: TaskId | None,
    movement: Movement,
    *,
    reason: str,
    now: datetime,
) -> None:
    """Write the entry and the balance. A task's end also makes room for its account's next one."""
    await connection.execute(
        """
        with ended as (
          -- Which of the account's two places it had; nothing, where the movement is no task's.
          select is_test from task where id = %(task_id)s::text
        ), entry as (
          insert into ledger_entry
            (account_id, task_id, kind, granted, available, held, spent, reason, created_at)
          values
            (%(account_id)s, %(task_id)s, %(kind)s, %(granted)s, %(available)s, %(held)s,
             %(spent)s, %(reason)s, %(now)s)
        )
        update account
        set available = available + %(available)s,
            held = held + %(held)s,
            spent = spent + %(spent)s,
            tasks_running = tasks_running - (select count(*) from ended where not is_test)::int,
            tests_running = tests_running - (select count(*) from ended where is_test)::int
        where id = %(account_id)s
        """,
        {
            "account_id": account_id,
            "task_id": task_id,
            "kind": movement.kind,
            "granted": movement.granted,
            "available": movement.available,
            "held": movement.held,
            "spent": movement.spent,
            "reason": reason,
            "now": now,
        },
    )
