"""Sessions: who is signed in where. The cookie holds a token, the database its hash.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from kinetoscope.accounts.alerts import is_low
from kinetoscope.accounts.people import Person, PersonId, Role
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Forbidden, NotFound, Unauthenticated
from kinetoscope.kernel.ids import AccountId, random_base36
from kinetoscope.postgres.pool import Database

IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=7)
CHANGED = "What you signed in with has just been changed. Sign in again."

SEEN_DELAY = timedelta(minutes=1)
"""How exactly it is known when a session was last used."""

USER_AGENT_LENGTH_MAX = 300

TOKEN_BYTES = 32

How = Literal["password", "link", "invitation", "sign-up", "oidc", "passkey"]
"""How a session began."""

WITHOUT_PASSWORD = frozenset({"link", "oidc", "passkey"})
FRESH = timedelta(minutes=10)
"""How long whoever came in without their password may set a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A person who is signed in, and the account they act for, with what every page shows of it."""

    session_id: str
    person_id: PersonId
    email: str
    person_name: str
    is_operator: bool
    has_password: bool
    account_id: AccountId
    account_name: str
    account_title: str
    role: Role
    available: Credits
    held: Credits
    tasks_running: int
    tasks_running_max: int
    api_access: bool
    accounts: int
    alert_below: Credits | None
    how: How
    signed_in_at: datetime
    seen_at: datetime

    @property
    def is_low(self) -> bool:
        """Whether less is available than an owner wants to be told of."""
        return is_low(self.available, self.alert_below)

    def must_show_password(self, now: datetime) -> bool:
        """Whether changing how they sign in takes the present password.

        Not just after they came in by what needs none: they may have forgotten it.
        """
        is_fresh = self.how in WITHOUT_PASSWORD and now - self.signed_in_at < FRESH
        return self.has_password and not is_fresh

    @property
    def is_owner(self) -> bool:
        """Whether they manage the account."""
        return self.role == "owner"

    @property
    def account(self) -> str:
        """What people call the account."""
        return self.account_title or self.account_name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A session as its person sees it in the list."""

    id: str
    user_agent: str
    address: str | None
    how: How
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def sha256(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


async def start(  # noqa: PLR0913 - one value per column
    database: Database,
    person: Person,
    account_id: AccountId,
    *,
    how: How,
    user_agent: str,
    client_ip: str | None,
    now: datetime,
) -> str:
    """Begin a session; return its token, which is nowhere else.

    Raises Unauthenticated where the person's password has been changed, or they were disabled,
    since they were looked up: what they showed then opens nothing now.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    begun = await database.fetch_one(
        _Begun,
        """
        insert into session
          (token_sha256, id, person_id, account_id, how, user_agent, address, created_at, seen_at,
           expires_at)
        select %(token_sha256)s, %(id)s, person.id, %(account_id)s, %(how)s, %(user_agent)s,
               %(address)s::inet, %(now)s, %(now)s, %(expires_at)s
        from (
          -- Locked: a change that is just being made is waited for.
          select id from person
          where id = %(person_id)s and disabled_at is null
            and password_changed_at is not distinct from %(password_changed_at)s
          for share
        ) as person
        on conflict (token_sha256) do update set seen_at = excluded.seen_at
        returning id
        """,
        {
            "token_sha256": sha256(token),
            "id": "session_" + random_base36(16),
            "person_id": person.id,
            "password_changed_at": person.password_changed_at,
            "account_id": account_id,
            "how": how,
            "user_agent": user_agent[:USER_AGENT_LENGTH_MAX],
            "address": client_ip,
            "now": now,
            "expires_at": now + LIFETIME,
        },
    )
    if begun is None:
        raise Unauthenticated(CHANGED)
    return token


VISITOR = """
select session.id as session_id, person.id as person_id, person.email, person.name as person_name,
       person.is_operator, person.password_hash is not null as has_password,
       account.id as account_id, account.name as account_name, account.title as account_title,
       member.role, account.available, account.held, account.tasks_running,
       account.tasks_running_max, account.api_access,
       (select count(*) from member as all_of where all_of.person_id = person.id) as accounts,
       account.alert_below, session.how, session.created_at as signed_in_at, session.seen_at
from session
join person on person.id = session.person_id
join account on account.id = session.account_id
join member on member.account_id = account.id and member.person_id = person.id
where session.token_sha256 = %(token_sha256)s
  and session.expires_at > %(now)s and session.seen_at > %(idle_since)s
  and person.disabled_at is null
  and session.created_at >= coalesce(person.password_changed_at, session.created_at)
"""


async def visitor(database: Database, token: str, now: datetime) -> Visitor | None:
    """Return who has this token, or None where it opens nothing."""
    found = await database.fetch_one(
        Visitor, VISITOR, {"token_sha256": sha256(token), "now": now, "idle_since": now - IDLE}
    )
    if found is not None and now - found.seen_at >= SEEN_DELAY:
        await database.execute(
            "update session set seen_at = %(now)s where id = %(id)s",
            {"id": found.session_id, "now": now},
        )
    return found


async def switch(
    database: Database, session_id: str, person_id: PersonId, account_id: AccountId
) -> None:
    """Let a session act for another of its person's accounts; raises Forbidden."""
    switched = await database.execute(
        """
        update session set account_id = %(account_id)s
        where id = %(id)s and person_id = %(person_id)s
          and exists (select from member
                      where account_id = %(account_id)s and person_id = %(person_id)s)
        """,
        {"id": session_id, "person_id": person_id, "account_id": account_id},
    )
    if switched != 1:
        raise Forbidden("You are no member of this account")


async def listing(database: Database, person_id: PersonId, now: datetime) -> list[Shown]:
    """Return a person's sessions, the latest used first."""
    return await database.fetch_all(
        Shown,
        """
        select id, user_agent, host(address) as address, how, created_at, seen_at, expires_at
        from session
        where person_id = %(person_id)s and expires_at > %(now)s and seen_at > %(idle_since)s
        order by seen_at desc, id
        """,
        {"person_id": person_id, "now": now, "idle_since": now - IDLE},
    )


async def end(database: Database, person_id: PersonId, session_id: str) -> None:
    """Sign a person out in one place; raises NotFound for a session that is not theirs."""
    ended = await database.execute(
        "delete from session where id = %(id)s and person_id = %(person_id)s",
        {"id": session_id, "person_id": person_id},
    )
    if ended != 1:
        raise NotFound("There is no such session")


async def end_others(database: Database, person_id: PersonId, but: str | None) -> int:
    """Sign a person out everywhere, but for one session; return how many ended.

    Links that were made for them open nothing any more either.
    """
    return await database.execute(
        """
        with links as (delete from sign_in_link where person_id = %(person_id)s)
        delete from session
        where person_id = %(person_id)s and id is distinct from %(but)s
        """,
        {"person_id": person_id, "but": but},
    )


async def forget_expired(database: Database, now: datetime) -> int:
    """Delete sessions that open nothing any more; return how many."""
    return await database.execute(
        "delete from session where expires_at <= %(now)s or seen_at <= %(idle_since)s",
        {"now": now, "idle_since": now - IDLE},
    )
