"""Limits: what holds for an account now, and how it is raised."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import World
from tests.dashboard.signed_in import signed_in
from tests.dashboard.with_key import key_of
from tests.scripted import PICTURE, create

from kinetoscope.accounts import accounts, keys, retention
from kinetoscope.accounts.caps import Caps
from kinetoscope.dashboard.limits import span
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.limits.gcra import Pace
from kinetoscope.limits.present import standings
from kinetoscope.settings import Settings, load_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "KINETOSCOPE_DATA_DIR": str(tmp_path / "data"),
            "KINETOSCOPE_PUBLIC_URL": "http://kinetoscope.test",
            "KINETOSCOPE_REQUESTS_PER_SECOND": "10",
            "KINETOSCOPE_REQUESTS_BURST": "20",
        }
    )


def meters(text: str) -> list[tuple[str, str]]:
    return re.findall(r'<progress value="(\d+)" max="(\d+)"', text)


async def test_what_runs_and_what_came_is_counted(world: World):
    async with signed_in(world, "ada") as ada:
        live = await key_of(world, ada)
        test = await key_of(world, ada, mode=KeyMode.TEST)
        for _ in range(3):
            await create(world, live, PICTURE)
        await create(world, test, PICTURE)
        page = await ada.client.get("/limits")
        wanted = [("3", "50"), ("1", "50"), ("3", "20"), ("1", "20"), ("0", "1000")]
        assert meters(page.text) == wanted
        assert meters((await ada.client.get("/limits/now")).text) == wanted
        world.clock.move(timedelta(seconds=0.2))
        assert meters((await ada.client.get("/limits/now")).text)[2] == ("1", "20")
        # Looking counts nothing.
        database, pace = world.runtime.database, Pace(10, 20)
        for _ in range(3):
            stand, _ = await standings(database, ada.account_id, pace, world.clock())
            assert stand.left == 19


async def test_what_is_the_accounts_own(world: World):
    database = world.runtime.database
    async with signed_in(world, "ada") as ada:
        page = (await ada.client.get("/limits")).text
        assert re.findall(r"<td>(14 days|60 days|24 hours)</td>", page) == [
            "14 days",
            "60 days",
            "24 hours",
        ]
        assert "There are no keys yet" in page
        await accounts.limit(
            database, ada.email, tasks_running_max=7, api_access=False, requests_per_second=3
        )
        await retention.set_lifetimes(
            database, ada.email, media=timedelta(hours=36), task=None, upload=None
        )
        await retention.set_hold(database, ada.email, is_held=True)
        await key_of(world, ada, "plain")
        await keys.create(
            database,
            ada.account_id,
            "capped",
            mode=KeyMode.LIVE,
            expires_at=None,
            caps=Caps(
                spend_max=Credits(50_000), spend_window=timedelta(days=1), tasks_running_max=1
            ),
            now=world.clock(),
        )
        page = (await ada.client.get("/limits")).text
        assert meters(page)[:3] == [("0", "7"), ("0", "7"), ("0", "6")]
        assert "3 come back each second" in page
        assert "<b>36 hours</b>" in page
        assert "A legal hold stands" in page
        assert "API access is off" in page
        assert "500 credits per 24 h, 1 at once" in page
        assert "plain" not in page


async def test_the_commands_name_the_account(world: World):
    async with signed_in(world, "ada") as ada, signed_in(world, "root", is_operator=True) as root:
        page = (await ada.client.get("/limits")).text
        assert "Ask whoever runs this server" in page
        assert "kinetoscope accounts limit ada@example.com --tasks-running-max 100" in page
        assert "--requests-per-second 20 --requests-burst 40" in page
        assert "You run this server" in (await root.client.get("/limits")).text


def test_lifetimes_as_people_say_them():
    told = [span(timedelta(hours=hours)) for hours in (1, 24, 36, 48, 49, 336)]
    assert told == ["1 hour", "24 hours", "36 hours", "2 days", "2 days 1 hour", "14 days"]
