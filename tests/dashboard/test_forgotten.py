"""Forgotten passwords are replaced by who came in without, and old ways in open nothing more."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from tests.conftest import World
from tests.dashboard.signed_in import OURS, SignedIn, client_of, signed_in
from tests.dashboard.test_own_settings import OTHER, SECRET, give_password, opens

from kinetoscope.accounts import audit, passwords, people, sessions, signing_in
from kinetoscope.accounts.sessions import How
from kinetoscope.kernel.errors import NotFound, Unauthenticated
from kinetoscope.postgres.pool import Database

pytestmark = pytest.mark.anyio


def browser(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=world.app, raise_app_exceptions=False),
        base_url="http://kinetoscope.test",
        headers=OURS | {"Accept": "text/html"},
    )


async def test_a_link_is_enough_to_replace_a_forgotten_password(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
    async with browser(world) as client:
        token = await signing_in.make_link(database, ada.person_id, world.clock())
        response = await client.post("/welcome", data={"token": token})
        assert response.status_code == 303
        page = (await client.get("/settings")).text
        assert "10 minutes" in page
        assert "Present password" not in page
        assert "by a link" in page
        assert (await client.post("/settings/password", data={"password": OTHER})).is_redirect
        assert await opens(world, OTHER, ada)
        # That was for once: the next time takes the present one.
        page = (await client.get("/settings")).text
        assert "Present password" in page
        assert "with the password" in page
        again = await client.post("/settings/password", data={"password": SECRET})
        assert again.status_code == 422
    noted = await audit.listing(database, ada.account_id, None, 10)
    begun = [entry.detail for entry in noted if entry.action == "session.start"]
    assert begun == [{"how": "password"}, {"how": "link"}]


WAYS: list[tuple[How, timedelta, bool]] = [
    ("link", timedelta(minutes=10, seconds=-1), True),
    ("oidc", timedelta(), True),
    ("passkey", timedelta(), True),
    ("link", timedelta(minutes=10), False),
    ("password", timedelta(), False),
    ("sign-up", timedelta(), False),
    ("invitation", timedelta(), False),
]


@pytest.mark.parametrize(("how", "later", "is_enough"), WAYS)
async def test_only_who_has_just_come_in_without_it_need_not_know_the_password(
    world: World, how: How, later: timedelta, *, is_enough: bool
):
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
    async with client_of(world, ada.person_id, ada.account_id, how) as (client, _):
        world.clock.move(later)
        response = await client.post("/settings/password", data={"password": OTHER})
        assert response.status_code == (303 if is_enough else 422)
    assert await opens(world, OTHER, ada) == is_enough


async def by_changing(_: World, ada: SignedIn) -> None:
    data = {"present": SECRET, "password": OTHER}
    assert (await ada.client.post("/settings/password", data=data)).is_redirect


async def by_signing_out(_: World, ada: SignedIn) -> None:
    assert (await ada.client.post("/settings/sessions/end-others")).is_redirect


async def by_disabling(world: World, ada: SignedIn) -> None:
    await people.set_disabled(world.runtime.database, ada.person_id, world.clock())
    await people.set_disabled(world.runtime.database, ada.person_id, None)


@pytest.mark.parametrize("end", [by_changing, by_signing_out, by_disabling])
async def test_links_from_before_open_nothing(world: World, end: Callable[..., object]):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await give_password(world, ada)
        tokens = [
            await signing_in.make_link(database, each.person_id, world.clock())
            for each in (ada, ben)
        ]
        await end(world, ada)  # type: ignore[misc]
        with pytest.raises(NotFound):
            await signing_in.by_link(database, tokens[0], world.clock())
        await signing_in.by_link(database, tokens[1], world.clock())


async def test_a_sign_in_under_way_does_not_outlive_the_password(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
        seen = await signing_in.by_password(database, ada.email, SECRET, world.clock())
        world.clock.move(timedelta(milliseconds=1))
        await by_changing(world, ada)
        with pytest.raises(Unauthenticated):
            await begun(world, seen, ada)
        seen = await people.by_id(database, ada.person_id)
        await begun(world, seen, ada)
        await people.set_disabled(database, ada.person_id, world.clock())
        with pytest.raises(Unauthenticated):
            await begun(world, seen, ada)


async def begun(world: World, seen: people.Person, ada: SignedIn) -> str:
    return await sessions.start(
        world.runtime.database,
        seen,
        ada.account_id,
        how="password",
        user_agent="",
        client_ip=None,
        now=world.clock(),
    )


async def test_a_session_from_before_a_change_opens_nothing(world: World):
    """Also where the process was killed between the change and the end of the sessions."""
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
        assert (await ada.client.get("/settings")).status_code == 200
        world.clock.move(timedelta(seconds=1))
        await give_password(world, ada)
        assert (await ada.client.get("/settings")).status_code == 303


async def test_a_better_hash_replaces_only_the_one_that_was_shown(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
        seen = await people.by_id(database, ada.person_id)
        world.clock.move(timedelta(seconds=1))
        await people.rehash(database, seen, await passwords.hashed(SECRET))
        better = await people.by_id(database, ada.person_id)
        assert better.password_hash != seen.password_hash
        assert better.password_changed_at == seen.password_changed_at
        await people.rehash(database, seen, "late")
        assert (await people.by_id(database, ada.person_id)).password_hash == better.password_hash


async def test_an_address_that_others_could_fold_to_is_nobodys(world: World):
    """`İ`, `K` and the like become other letters in one place, and not in another."""
    database = world.runtime.database
    never_asked = Database(database.conninfo, connections_max=1, patience_s=0)
    async with signed_in(world, "kim") as kim:
        await give_password(world, kim)
        for email in ("K\u0130M@example.com", "\u212aim@example.com", "k\u0131m@example.com"):
            assert await people.by_email(never_asked, email) is None
            form = {"name": "K", "email": email, "password": SECRET}
            async with browser(world) as client:
                assert (await client.post("/sign-up", data=form)).status_code == 422
                assert (await client.post("/sign-in", data=form)).status_code == 422
        person = await people.by_email(database, "KIM@Example.com")
        assert person is not None
        assert person.id == kim.person_id
