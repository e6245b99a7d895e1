"""What the guard refuses beside strangers: other names, and forms for another account."""

import pytest
from tests.conftest import World
from tests.dashboard.signed_in import join, signed_in

from kinetoscope.settings import load_settings

pytestmark = pytest.mark.anyio


OTHERS = ["evil.example", "evil.example:80", "kinetoscope.test.evil.example"]
OWN = ["kinetoscope.test", "localhost:8000", "127.0.0.1:8000", "[::1]:8"]


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize(("method", "path"), [("GET", "/sign-up"), ("POST", "/sign-up")])
async def test_a_name_that_only_leads_here_shows_and_does_nothing(
    world: World, host: str, method: str, path: str
):
    form = {"name": "Eve", "email": "eve@example.com", "password": "a long enough secret"}
    answer = await world.client.request(
        method,
        path,
        data=form if method == "POST" else None,
        headers={"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 403
    assert "KINETOSCOPE_PUBLIC_URL" in answer.text
    assert await world.count("person") == 0


@pytest.mark.parametrize("host", OWN)
async def test_its_own_name_and_addresses_in_numbers_are_taken(world: World, host: str):
    answer = await world.client.get("/sign-up", headers={"Host": host})
    assert answer.status_code == 200


async def test_a_form_that_was_shown_for_another_account_does_nothing(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "ben") as ben:
        await join(world, ada.person_id, ben.account_id, "owner")
        page = await ada.client.get("/members")
        assert f'<meta name="account" content="{ada.account_id}">' in page.text
        switched = await ada.client.post(
            "/accounts/switch", data={"account": ben.account_id, "_account": ada.account_id}
        )
        assert switched.status_code == 303
        order = {"model": "kinetoscope-soundscape", "prompt": "Rain", "duration": "5", "once": "x"}
        stale = await ada.client.post("/studio/run", data=order | {"_account": ada.account_id})
        assert stale.status_code == 409
        assert await world.count("task") == 0
        fresh = await ada.client.post("/studio/run", data=order | {"_account": ben.account_id})
        assert fresh.status_code == 303
        assert await world.count("task") == 1


@pytest.mark.parametrize(
    ("host", "public_url", "sign_up"),
    [
        ("127.0.0.1", "", "open"),
        ("127.0.0.1", "http://localhost:9000", "open"),
        ("127.0.0.1", "https://media.example.com", "invited"),
        ("0.0.0.0", "", "invited"),  # noqa: S104 - read, not bound
    ],
)
def test_strangers_sign_up_only_where_none_can_come(host: str, public_url: str, sign_up: str):
    settings = load_settings({"KINETOSCOPE_HOST": host, "KINETOSCOPE_PUBLIC_URL": public_url})
    assert settings.sign_up == sign_up
    assert (settings.sign_up_grant > 0) is (sign_up == "open")
