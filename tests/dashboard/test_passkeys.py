"""Passkeys, answered by a device in software: what they open, and what they must not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import World
from tests.dashboard.signed_in import OURS, SignedIn, signed_in
from tests.dashboard.soft_passkey import USER_PRESENT, USER_VERIFIED, SoftPasskey

from kinetoscope.accounts import passkeys, passwords, people, sessions
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.settings import Settings, load_settings

pytestmark = pytest.mark.anyio

SESSION, KEPT = "kinetoscope", "kinetoscope_passkey_sign_in"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "KINETOSCOPE_DATA_DIR": str(tmp_path / "data"),
            "KINETOSCOPE_PUBLIC_URL": "http://localhost",
            "KINETOSCOPE_REQUESTS_BURST": "1000000",
            "KINETOSCOPE_PASSKEYS": "1",
        }
    )


@asynccontextmanager
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", headers=OURS | {"HX-Request": "true"}
    ) as client:
        yield client


async def challenge_to_add(person: SignedIn, password: str = "") -> dict[str, Any]:
    form = {"passkey_name": "Phone", "passkey_password": password}
    response = await person.client.post("/settings/passkeys/challenge", data=form)
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()
    return options


async def add(person: SignedIn, device: SoftPasskey, name: str = "Phone") -> httpx.Response:
    answer = device.made(await challenge_to_add(person))
    form = {"passkey_name": name, "answer": answer}
    return await person.client.post("/settings/passkeys", data=form)


async def challenge(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.post("/sign-in/passkey/challenge")
    assert response.status_code == 200
    options: dict[str, Any] = response.json()
    assert options["rpId"] == "localhost"
    assert options["userVerification"] == "required"
    assert options["allowCredentials"] == []
    return options


async def answer(client: httpx.AsyncClient, text: str, next_path: str = "") -> httpx.Response:
    return await client.post("/sign-in/passkey", data={"answer": text, "next": next_path})


async def test_a_passkey_signs_its_person_in(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
        page = (await ada.client.get("/settings/ways")).text
        assert "Phone" in page
        assert "last used never" in page
    async with browser(world) as client:
        assert "data-passkey-sign-in" in (await client.get("/sign-in")).text
        response = await answer(client, device.signed(await challenge(client)), "/tasks")
        assert (response.status_code, response.headers["HX-Redirect"]) == (200, "/tasks")
        assert KEPT not in client.cookies
        token = client.cookies[SESSION]
    visitor = await sessions.visitor(world.runtime.database, token, world.clock())
    assert visitor is not None
    assert visitor.person_id == ada.person_id
    (kept,) = await passkeys.listing(world.runtime.database, ada.person_id)
    assert kept.used_at == world.clock()


async def refused(client: httpx.AsyncClient, text: str) -> None:
    response = await answer(client, text)
    assert response.status_code == 403, response.text
    assert SESSION not in client.cookies


async def test_what_is_wrong_with_an_answer_signs_nobody_in(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
    before = await world.count("session")
    async with browser(world) as client:
        await refused(client, device.signed({"challenge": "AAAA"}))  # no challenge of ours
        options = await challenge(client)
        await refused(client, device.signed({"challenge": "AAAA"}))
        for text in ("", "nonsense", "[]", "{}", '{"id": "AAAA"}', '{"id": "!", "response": 1}'):
            await refused(client, text)
        await refused(client, SoftPasskey().signed(options))  # a device that nobody added
        handle, device.user_handle = device.user_handle, "cGVyc29uX290aGVy"
        await refused(client, device.signed(options))
        device.user_handle = handle
        for wrong in (
            {"origin": "http://localhost:81"},
            {"origin": "https://localhost"},
            {"rp_id": "example.com"},
            {"flags": USER_VERIFIED},  # nobody was there
            {"flags": USER_PRESENT},  # whoever has the device
            {"key": SoftPasskey().key},
        ):
            liar = replace(device, **wrong)
            await refused(client, liar.signed(options))
        assert (await answer(client, device.signed(options))).status_code == 200
    assert await world.count("session") == before + 1


async def test_an_answer_is_good_once_and_in_time(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
    async with browser(world) as client:
        options = await challenge(client)
        kept = client.cookies[KEPT]
        text = device.signed(options)
        assert (await answer(client, text)).status_code == 200
    async with browser(world) as client:
        client.cookies.set(KEPT, kept, domain="localhost.local")
        await refused(client, text)
        # Nor is the challenge good for another answer, whatever the device has counted.
        await refused(client, device.signed(options))
        options = await challenge(client)
        world.clock.move(timedelta(minutes=10))
        await refused(client, device.signed(options))
    await passkeys.forget_old(world.runtime.database, world.clock())
    assert await world.count("passkey_challenge") == 2
    world.clock.move(timedelta(days=1, minutes=1))
    await passkeys.forget_old(world.runtime.database, world.clock())
    assert await world.count("passkey_challenge") == 0


async def test_devices_that_do_not_count_sign_in_again_and_again(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
    for _ in range(2):
        device.count = -1
        async with browser(world) as client:
            assert (await answer(client, device.signed(await challenge(client)))).is_success


async def test_a_copy_that_lags_behind_is_refused(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
    copy = replace(device)
    async with browser(world) as client:
        assert (await answer(client, device.signed(await challenge(client)))).is_success
    async with browser(world) as client:
        await refused(client, copy.signed(await challenge(client)))


async def test_who_is_disabled_is_not_let_in(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
    await people.set_disabled(world.runtime.database, ada.person_id, world.clock())
    async with browser(world) as client:
        await refused(client, device.signed(await challenge(client)))
    assert await world.count("session") == 0


async def test_adding_takes_the_password_and_a_challenge_of_this_session(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada, signed_in(world, "bea") as bea:
        database = world.runtime.database
        hashed = await passwords.hashed("a long enough secret")
        await people.set_password(database, ada.person_id, hashed, world.clock())
        form = {"passkey_name": "Phone", "passkey_password": "not it"}
        wrong = await ada.client.post("/settings/passkeys/challenge", data=form)
        assert (wrong.status_code, "not your password" in wrong.text) == (403, True)
        options = await challenge_to_add(ada, "a long enough secret")
        assert options["authenticatorSelection"]["residentKey"] == "required"
        form = {"passkey_name": "Phone", "answer": device.made(options)}
        name = "kinetoscope_passkey_add"
        bea.client.cookies.set(name, ada.client.cookies[name], domain="localhost.local")
        assert (await bea.client.post("/settings/passkeys", data=form)).status_code == 403
        unnamed = await ada.client.post("/settings/passkeys", data=form | {"passkey_name": " "})
        assert unnamed.status_code == 400
        garbled = await ada.client.post("/settings/passkeys", data=form | {"answer": "{}"})
        assert garbled.status_code == 400
        assert await world.count("passkey") == 0
        assert (await ada.client.post("/settings/passkeys", data=form)).status_code == 303
        # What a sign-in's challenge was answered with adds nothing.
        async with browser(world) as client:
            options = await challenge(client)
            bea.client.cookies.set(name, client.cookies[KEPT], domain="localhost.local")
        form["answer"] = SoftPasskey().made({**options, "user": {"id": "AAAA"}})
        assert (await bea.client.post("/settings/passkeys", data=form)).status_code == 403
    assert await world.count("passkey") == 1


async def test_a_passkey_is_one_persons_and_removed_by_them_alone(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada, signed_in(world, "bea") as bea:
        assert (await add(ada, device)).status_code == 303
        assert (await add(bea, device)).status_code == 409
        (kept,) = await passkeys.listing(world.runtime.database, ada.person_id)
        path = f"/settings/passkeys/{kept.id}/remove"
        assert (await bea.client.post(path)).status_code == 404
        only = await ada.client.post(path)
        assert (only.status_code, "only way" in only.text) == (409, True)
        assert await world.count("passkey") == 1
        assert (await add(ada, SoftPasskey(), "Laptop")).status_code == 303
        assert (await ada.client.post(path)).status_code == 303
        page = (await ada.client.get("/settings/ways")).text
        assert ("Laptop" in page, "Remove Phone" in page) == (True, False)
    async with browser(world) as client:
        await refused(client, device.signed(await challenge(client)))


async def test_there_is_an_end_to_how_many_one_adds(world: World):
    async with signed_in(world, "ada") as ada:
        for _ in range(passkeys.PASSKEYS_MAX):
            assert (await add(ada, SoftPasskey())).status_code == 303
        form = {"passkey_name": "One more"}
        response = await ada.client.post("/settings/passkeys/challenge", data=form)
        assert response.status_code == 409


async def test_turned_off_there_is_no_such_way(world: World):
    device = SoftPasskey()
    async with signed_in(world, "ada") as ada:
        assert (await add(ada, device)).status_code == 303
        object.__setattr__(
            world.runtime, "settings", replace(world.runtime.settings, passkeys=False)
        )
        async with browser(world) as client:
            assert (await client.post("/sign-in/passkey/challenge")).status_code == 404
            assert (await client.post("/sign-in/passkey")).status_code == 404
            assert "passkey" not in (await client.get("/sign-in")).text
        assert (await ada.client.post("/settings/passkeys/challenge")).status_code == 404
        # What is there can still be seen, and removed.
        assert "Phone" in (await ada.client.get("/settings/ways")).text


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "https://192.0.2.7", "https://[2001:db8::1]", "http://a.b"]
)
def test_an_address_that_browsers_bind_no_passkeys_to_stops_the_start(address: str):
    with pytest.raises(SettingInvalid, match="KINETOSCOPE_PASSKEYS"):
        load_settings({"KINETOSCOPE_PASSKEYS": "1", "KINETOSCOPE_PUBLIC_URL": address})


@pytest.mark.parametrize(
    ("address", "host", "origin"),
    [
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("https://Kino.Example:443/under", "kino.example", "https://kino.example"),
    ],
)
def test_passkeys_are_bound_to_the_public_address(address: str, host: str, origin: str):
    made = load_settings({"KINETOSCOPE_PASSKEYS": "1", "KINETOSCOPE_PUBLIC_URL": address})
    assert passkeys.host_of(made.public_url) == host
    assert passkeys.origin_of(made.public_url) == origin
