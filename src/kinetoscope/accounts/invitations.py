"""Invitations: links that let somebody belong to an account, once, within a week.

A link is good while whoever made it owns the account and may sign in. Nothing is sent; it is
shown once.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetoscope.accounts import members, people
from kinetoscope.accounts.people import Also, PersonId, Role, SignedUp, SignUp
from kinetoscope.accounts.sessions import TOKEN_BYTES, sha256
from kinetoscope.kernel.errors import Conflict, NotFound
from kinetoscope.kernel.ids import AccountId, random_base36
from kinetoscope.postgres.pool import Connection, Database

LIFETIME = timedelta(days=7)

PENDING_MAX = 100

NO_LONGER = "This invitation was used or withdrawn, or it has expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation that can still be accepted."""

    id: str
    account_id: AccountId
    account: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime


OPEN = """
select invitation.id, invitation.account_id,
       coalesce(nullif(account.title, ''), account.name) as account,
       invitation.email, invitation.role, person.name as invited_by, invitation.created_at,
       invitation.expires_at
from invitation
join account on account.id = invitation.account_id
join person on person.id = invitation.invited_by
join member on member.account_id = invitation.account_id
           and member.person_id = invitation.invited_by and member.role = 'owner'
where invitation.accepted_at is null and invitation.expires_at > %(now)s
  and person.disabled_at is null
"""


async def invite(
    database: Database,
    account_id: AccountId,
    invited_by: PersonId,
    email: str,
    role: Role,
    now: datetime,
) -> str:
    """Make an invitation; return its token, which is nowhere else.

    Raises Forbidden where who invites owns the account no more, Conflict for too many.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)

    async def steps(connection: Connection) -> None:
        await members.require_owner(connection, account_id, invited_by)
        pending = await connection.execute(
            """
            select from invitation
            where account_id = %s and accepted_at is null and expires_at > %s
            """,
            (account_id, now),
        )
        if pending.rowcount >= PENDING_MAX:
            raise Conflict(f"There are {PENDING_MAX} open invitations; withdraw some of them first")
        await connection.execute(
            """
            insert into invitation
              (token_sha256, id, account_id, email, role, invited_by, created_at, expires_at)
            values (%s, %s, %s, %s, %s, %s, %s, %s)
            on conflict do nothing
            """,
            (
                sha256(token),
                "invitation_" + random_base36(16),
                account_id,
                email,
                role,
                invited_by,
                now,
                now + LIFETIME,
            ),
        )

    await database.transact(steps)
    return token


async def pending(database: Database, account_id: AccountId, now: datetime) -> list[Invitation]:
    """Return an account's open invitations, the newest first."""
    return await database.fetch_all(
        Invitation,
        f"""
        {OPEN} and invitation.account_id = %(account_id)s
        order by invitation.created_at desc, invitation.id
        """,
        {"account_id": account_id, "now": now},
    )


async def withdraw(database: Database, account_id: AccountId, invitation_id: str) -> None:
    """Make an open invitation open nothing; raises NotFound."""
    withdrawn = await database.execute(
        """
        delete from invitation
        where id = %(id)s and account_id = %(account_id)s and accepted_at is null
        """,
        {"id": invitation_id, "account_id": account_id},
    )
    if withdrawn != 1:
        raise NotFound("There is no such invitation any more")


async def find(database: Database, token: str, now: datetime) -> Invitation:
    """Return an open invitation; raises NotFound."""
    found = await database.fetch_one(
        Invitation,
        f"{OPEN} and invitation.token_sha256 = %(token_sha256)s",
        {"token_sha256": sha256(token), "now": now},
    )
    if found is None:
        raise NotFound(NO_LONGER)
    return found


async def accept(database: Database, token: str, person_id: PersonId, now: datetime) -> AccountId:
    """Let somebody who is here already join; raises NotFound, Conflict for who belongs already."""

    async def steps(connection: Connection) -> AccountId:
        account_id, role = await _use(connection, token, now)
        joined = await connection.execute(
            "select from member where account_id = %s and person_id = %s", (account_id, person_id)
        )
        if joined.rowcount:
            raise Conflict("You belong to this account already")
        await people.join(connection, account_id, person_id, role, now)
        return account_id

    return await database.transact_once(steps)


async def sign_up(
    database: Database,
    token: str,
    asked: SignUp,
    now: datetime,
    also: Also = people.nothing_else,
) -> SignedUp:
    """Make a person who joins; they have no account of their own.

    Raises NotFound, or Conflict where the address is taken: then the invitation stays open.
    """
    person_id = people.new_person_id()

    async def steps(connection: Connection) -> SignedUp:
        account_id, role = await _use(connection, token, now)
        made = await connection.execute(
            """
            insert into person (id, email, name, password_hash, created_at, password_changed_at)
            values (%(id)s, %(email)s, %(name)s, %(password_hash)s, %(now)s, %(now)s)
            on conflict do nothing
            """,
            {
                "id": person_id,
                "email": asked.email,
                "name": asked.name,
                "password_hash": asked.password_hash,
                "now": now,
            },
        )
        if made.rowcount != 1:
            raise Conflict("Somebody with this e-mail address is here already")
        await people.join(connection, account_id, person_id, role, now)
        joined = SignedUp(person_id=person_id, account_id=account_id)
        await also(connection, joined)
        return joined

    return await database.transact_once(steps)


async def forget_old(database: Database, now: datetime) -> None:
    """Delete invitations that open nothing any more."""
    await database.execute(
        "delete from invitation where expires_at < %(before)s", {"before": now - LIFETIME}
    )


async def _use(connection: Connection, token: str, now: datetime) -> tuple[AccountId, Role]:
    """Use an invitation up: of two at once the second waits here, and finds nothing."""
    used = await connection.execute(
        """
        update invitation set accepted_at = %(now)s
        where token_sha256 = %(token_sha256)s and accepted_at is null and expires_at > %(now)s
          and exists (select from member join person on person.id = member.person_id
                      where member.account_id = invitation.account_id
                        and member.person_id = invitation.invited_by and member.role = 'owner'
                        and person.disabled_at is null)
        returning account_id, role
        """,
        {"token_sha256": sha256(token), "now": now},
    )
    row = await used.fetchone()
    if row is None:
        raise NotFound(NO_LONGER)
    return AccountId(row[0]), row[1]
