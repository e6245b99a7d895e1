"""Operators: how somebody becomes one from outside the dashboard.

An address is nobody's proof: whoever signed up with it may be somebody else. Only an address that
nobody has makes an operator by itself.
"""

from datetime import datetime

from kinetoscope.accounts import people
from kinetoscope.accounts.people import Person, PersonId
from kinetoscope.kernel.errors import Conflict
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Connection, Database


async def ensure(
    database: Database, email: str, name: str, account_id: AccountId, now: datetime
) -> Person:
    """Return the operator of this address, making them if nobody has it; they own an account.

    Raises Conflict where somebody has the address who operates nothing.
    """

    async def steps(connection: Connection) -> None:
        person_id, is_operator = await _locked(connection, email, name, now)
        if not is_operator:
            raise Conflict(f"Somebody who is no operator has the address {email}")
        await people.join(connection, account_id, person_id, "owner", now)

    await database.transact(steps)
    return await _of(database, email)


async def take_over(
    database: Database, email: str, name: str, account_id: AccountId, now: datetime
) -> Person:
    """Make whoever has an address an operator; whatever they signed in with opens nothing more."""

    async def steps(connection: Connection) -> None:
        person_id, is_operator = await _locked(connection, email, name, now)
        if not is_operator:
            await connection.execute(
                """
                update person
                set is_operator = true, password_hash = null, password_changed_at = %s
                where id = %s
                """,
                (now, person_id),
            )
            for table in ("session", "sign_in_link", "passkey", "identity"):
                await connection.execute(f"delete from {table} where person_id = %s", (person_id,))
        await people.join(connection, account_id, person_id, "owner", now)

    await database.transact(steps)
    return await _of(database, email)


async def _locked(
    connection: Connection, email: str, name: str, now: datetime
) -> tuple[PersonId, bool]:
    """Lock who has an address, making an operator if nobody has it; tell whether they are one."""
    await connection.execute(
        """
        insert into person (id, email, name, is_operator, created_at)
        values (%s, %s, %s, true, %s)
        on conflict do nothing
        """,
        (people.new_person_id(), email, name, now),
    )
    found = await connection.execute(
        "select id, is_operator from person where lower(email) = lower(%s) for no key update",
        (email,),
    )
    row = await found.fetchone()
    assert row is not None  # noqa: S101 - just made, or there before
    return PersonId(row[0]), bool(row[1])


async def _of(database: Database, email: str) -> Person:
    found = await people.by_email(database, email)
    assert found is not None  # noqa: S101 - people are never deleted
    return found
