"""A person's own settings: name, password, and the sessions they may end."""

import pytest
from tests.conftest import World
from tests.dashboard.signed_in import SignedIn, client_of, signed_in

from kinetoscope.accounts import audit, passwords, people, sessions
from kinetoscope.dashboard.devices import device

pytestmark = pytest.mark.anyio

SECRET = "a long enough secret"
OTHER = "quite another secret"


async def give_password(world: World, person: SignedIn) -> None:
    hashed = await passwords.hashed(SECRET)
    await people.set_password(world.runtime.database, person.person_id, hashed, world.clock())


async def opens(world: World, password: str, person: SignedIn) -> bool:
    found = await people.by_id(world.runtime.database, person.person_id)
    return await passwords.matches(found.password_hash, password)


async def test_a_name_is_changed(world: World):
    async with signed_in(world, "ada") as ada:
        assert (await ada.client.post("/settings/name", data={"name": "Ada L."})).is_redirect
        assert "Ada L." in (await ada.client.get("/settings")).text
        wrong = await ada.client.post("/settings/name", data={"name": "  "})
        assert wrong.status_code == 422
        assert "1 to 80 characters" in wrong.text


async def test_the_first_password_needs_no_other(world: World):
    async with signed_in(world, "ada") as ada:
        assert "Present password" not in (await ada.client.get("/settings")).text
        response = await ada.client.post("/settings/password", data={"password": SECRET})
        assert response.status_code == 303
        assert await opens(world, SECRET, ada)
        assert "Present password" in (await ada.client.get("/settings")).text


async def test_a_new_password_needs_the_present_one_and_ends_every_session(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
        async with client_of(world, ada.person_id, ada.account_id) as (elsewhere, _):
            wrong = {"present": OTHER, "password": OTHER}
            response = await ada.client.post("/settings/password", data=wrong)
            assert response.status_code == 422
            assert "not your present password" in response.text
            short = {"present": SECRET, "password": "short"}
            assert (await ada.client.post("/settings/password", data=short)).status_code == 422
            assert await opens(world, SECRET, ada)
            assert (await elsewhere.get("/settings")).status_code == 200
            right = {"present": SECRET, "password": OTHER}
            assert (await ada.client.post("/settings/password", data=right)).is_redirect
            assert await opens(world, OTHER, ada)
            assert (await elsewhere.get("/settings")).status_code == 303
        assert await sessions.visitor(database, ada.token, world.clock()) is None
        assert (await ada.client.get("/settings")).status_code == 200
        assert len(await sessions.listing(database, ada.person_id, world.clock())) == 1
        noted = await audit.listing(database, ada.account_id, None, 10)
        assert [entry.action for entry in noted] == ["session.start", "person.password"]
        assert OTHER not in str(noted)


async def test_whoever_guesses_the_present_password_has_to_wait(world: World):
    async with signed_in(world, "ada") as ada:
        await give_password(world, ada)
        wrong = {"present": "wrong", "password": OTHER}
        statuses = [
            (await ada.client.post("/settings/password", data=wrong)).status_code for _ in range(7)
        ]
        assert statuses == [422] * 5 + [429] * 2
        right = {"present": SECRET, "password": OTHER}
        assert (await ada.client.post("/settings/password", data=right)).status_code == 429
        assert await opens(world, SECRET, ada)


async def test_sessions_are_ended_one_by_one_or_all_but_this(world: World):
    database = world.runtime.database
    async with (
        signed_in(world, "ada") as ada,
        client_of(world, ada.person_id, ada.account_id) as (second, token),
        client_of(world, ada.person_id, ada.account_id) as (third, _),
    ):
        page = (await ada.client.get("/settings")).text
        assert page.count("This one") == 1
        assert page.count('action="/settings/sessions/end"') == 2
        shown = await sessions.visitor(database, token, world.clock())
        assert shown is not None
        data = {"id": shown.session_id}
        assert (await ada.client.post("/settings/sessions/end", data=data)).is_redirect
        assert (await second.get("/settings")).status_code == 303
        assert (await third.get("/settings")).status_code == 200
        assert (await ada.client.post("/settings/sessions/end-others")).is_redirect
        assert (await third.get("/settings")).status_code == 303
        own = await sessions.visitor(database, ada.token, world.clock())
        assert own is not None
        await ada.client.post("/settings/sessions/end", data={"id": own.session_id})
        assert (await ada.client.get("/settings")).status_code == 303
        noted = await audit.listing(database, ada.account_id, None, 10)
        assert [entry.action for entry in noted] == [
            "session.end",
            "session.end_others",
            "session.end",
        ]


async def test_signing_out_is_noted_where_somebody_was_signed_in(world: World):
    async with signed_in(world, "ada") as ada:
        for _ in range(2):
            assert (await ada.client.post("/sign-out")).is_redirect
        (noted,) = await audit.listing(world.runtime.database, ada.account_id, None, 10)
        assert (noted.action, noted.person_id) == ("session.end", ada.person_id)


async def test_nobody_ends_anothers_session(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "eve") as eve:
        own = await sessions.visitor(world.runtime.database, ada.token, world.clock())
        assert own is not None
        response = await eve.client.post("/settings/sessions/end", data={"id": own.session_id})
        assert response.status_code == 404
        assert (await ada.client.get("/settings")).status_code == 200


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Firefox on Linux",
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/142.0.0.0 Mobile Safari/537.36"
            ),
            "Chrome on Android",
        ),
        ("curl/8.11.0", "A browser"),
        ("", "A browser"),
    ],
)
def test_a_device_is_named_in_words(user_agent: str, words: str):
    assert device(user_agent) == words
