"""People: who signs in, and the accounts they belong to."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Literal, NewType

from kinetoscope.accounts.accounts import TASKS_RUNNING_MAX_DEFAULT
from kinetoscope.kernel.errors import Conflict, InvalidRequest, NotFound, RateLimited
from kinetoscope.kernel.ids import AccountId, new_account_id, random_base36
from kinetoscope.postgres.pool import Connection, Database

PersonId = NewType("PersonId", str)
Role = Literal["owner", "member"]

EMAIL = re.compile(r"[A-Za-z0-9!#$%&*+./=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,184}")
"""ASCII alone, which everybody folds alike: one address in another script's case is not two."""
NAME_LENGTH_MAX = 80

SIGN_UPS_TIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who signs in."""

    id: PersonId
    email: str
    name: str
    password_hash: str | None
    is_operator: bool
    created_at: datetime
    disabled_at: datetime | None
    password_changed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """An account that a person belongs to."""

    account_id: AccountId
    name: str
    title: str
    role: Role


COLUMNS = """
  id, email, name, password_hash, is_operator, created_at, disabled_at, password_changed_at
"""


def read_email(text: str) -> str:
    """Read an e-mail address; raises InvalidRequest."""
    stripped = text.strip()
    if not EMAIL.fullmatch(stripped):
        raise InvalidRequest("Enter an e-mail address such as ada@example.com")
    return stripped


def read_name(text: str, length_max: int = NAME_LENGTH_MAX) -> str:
    """Read what people call somebody or something; raises InvalidRequest."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= length_max or not name.isprintable():
        raise InvalidRequest(f"Enter a name of 1 to {length_max} characters")
    return name


async def by_email(database: Database, email: str) -> Person | None:
    """Return the person with this address, however it is capitalised."""
    if not EMAIL.fullmatch(email):
        return None  # nobody's, and nothing that the database would read
    query = f"select {COLUMNS} from person where lower(email) = lower(%(email)s)"
    return await database.fetch_one(Person, query, {"email": email})


async def by_id(database: Database, person_id: PersonId) -> Person:
    """Return a person; raises NotFound."""
    query = f"select {COLUMNS} from person where id = %(id)s"
    found = await database.fetch_one(Person, query, {"id": person_id})
    if found is None:
        raise NotFound("There is no such person")
    return found


async def memberships(database: Database, person_id: PersonId) -> list[Membership]:
    """Return the accounts of a person, the first they joined first."""
    return await database.fetch_all(
        Membership,
        """
        select account.id as account_id, account.name, account.title, member.role
        from member join account on account.id = member.account_id
        where member.person_id = %(person_id)s
        order by member.created_at, account.id
        """,
        {"person_id": person_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """What somebody who signs up says of themselves, and where they come from."""

    email: str
    name: str
    password_hash: str | None
    client_ip: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedUp:
    """Who there is now, with an account of their own."""

    person_id: PersonId
    account_id: AccountId


Also = Callable[[Connection, SignedUp], Awaitable[None]]
"""What else is done in the transaction in which somebody signs up."""


async def nothing_else(connection: Connection, made: SignedUp) -> None:
    """Do nothing else."""


async def sign_up(
    database: Database, asked: SignUp, now: datetime, per_hour: int, also: Also = nothing_else
) -> SignedUp:
    """Make a person and an account of their own; raises Conflict or RateLimited."""

    async def steps(connection: Connection) -> SignedUp:
        made = await sign_up_within(connection, asked, now, per_hour)
        await also(connection, made)
        return made

    return await database.transact_once(steps)


def new_person_id() -> PersonId:
    """Draw an id that nobody has."""
    return PersonId("person_" + random_base36(20))


async def sign_up_within(
    connection: Connection, asked: SignUp, now: datetime, per_hour: int
) -> SignedUp:
    """Do the same as part of a transaction.

    Raises Conflict where the address is taken, RateLimited where too many came from its network.
    """
    network = None if asked.client_ip is None else network_of(asked.client_ip)
    if network is not None:
        await _require_calm(connection, network, now, per_hour)
    person_id = new_person_id()
    made = await connection.execute(
        """
        insert into person
          (id, email, name, password_hash, network, created_at, password_changed_at)
        values (%(id)s, %(email)s, %(name)s, %(password_hash)s, %(network)s::cidr, %(now)s,
                case when %(password_hash)s::text is not null then %(now)s end)
        on conflict do nothing
        returning id
        """,
        {
            "id": person_id,
            "email": asked.email,
            "name": asked.name,
            "password_hash": asked.password_hash,
            "network": network,
            "now": now,
        },
    )
    if await made.fetchone() is None:
        raise Conflict("Somebody with this e-mail address is here already")
    account_id = await open_account(connection, asked.email, now)
    await join(connection, account_id, person_id, "owner", now)
    return SignedUp(person_id=person_id, account_id=account_id)


async def open_account(connection: Connection, wanted: str, now: datetime) -> AccountId:
    """Open an account under a name close to the one wanted. Part of a transaction."""
    name = re.sub(r"[^A-Za-z0-9._@+-]+", "-", wanted).lstrip("._@+-")[:90] or "account"
    account_id = new_account_id()
    for candidate in (name, f"{name}-{random_base36(6)}"):
        made = await connection.execute(
            """
            insert into account (id, name, title, tasks_running_max, created_at)
            values (%s, %s, %s, %s, %s)
            on conflict (name) do nothing
            returning id
            """,
            (account_id, candidate, wanted, TASKS_RUNNING_MAX_DEFAULT, now),
        )
        if await made.fetchone() is not None:
            return account_id
    raise Conflict("This name is taken")


async def join(
    connection: Connection, account_id: AccountId, person_id: PersonId, role: Role, now: datetime
) -> None:
    """Make a person a member of an account. Part of a transaction."""
    await connection.execute(
        """
        insert into member (account_id, person_id, role, created_at) values (%s, %s, %s, %s)
        on conflict (account_id, person_id) do nothing
        """,
        (account_id, person_id, role, now),
    )


async def set_password(
    database: Database, person_id: PersonId, password_hash: str, now: datetime
) -> None:
    """Change a person's password; sessions and links from before open nothing any more."""
    await database.execute(
        """
        with links as (delete from sign_in_link where person_id = %(id)s)
        update person set password_hash = %(password_hash)s, password_changed_at = %(now)s
        where id = %(id)s
        """,
        {"id": person_id, "password_hash": password_hash, "now": now},
    )


async def rehash(database: Database, person: Person, password_hash: str) -> None:
    """Keep the same password under a better hash, unless it was changed meanwhile."""
    await database.execute(
        """
        update person set password_hash = %(password_hash)s
        where id = %(id)s and password_hash = %(before)s
        """,
        {"id": person.id, "password_hash": password_hash, "before": person.password_hash},
    )


async def rename(database: Database, person_id: PersonId, name: str) -> None:
    """Change a person's name."""
    await database.execute(
        "update person set name = %(name)s where id = %(id)s", {"id": person_id, "name": name}
    )


def network_of(client_ip: str) -> str:
    """Return the network that counts as one for sign-ups: a /24, and of IPv6 a /48."""
    bits = 48 if ":" in client_ip else 24
    return str(ip_network((client_ip, bits), strict=False))


async def _require_calm(connection: Connection, network: str, now: datetime, per_hour: int) -> None:
    # Those of one network queue up here, so that many at once are counted one by one.
    await connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (network,))
    row = await (
        await connection.execute(
            "select count(*) from person where network = %s::cidr and created_at > %s",
            (network, now - SIGN_UPS_TIME),
        )
    ).fetchone()
    assert row is not None  # noqa: S101 - a count is always one row
    if row[0] >= per_hour:
        raise RateLimited(limit=per_hour, wait_s=int(SIGN_UPS_TIME.total_seconds()))


async def set_operator(database: Database, email: str, *, is_operator: bool) -> None:
    """Make somebody an operator, or no longer."""
    await database.execute(
        "update person set is_operator = %(is_operator)s where lower(email) = lower(%(email)s)",
        {"email": email, "is_operator": is_operator},
    )


async def set_disabled(database: Database, person_id: PersonId, at: datetime | None) -> None:
    """Let somebody in no more, from the next request on; None lets them sign in again."""

    async def steps(connection: Connection) -> None:
        await connection.execute(
            "update person set disabled_at = %s where id = %s", (at, person_id)
        )
        # Whoever is let in again has to show once more who they are.
        await connection.execute("delete from session where person_id = %s", (person_id,))
        await connection.execute("delete from sign_in_link where person_id = %s", (person_id,))

    await database.transact(steps)


async def everyone(database: Database) -> list[Person]:
    """Return all people, oldest first."""
    query = f"select {COLUMNS} from person order by created_at, id"
    return await database.fetch_all(Person, query, {})
