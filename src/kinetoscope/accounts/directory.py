"""The directory: all accounts and all people as an operator finds them."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.accounts.people import PersonId, Role
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All accounts together."""

    accounts: int
    people: int
    available: Credits
    held: Credits
    spent: Credits


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An account with its balance, its limits and what is kept of it; None is the deployment's."""

    id: AccountId
    name: str
    title: str
    available: Credits
    held: Credits
    spent: Credits
    tasks_running: int
    tests_running: int
    tasks_running_max: int
    api_access: bool
    requests_per_second: int | None
    requests_burst: int | None
    media_lifetime_s: int | None
    task_lifetime_s: int | None
    upload_lifetime_s: int | None
    legal_hold: bool
    members: int
    created_at: datetime

    @property
    def called(self) -> str:
        """What people call it."""
        return self.title or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """A person and an account of theirs, seen from either side."""

    person_id: PersonId
    email: str
    person_name: str
    account_id: AccountId
    account: str
    role: Role
    is_disabled: bool
    joined_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Somebody who may sign in, and when they were last seen in a session that still lasts."""

    id: PersonId
    email: str
    name: str
    is_operator: bool
    has_password: bool
    accounts: int
    sessions: int
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None


async def totals(database: Database) -> Totals:
    """Add everybody up."""
    found = await database.fetch_one(
        Totals,
        """
        select count(*) as accounts, (select count(*) from person) as people,
               coalesce(sum(available), 0)::bigint as available,
               coalesce(sum(held), 0)::bigint as held,
               coalesce(sum(spent), 0)::bigint as spent
        from account
        """,
        {},
    )
    assert found is not None  # noqa: S101 - an aggregate always has a row
    return found


ACCOUNT = """
select id, name, title, available, held, spent, tasks_running, tests_running, tasks_running_max,
       api_access, requests_per_second, requests_burst, media_lifetime_s, task_lifetime_s,
       upload_lifetime_s, legal_hold, created_at,
       (select count(*) from member where member.account_id = account.id) as members
from account
"""


async def accounts(
    database: Database, text: str, before: AccountId | None, limit: int
) -> list[Listed]:
    """Find accounts by a part of their name or of a member's address, or by their whole id.

    Newest first; `before` is where the page before ended.
    """
    return await database.fetch_all(
        Listed,
        f"""
        {ACCOUNT}
        where (%(text)s = '' or id = %(text)s
               or position(lower(%(text)s) in lower(name || ' ' || title)) > 0
               or exists (select from member join person on person.id = member.person_id
                          where member.account_id = account.id
                            and position(lower(%(text)s) in lower(person.email)) > 0))
          and (%(before)s::text is null
               or (created_at, id) < (select last.created_at, last.id from account as last
                                      where last.id = %(before)s))
        order by created_at desc, id desc
        limit %(limit)s
        """,
        {"text": text, "before": before, "limit": limit},
    )


async def account(database: Database, account_id: AccountId) -> Listed:
    """Return an account; raises NotFound."""
    found = await database.fetch_one(Listed, f"{ACCOUNT} where id = %(id)s", {"id": account_id})
    if found is None:
        raise NotFound("There is no such account")
    return found


BELONGING = """
select person.id as person_id, person.email, person.name as person_name,
       account.id as account_id, coalesce(nullif(account.title, ''), account.name) as account,
       member.role, person.disabled_at is not null as is_disabled,
       member.created_at as joined_at
from member
join person on person.id = member.person_id
join account on account.id = member.account_id
"""


async def members_of(database: Database, account_id: AccountId) -> list[Belonging]:
    """Return who belongs to an account, the first who joined first."""
    return await database.fetch_all(
        Belonging,
        f"{BELONGING} where account.id = %(id)s order by member.created_at, person.id",
        {"id": account_id},
    )


async def accounts_of(database: Database, person_id: PersonId) -> list[Belonging]:
    """Return what accounts a person belongs to, the first they joined first."""
    return await database.fetch_all(
        Belonging,
        f"{BELONGING} where person.id = %(id)s order by member.created_at, account.id",
        {"id": person_id},
    )


KNOWN = """
select id, email, name, is_operator, password_hash is not null as has_password, created_at,
       disabled_at,
       (select count(*) from member where member.person_id = person.id) as accounts,
       (select count(*) from session
        where session.person_id = person.id and expires_at > %(now)s) as sessions,
       (select max(seen_at) from session where session.person_id = person.id) as seen_at
from person
"""


async def people(
    database: Database, text: str, before: PersonId | None, limit: int, now: datetime
) -> list[Known]:
    """Find people by a part of their name or address; the newest first."""
    return await database.fetch_all(
        Known,
        f"""
        {KNOWN}
        where position(lower(%(text)s) in lower(email || ' ' || name)) > 0
          and (%(before)s::text is null
               or (created_at, id) < (select last.created_at, last.id from person as last
                                      where last.id = %(before)s))
        order by created_at desc, id desc
        limit %(limit)s
        """,
        {"text": text, "before": before, "limit": limit, "now": now},
    )


async def person(database: Database, person_id: PersonId, now: datetime) -> Known:
    """Return somebody; raises NotFound."""
    found = await database.fetch_one(
        Known, f"{KNOWN} where id = %(id)s", {"id": person_id, "now": now}
    )
    if found is None:
        raise NotFound("There is no such person")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    id: AccountId
    called: str


async def names(database: Database, account_ids: list[AccountId]) -> dict[AccountId, str]:
    """Return what people call accounts, by their ids."""
    found = await database.fetch_all(
        _Named,
        """
        select id, coalesce(nullif(title, ''), name) as called from account
        where id = any(%(ids)s)
        """,
        {"ids": account_ids},
    )
    return {each.id: each.called for each in found}
