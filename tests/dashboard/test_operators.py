"""Who becomes an operator from outside the dashboard: never whoever signed up with an address."""

from dataclasses import replace

import pytest
from tests.conftest import World
from tests.dashboard.signed_in import signed_in
from tests.dashboard.test_members import roles

from kinetoscope.accounts import accounts, operators, passwords, people, sessions, signing_in
from kinetoscope.cli.first_start import LOCAL_ACCOUNT, TAKEN, Begun, operator_link
from kinetoscope.cli.serve import banner
from kinetoscope.kernel.errors import Conflict, Unauthenticated
from kinetoscope.kernel.ids import AccountId

pytestmark = pytest.mark.anyio

EMAIL = "ops@example.com"
SECRET = "a long enough secret"


@pytest.fixture
async def local(world: World) -> AccountId:
    made, _ = await accounts.ensure(world.runtime.database, LOCAL_ACCOUNT, world.clock())
    settings = replace(world.runtime.settings, operator_email=EMAIL)
    object.__setattr__(world.runtime, "settings", settings)
    return made.id


async def test_a_start_makes_an_operator_whose_address_nobody_has(world: World, local: AccountId):
    links = [await operator_link(world.runtime) for _ in range(2)]
    assert all(link.startswith("http://kinetoscope.test/welcome?token=") for link in links)
    person = await signing_in.by_link(world.runtime.database, links[1][-43:], world.clock())
    assert (person.email, person.is_operator) == (EMAIL, True)
    assert await roles(world, local) == {"ops": "owner"}


async def test_a_start_trusts_nobody_who_signed_up_with_the_address(world: World, local: AccountId):
    async with signed_in(world, "ops") as ops:
        link = await operator_link(world.runtime)
        assert link == TAKEN
        for address in ("http://127.0.0.1:8000", "https://kino.example"):
            settings = replace(world.runtime.settings, public_url=address)
            assert "--take-over" in banner(settings, Begun(key=None, link=link))
        person = await people.by_id(world.runtime.database, ops.person_id)
        assert not person.is_operator
        assert (await ops.client.get("/operator")).status_code == 404
    assert await roles(world, local) == {}
    assert await world.count("sign_in_link") == 0


async def test_whoever_is_made_operator_in_place_of_another_begins_anew(
    world: World, local: AccountId
):
    database, now = world.runtime.database, world.clock()
    async with signed_in(world, "ops") as ops:
        hashed = await passwords.hashed(SECRET)
        await people.set_password(database, ops.person_id, hashed, now)
        await signing_in.make_link(database, ops.person_id, now)
        for table in ("passkey", "identity"):
            await database.execute(PLANTED[table], {"person": ops.person_id, "now": now})
        with pytest.raises(Conflict):
            await operators.ensure(database, EMAIL, EMAIL, local, now)
        assert (await ops.client.get("/settings")).status_code == 200
        person = await operators.take_over(database, EMAIL, EMAIL, local, now)
        assert (person.id, person.is_operator, person.password_hash) == (ops.person_id, True, None)
        assert (await ops.client.get("/settings")).status_code == 303
    for table in ("session", "sign_in_link", "passkey", "identity"):
        assert await world.count(table) == 0, table
    with pytest.raises(Unauthenticated):
        await signing_in.by_password(database, EMAIL, SECRET, now)
    assert await roles(world, local) == {"ops": "owner"}
    token = (await operator_link(world.runtime))[-43:]
    assert (await signing_in.by_link(database, token, now)).id == ops.person_id


PLANTED = {
    "passkey": """
        insert into passkey
          (credential_id, id, person_id, name, public_key, sign_count, created_at)
        values ('x', 'passkey_x', %(person)s, 'x', 'x', 0, %(now)s)
    """,
    "identity": """
        insert into identity (issuer, subject, id, person_id, email, created_at, used_at)
        values ('x', 'x', 'identity_x', %(person)s, 'x', %(now)s, %(now)s)
    """,
}


async def test_an_operator_who_is_taken_over_keeps_everything(world: World, local: AccountId):
    database, now = world.runtime.database, world.clock()
    async with signed_in(world, "ops", is_operator=True) as ops:
        await operators.take_over(database, EMAIL, EMAIL, local, now)
        assert (await ops.client.get("/operator")).status_code == 200
    visitor = await sessions.visitor(database, ops.token, now)
    assert visitor is not None
    assert visitor.is_operator
