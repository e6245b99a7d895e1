"""How many uploads an account may have: what is put counts while it is kept, the rest an hour."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.api.test_uploads import PATH, picture
from tests.conftest import Person, World

from kinetoscope.server import create_app
from kinetoscope.settings import Settings

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, uploads_max=3)


async def ask(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    return await client.post(PATH, json={"fileName": "a.png"}, headers=person.headers)


async def refused(client: httpx.AsyncClient, person: Person, wait: timedelta) -> None:
    response = await ask(client, person)
    wait_s = int(wait.total_seconds())
    assert response.status_code == 429
    assert response.headers["retry-after"] == str(wait_s)
    message = f"There are 3 uploads already. Try again in {wait_s} seconds."
    assert response.json() == {"message": message}


async def put(world: World, place: httpx.Response, content: bytes) -> None:
    url, headers = place.json()["uploadUrl"], {"Content-Type": "image/png"}
    assert (await world.client.put(url, content=content, headers=headers)).status_code == 200


async def test_places_that_nothing_is_put_to_count_for_as_long_as_they_are_open(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    for _ in range(3):
        assert (await ask(world.client, alice)).status_code == 200
        world.clock.move(SECOND)
    await refused(world.client, alice, HOUR - 3 * SECOND)
    assert await world.count("media_file") == 3
    assert (await ask(world.client, bob)).status_code == 200
    world.clock.move(HOUR - 4 * SECOND)
    await refused(world.client, alice, SECOND)
    world.clock.move(SECOND)
    assert (await ask(world.client, alice)).status_code == 200
    await refused(world.client, alice, SECOND)


async def test_files_count_for_as_long_as_they_are_kept(world: World, tmp_path: Path):
    alice = await world.person("alice")
    for _ in range(3):
        await put(world, await ask(world.client, alice), picture(tmp_path))
    world.clock.move(DAY - SECOND)
    await refused(world.client, alice, SECOND)
    world.clock.move(SECOND)
    assert (await ask(world.client, alice)).status_code == 200


@pytest.fixture
async def monthly(world: World) -> AsyncIterator[httpx.AsyncClient]:
    settings = replace(world.runtime.settings, uploads_max=3, upload_lifetime=30 * DAY)
    app = create_app(replace(world.runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        yield client


async def test_files_that_are_kept_for_long_count_for_as_long(
    world: World, monthly: httpx.AsyncClient, tmp_path: Path
):
    alice = await world.person("alice")
    for _ in range(3):
        await put(world, await ask(monthly, alice), picture(tmp_path))
    world.clock.move(30 * DAY - SECOND)
    await refused(monthly, alice, SECOND)
    world.clock.move(SECOND)
    assert (await ask(monthly, alice)).status_code == 200
