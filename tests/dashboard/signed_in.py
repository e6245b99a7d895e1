"""People who are signed in, without a browser: for what HTTP alone can show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from tests.conftest import World

from kinetoscope.accounts import people, sessions
from kinetoscope.accounts.people import PersonId, Role, SignUp
from kinetoscope.accounts.sessions import How
from kinetoscope.kernel.credits import parse_credits
from kinetoscope.kernel.ids import AccountId
from kinetoscope.ledger import book

OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody's browser: a client that carries their session, and says that forms are ours."""

    client: httpx.AsyncClient
    person_id: PersonId
    account_id: AccountId
    email: str
    token: str


@asynccontextmanager
async def signed_in(
    world: World, name: str, granted: str = "1000", *, is_operator: bool = False
) -> AsyncIterator[SignedIn]:
    """Sign somebody up, with an account of their own that they own, and let them in."""
    database, now = world.runtime.database, world.clock()
    email = f"{name}@example.com"
    asked = SignUp(email=email, name=name.title(), password_hash=None, client_ip=None)
    made = await people.sign_up(database, asked, now, 1000)
    if is_operator:
        await people.set_operator(database, email, is_operator=True)
    if parse_credits(granted):
        await book.grant(database, made.account_id, parse_credits(granted), reason="test", now=now)
    async with client_of(world, made.person_id, made.account_id) as (client, token):
        yield SignedIn(
            client=client,
            person_id=made.person_id,
            account_id=made.account_id,
            email=email,
            token=token,
        )


@asynccontextmanager
async def client_of(
    world: World, person_id: PersonId, account_id: AccountId, how: How = "password"
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Begin a session of somebody for one of their accounts."""
    token = await sessions.start(
        world.runtime.database,
        await people.by_id(world.runtime.database, person_id),
        account_id,
        how=how,
        user_agent="test",
        client_ip=None,
        now=world.clock(),
    )
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport,
        base_url=world.runtime.settings.public_url,
        cookies={"kinetoscope": token},
        headers=OURS | {"Accept": "text/html"},
    ) as client:
        yield client, token


async def join(world: World, person_id: PersonId, account_id: AccountId, role: Role) -> None:
    """Make somebody a member of another account."""

    async def steps(connection: object) -> None:
        await people.join(connection, account_id, person_id, role, world.clock())  # type: ignore[arg-type]

    await world.runtime.database.transact(steps)
