"""Accounts: who holds credits and keys."""

import re
from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import InvalidRequest, NotFound
from kinetoscope.kernel.ids import AccountId, new_account_id
from kinetoscope.postgres.pool import Database

TASKS_RUNNING_MAX_DEFAULT = 50
"""How many tasks of one account may run at once.
https://kinovi.ai/docs/common/authentication"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its balance, in 1/100 credit. Tasks of test keys are counted by themselves."""

    id: AccountId
    name: str
    available: Credits
    held: Credits
    spent: Credits
    tasks_running: int
    tests_running: int
    tasks_running_max: int
    api_access: bool
    requests_per_second: int | None
    requests_burst: int | None
    created_at: datetime


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")

COLUMNS = """
  id, name, available, held, spent, tasks_running, tests_running, tasks_running_max, api_access,
  requests_per_second, requests_burst, created_at
"""


async def ensure(database: Database, name: str, now: datetime) -> tuple[Account, bool]:
    """Return the account of this name, making it first if need be; True if it is new.

    Raises InvalidRequest for a name that is none.
    """
    if NAME.fullmatch(name) is None:
        raise InvalidRequest(f"{name!r} is no account name: letters, digits and . _ @ + - only")
    made = await database.execute(
        """
        insert into account (id, name, tasks_running_max, created_at)
        values (%(id)s, %(name)s, %(tasks_running_max)s, %(now)s)
        on conflict (name) do nothing
        """,
        {
            "id": new_account_id(),
            "name": name,
            "tasks_running_max": TASKS_RUNNING_MAX_DEFAULT,
            "now": now,
        },
    )
    return await by_name(database, name), made == 1


async def by_name(database: Database, name: str) -> Account:
    """Return the account of this name; raises NotFound."""
    query = f"select {COLUMNS} from account where name = %(name)s"
    account = await database.fetch_one(Account, query, {"name": name})
    if account is None:
        raise NotFound(f"There is no account named {name!r}")
    return account


async def by_id(database: Database, account_id: AccountId) -> Account:
    """Return an account; raises NotFound."""
    query = f"select {COLUMNS} from account where id = %(id)s"
    account = await database.fetch_one(Account, query, {"id": account_id})
    if account is None:
        raise NotFound(f"There is no account with the id {account_id!r}")
    return account


async def everyone(database: Database) -> list[Account]:
    """Return all accounts, oldest first."""
    query = f"select {COLUMNS} from account order by created_at, id"
    return await database.fetch_all(Account, query, {})


async def limit(
    database: Database,
    name: str,
    *,
    tasks_running_max: int | None,
    api_access: bool | None,
    requests_per_second: int | None = None,
    requests_burst: int | None = None,
) -> Account:
    """Change what an account may do; None leaves a thing as it is. Raises NotFound."""
    await database.execute(
        """
        update account
        set tasks_running_max = coalesce(%(tasks_running_max)s, tasks_running_max),
            api_access = coalesce(%(api_access)s, api_access),
            requests_per_second = coalesce(%(requests_per_second)s, requests_per_second),
            requests_burst = coalesce(%(requests_burst)s, requests_burst)
        where name = %(name)s
        """,
        {
            "name": name,
            "tasks_running_max": tasks_running_max,
            "api_access": api_access,
            "requests_per_second": requests_per_second,
            "requests_burst": requests_burst,
        },
    )
    return await by_name(database, name)
