"""Lists of OpenAI's dialect whose entries go while they are read: the next page is still there."""

from collections.abc import AsyncIterator
from datetime import timedelta

import openai
import pytest
from openai import AsyncOpenAI
from tests.conftest import Person, World
from tests.dialects.examples_openai import MAKES, PICTURE
from tests.dialects.openai_client import Line, speaking

from kinetoscope.kernel.ids import new_task_id

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API")]


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice", "10000")


@pytest.fixture
async def spoken(world: World, alice: Person) -> AsyncIterator[tuple[AsyncOpenAI, Line]]:
    async with speaking(world, alice) as made:
        yield made


async def five_videos(world: World, client: AsyncOpenAI) -> list[str]:
    ids = []
    for _ in range(5):
        ids.append((await client.videos.create(**MAKES)).id)  # type: ignore[arg-type]
        world.clock.move(timedelta(seconds=1))
    return ids


async def five_files(world: World, client: AsyncOpenAI) -> list[str]:
    ids = []
    for _ in range(5):
        ids.append((await client.files.create(file=PICTURE, purpose="vision")).id)
        world.clock.move(timedelta(seconds=1))
    return ids


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_videos_are_deleted_as_they_are_listed(
    world: World, spoken: tuple[AsyncOpenAI, Line], order: str
):
    client, _ = spoken
    ids = await five_videos(world, client)
    seen = []
    async for video in client.videos.list(limit=2, order=order):  # type: ignore[arg-type]
        seen.append(video.id)
        await client.videos.delete(video.id)
    assert seen == (ids if order == "asc" else ids[::-1])
    assert [video async for video in client.videos.list()] == []


async def test_files_are_deleted_as_they_are_listed(world: World, spoken: tuple[AsyncOpenAI, Line]):
    client, _ = spoken
    ids, seen = await five_files(world, client), []
    async for file in client.files.list(limit=2):
        seen.append(file.id)
        await client.files.delete(file.id)
    assert seen == ids[::-1]
    assert [file async for file in client.files.list()] == []


async def test_files_that_expire_meanwhile_hold_nothing_up(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    newest = (await five_files(world, client))[::-1]
    page = await client.files.list(limit=2)
    assert [file.id for file in page.data] == newest[:2]
    world.clock.move(timedelta(days=1))
    late = await page.get_next_page()
    assert (late.data, late.has_more) == ([], False)


async def test_what_others_deleted_is_as_unknown_as_what_they_have(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    video_id, file_id = (
        (await five_videos(world, client))[0],
        (await five_files(world, client))[0],
    )
    await client.videos.delete(video_id)
    await client.files.delete(file_id)
    assert (await client.videos.list(after=video_id)).data == []
    assert (await client.files.list(after=file_id)).data == []
    async with speaking(world, await world.person("mallory")) as (mallory, _):
        for name in (video_id, new_task_id()):
            with pytest.raises(openai.NotFoundError):
                await mallory.videos.list(after=name)
        for name in (file_id, "abc-upload.png"):
            with pytest.raises(openai.NotFoundError):
                await mallory.files.list(after=name)
