"""Members: who belongs to an account, as what, and that there is always an owner."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.accounts import people
from kinetoscope.accounts.people import PersonId, Role
from kinetoscope.kernel.errors import Conflict, Forbidden, NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Connection, Database

ACCOUNTS_OWNED_MAX = 20
"""Whoever owns as many accounts opens no further one."""

LAST_OWNER = "An account needs an owner, and there is no other"
ONLY_ACCOUNT = "This is your only account; without one you could not sign in any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who belongs to an account."""

    person_id: PersonId
    name: str
    email: str
    role: Role
    joined_at: datetime


async def listing(database: Database, account_id: AccountId) -> list[Member]:
    """Return an account's members: owners first, then in the order they joined."""
    return await database.fetch_all(
        Member,
        """
        select person.id as person_id, person.name, person.email, member.role,
               member.created_at as joined_at
        from member join person on person.id = member.person_id
        where member.account_id = %(account_id)s
        order by member.role = 'owner' desc, member.created_at, person.id
        """,
        {"account_id": account_id},
    )


async def set_role(
    database: Database, account_id: AccountId, person_id: PersonId, role: Role
) -> None:
    """Make a member an owner, or no longer one; raises NotFound, Conflict for the last owner."""

    async def steps(connection: Connection) -> None:
        if role != "owner":
            await _require_other_owner(connection, account_id, person_id)
        changed = await connection.execute(
            "update member set role = %s where account_id = %s and person_id = %s",
            (role, account_id, person_id),
        )
        if changed.rowcount != 1:
            raise NotFound("There is no such member")
        if role != "owner":
            await _withdraw_invitations(connection, account_id, person_id)

    await database.transact(steps)


async def remove(database: Database, account_id: AccountId, person_id: PersonId) -> None:
    """Let somebody belong to an account no more; raises NotFound, Conflict for the last owner.

    Where they act for it just now, they act for another of theirs from the next request on.
    """

    async def steps(connection: Connection) -> None:
        await _require_other_owner(connection, account_id, person_id)
        await _end(connection, account_id, person_id)

    await database.transact(steps)


async def leave(database: Database, account_id: AccountId, person_id: PersonId) -> None:
    """Do the same for oneself; raises Conflict also where it is one's only account."""

    async def steps(connection: Connection) -> None:
        # Locked, so that who leaves their last two accounts at once stays in one of them.
        await connection.execute("select from person where id = %s for no key update", (person_id,))
        theirs = await connection.execute("select from member where person_id = %s", (person_id,))
        await _require_other_owner(connection, account_id, person_id)
        if theirs.rowcount < 2:  # noqa: PLR2004 - this one and another
            raise Conflict(ONLY_ACCOUNT)
        await _end(connection, account_id, person_id)

    await database.transact(steps)


async def set_title(database: Database, account_id: AccountId, title: str) -> None:
    """Change what people call an account."""
    await database.execute(
        "update account set title = %(title)s where id = %(id)s",
        {"id": account_id, "title": title},
    )


async def open_another(
    database: Database, person_id: PersonId, title: str, now: datetime
) -> AccountId:
    """Open a further account that somebody owns, without credits; raises Conflict."""

    async def steps(connection: Connection) -> AccountId:
        # Locked, so that many at once are counted one by one.
        await connection.execute("select from person where id = %s for no key update", (person_id,))
        owned = await connection.execute(
            "select from member where person_id = %s and role = 'owner'", (person_id,)
        )
        if owned.rowcount >= ACCOUNTS_OWNED_MAX:
            raise Conflict(f"You own {ACCOUNTS_OWNED_MAX} accounts, which is as many as one may")
        account_id = await people.open_account(connection, title, now)
        await people.join(connection, account_id, person_id, "owner", now)
        return account_id

    return await database.transact_once(steps)


async def require_owner(connection: Connection, account_id: AccountId, person_id: PersonId) -> None:
    """Refuse whoever owns the account no more; raises Forbidden. Part of a transaction."""
    found = await connection.execute(
        """
        select from member
        where account_id = %s and person_id = %s and role = 'owner' for key share
        """,
        (account_id, person_id),
    )
    if found.rowcount != 1:
        raise Forbidden("Only an owner of this account may do that")


async def _require_other_owner(
    connection: Connection, account_id: AccountId, person_id: PersonId
) -> None:
    """Keep the last owner; raises Conflict.

    All owners are locked, always in one order. Who waited here sees who is left.
    """
    owners = await connection.execute(
        """
        select person_id from member
        where account_id = %s and role = 'owner' order by person_id for update
        """,
        (account_id,),
    )
    if await owners.fetchall() == [(person_id,)]:
        raise Conflict(LAST_OWNER)


async def _end(connection: Connection, account_id: AccountId, person_id: PersonId) -> None:
    ended = await connection.execute(
        "delete from member where account_id = %s and person_id = %s", (account_id, person_id)
    )
    if ended.rowcount != 1:
        raise NotFound("There is no such member")
    await _withdraw_invitations(connection, account_id, person_id)
    await connection.execute(
        """
        update session
        set account_id = (select member.account_id from member
                          where member.person_id = session.person_id
                          order by member.created_at, member.account_id limit 1)
        where account_id = %(account_id)s and person_id = %(person_id)s
          and exists (select from member where member.person_id = session.person_id)
        """,
        {"account_id": account_id, "person_id": person_id},
    )
    await connection.execute(
        "delete from session where account_id = %s and person_id = %s", (account_id, person_id)
    )


async def _withdraw_invitations(
    connection: Connection, account_id: AccountId, person_id: PersonId
) -> None:
    """Delete what somebody may invite to no more: made an owner again, they invite anew."""
    await connection.execute(
        """
        delete from invitation
        where account_id = %s and invited_by = %s and accepted_at is null
        """,
        (account_id, person_id),
    )
