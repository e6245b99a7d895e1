"""The pages about keys: what owners may do, what members may not, and that texts show once."""

import html
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import World
from tests.dashboard.signed_in import SignedIn, client_of, join, signed_in

from kinetoscope.accounts import audit, keys, people, studio
from kinetoscope.accounts.caps import Caps, caps_of
from kinetoscope.accounts.keys import SCOPES_DEFAULT, KeyListing
from kinetoscope.accounts.people import SignUp
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import KeyMode, parse_key

pytestmark = pytest.mark.anyio

PLAIN: dict[str, Any] = {
    "name": "billing",
    "mode": "live",
    "expires": "never",
    "scopes": list(SCOPES_DEFAULT),
    "which": "all",
}

TEXT = re.compile(r"kino_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


async def make(world: World, person: SignedIn, **said: object) -> KeyListing:
    """Make a key by the form and return it as it is stored."""
    response = await person.client.post("/keys", data=PLAIN | said)
    assert response.status_code == 200, response.text
    return (await keys.listing(world.runtime.database, person.account_id))[-1]


async def form_of(person: SignedIn, key: KeyListing) -> dict[str, Any]:
    """Return what a key's own page would send."""
    page = (await person.client.get(f"/keys/{key.id}")).text
    version = re.search(r'name="version" value="([^"]+)"', page)
    assert version is not None
    return PLAIN | {
        "version": version[1],
        "name": key.name,
        "expires": "keep",
        "scopes": key.scopes,
    }


async def test_a_key_is_shown_once_and_opens(world: World):
    async with signed_in(world, "ada") as ada:
        assert "No keys yet" in (await ada.client.get("/keys")).text
        response = await ada.client.post("/keys", data=PLAIN)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        text = TEXT.findall(response.text)[0]
        assert f"Authorization: Bearer {text}" in html.unescape(response.text)
        bearer = {"Authorization": f"Bearer {text}"}
        assert (await world.client.get("/api/v1/account", headers=bearer)).status_code == 200
        for path in ("/keys", "/keys/" + text.split("_")[2][:12]):
            page = (await ada.client.get(path)).text
            assert not TEXT.findall(page)
            assert text[-4:] in page


async def test_everything_that_a_form_says_is_kept(world: World):
    async with signed_in(world, "ada") as ada:
        model = world.runtime.catalog.models[0].id
        key = await make(
            world,
            ada,
            mode="test",
            expires="date",
            expires_on="2026-12-24",
            scopes=["tasks:read"],
            priceMax="12.5",
            spendMax="1000",
            spendWindowHours="24",
            tasksRunningMax="3",
            requestsPerSecond="5",
            requestsBurst="10",
            which="some",
            models=[model],
            ipRanges="203.0.113.0/24\n2001:db8::/32",
        )
        assert (key.name, key.mode, key.scopes) == ("billing", "test", ["tasks:read"])
        assert key.expires_at is not None
        assert key.expires_at.strftime("%Y-%m-%d %H:%M:%S") == "2026-12-24 23:59:59"
        shown = caps_of(key)
        assert shown == Caps(
            models=(model,),
            price_max=Credits(1250),
            tasks_running_max=3,
            spend_max=Credits(100000),
            spend_window=timedelta(hours=24),
            ip_ranges=shown.ip_ranges,
            requests_per_second=5,
            requests_burst=10,
        )
        assert list(map(str, shown.ip_ranges or ())) == ["203.0.113.0/24", "2001:db8::/32"]
        page = (await ada.client.get("/keys")).text
        for words in ("See tasks", "1,000 credits per 24 h", "3 at once", "2 address ranges"):
            assert words in page
        # Saving what is shown changes nothing; the form shows all of it.
        page = (await ada.client.get(f"/keys/{key.id}")).text
        for value in ('value="12.5"', 'value="1000"', "203.0.113.0/24\n2001:db8::/32"):
            assert value in page


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"name": " "}, "name", "Enter a name"),
        ({"mode": "demo"}, "mode", "Choose live or test"),
        ({"scopes": []}, "scopes", "Tick at least one"),
        ({"scopes": ["everything"]}, "scopes", "Tick at least one"),
        ({"expires": "date"}, "expiresAt", "Choose a day"),
        ({"expires": "date", "expires_on": "2026-11-01"}, "expiresAt", "not over yet"),
        ({"which": "some"}, "models", "Tick at least one model"),
        ({"which": "some", "models": ["no-such"]}, "models", "Tick at least one model"),
        ({"priceMax": "a lot"}, "priceMax", "Enter an amount of credits"),
        ({"spendMax": "-1"}, "spendMax", "Enter an amount of credits"),
        ({"spendMax": "1.005"}, "spendMax", "finer than 1/100 credit"),
        ({"tasksRunningMax": "2.5"}, "tasksRunningMax", "Enter a whole number"),
        ({"requestsPerSecond": "0"}, "requestsPerSecond", "Enter a whole number from 1"),
        ({"ipRanges": "my house"}, "ipRanges", "is no range such as"),
    ],
)
async def test_an_error_names_its_field_and_nothing_typed_is_lost(
    world: World, said: dict[str, object], field: str, words: str
):
    async with signed_in(world, "ada") as ada:
        asked = {"name": "kept", "requestsBurst": "77"} | said
        response = await ada.client.post("/keys", data=PLAIN | asked)
        assert response.status_code == 422
        page = html.unescape(response.text)
        noted = re.findall(rf'id="{field}-note" role="alert">([^<]*)<', page)
        assert len(noted) == 1, page
        assert words in noted[0]
        assert 'value="77"' in page
        assert await keys.listing(world.runtime.database, ada.account_id) == []


async def test_a_change_touches_what_was_changed_and_nothing_else(world: World):
    async with signed_in(world, "ada") as ada:
        key = await make(world, ada, spendMax="50", spendWindowHours="24")
        form = await form_of(ada, key)
        said = {"name": "invoices", "spendMax": "50", "spendWindowHours": "24", "priceMax": "5"}
        response = await ada.client.post(f"/keys/{key.id}", data=form | said)
        assert response.status_code == 303
        after = await keys.find(world.runtime.database, key.id)
        assert (after.name, after.price_max, after.spend_max) == ("invoices", 500, 5000)
        assert (after.scopes, after.expires_at) == (key.scopes, None)
        # A form from before that knows nothing of it does not undo it.
        response = await ada.client.post(f"/keys/{key.id}", data=form | {"name": "older"})
        assert response.status_code == 409
        assert 'value="older"' in response.text
        assert (await keys.find(world.runtime.database, key.id)).name == "invoices"


async def test_a_window_that_no_form_has_stays(world: World):
    async with signed_in(world, "ada") as ada:
        issued = await keys.create(
            world.runtime.database,
            ada.account_id,
            "odd",
            mode=KeyMode.LIVE,
            expires_at=None,
            caps=Caps(spend_max=Credits(100), spend_window=timedelta(minutes=30)),
            now=world.clock(),
        )
        key = await keys.find(world.runtime.database, issued.id)
        form = await form_of(ada, key) | {"spendMax": "2", "spendWindowHours": "0.5"}
        assert (await ada.client.post(f"/keys/{key.id}", data=form)).status_code == 303
        after = await keys.find(world.runtime.database, key.id)
        assert (after.spend_max, after.spend_window_s) == (200, 1800)


async def test_replacing_shows_the_new_key_and_lets_the_old_one_go_on(world: World):
    async with signed_in(world, "ada") as ada:
        first = await ada.client.post("/keys", data=PLAIN)
        old_text = TEXT.findall(first.text)[0]
        parsed = parse_key(old_text)
        assert parsed is not None
        response = await ada.client.post(f"/keys/{parsed.id}/rotate", data={"overlap": "24"})
        new_text = TEXT.findall(response.text)[0]
        assert new_text != old_text

        async def status(text: str) -> int:
            bearer = {"Authorization": f"Bearer {text}"}
            return (await world.client.get("/api/v1/account", headers=bearer)).status_code

        assert (await status(old_text), await status(new_text)) == (200, 200)
        assert (
            "It works until 24 Nov 2026, 12:00 UTC"
            in (await ada.client.get(f"/keys/{parsed.id}")).text
        )
        for overlap in ("24", "9"):
            again = await ada.client.post(f"/keys/{parsed.id}/rotate", data={"overlap": overlap})
            assert again.status_code == 400
        world.clock.move(timedelta(hours=24))
        assert (await status(old_text), await status(new_text)) == (401, 200)


async def test_stopping_and_deleting(world: World):
    async with signed_in(world, "ada") as ada:
        response = await ada.client.post("/keys", data=PLAIN)
        bearer = {"Authorization": f"Bearer {TEXT.findall(response.text)[0]}"}
        key = (await keys.listing(world.runtime.database, ada.account_id))[0]
        path = f"/keys/{key.id}"

        async def status() -> int:
            return (await world.client.get("/api/v1/account", headers=bearer)).status_code

        await ada.client.post(path + "/active", data={"active": "no"})
        assert await status() == 401
        await ada.client.post(path + "/active", data={"active": "yes"})
        assert await status() == 200
        wrong = await ada.client.post(path + "/delete", data={"confirmation": "Billing"})
        assert wrong.status_code == 422
        assert await status() == 200
        right = await ada.client.post(path + "/delete", data={"confirmation": "billing"})
        assert right.status_code == 303
        assert await status() == 401
        assert (await ada.client.get(path)).status_code == 404
        noted = await audit.listing(world.runtime.database, ada.account_id, None, 10)
        assert [entry.action for entry in noted] == [
            "key.delete",
            "key.activate",
            "key.deactivate",
            "key.create",
        ]
        assert {entry.target for entry in noted} == {key.id}
        assert "secret" not in str(noted)


async def tries(client: httpx.AsyncClient, key_id: KeyId) -> list[int]:
    """Try everything that changes a key, or makes one."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/keys", PLAIN),
        (f"/keys/{key_id}", PLAIN | {"expires": "keep"}),
        (f"/keys/{key_id}/rotate", {"overlap": "0"}),
        (f"/keys/{key_id}/active", {"active": "no"}),
        (f"/keys/{key_id}/delete", {"confirmation": "billing"}),
    ]
    return [(await client.post(path, data=data)).status_code for path, data in asked]


async def test_members_see_keys_and_change_none(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        key = await make(world, ada)
        await join(world, ben.person_id, ada.account_id, "member")
        async with client_of(world, ben.person_id, ada.account_id) as (client, _):
            page = (await client.get("/keys")).text
            assert "billing" in page
            assert "Create a key" not in page
            detail = (await client.get(f"/keys/{key.id}")).text
            assert '<form method="post" action="/keys' not in detail
            assert (await client.get("/keys/new")).status_code == 403
            assert await tries(client, key.id) == [403] * 5
        assert await keys.listing(world.runtime.database, ada.account_id) == [key]


async def test_another_accounts_key_cannot_be_reached(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "eve") as eve:
        key = await make(world, ada)
        assert (await eve.client.get(f"/keys/{key.id}")).status_code == 403
        assert (await tries(eve.client, key.id))[1:] == [403] * 4
        assert await keys.listing(world.runtime.database, ada.account_id) == [key]
        for nowhere in ("nosuchkey123", "x" * 200):
            assert (await eve.client.get(f"/keys/{nowhere}")).status_code == 404


async def test_names_are_text_and_nothing_else(world: World):
    async with signed_in(world, "ada") as ada:
        name = '"><script>alert(1)</script>'
        key = await make(world, ada, name=name)
        for path in ("/keys", f"/keys/{key.id}"):
            page = (await ada.client.get(path)).text
            assert "<script>alert" not in page
            assert name in html.unescape(page)


async def test_an_account_without_api_access_is_told(world: World):
    async with signed_in(world, "ada") as ada:
        await world.runtime.database.execute(
            "update account set api_access = false where id = %(id)s", {"id": ada.account_id}
        )
        assert "API access is switched off" in (await ada.client.get("/keys")).text


async def test_the_studios_own_key_is_no_key_here(world: World):
    asked = SignUp(email="zoe@example.com", name="Zoe", password_hash=None, client_ip=None)
    made = await people.sign_up(world.runtime.database, asked, world.clock(), 1000)
    presented = await studio.presented(
        world.runtime.database, made.account_id, KeyMode.LIVE, world.clock()
    )
    async with client_of(world, made.person_id, made.account_id) as (client, _):
        assert (await client.get(f"/keys/{presented.id}")).status_code == 404
        assert (await tries(client, presented.id))[1:] == [404] * 4
