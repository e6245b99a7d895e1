"""OpenAI's files and models, by its own client: files are an account's uploads."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import openai
import pytest
from openai import AsyncOpenAI
from tests.conftest import Person, World
from tests.dialects.examples_openai import PICTURE
from tests.dialects.openai_client import Line, speaking

from kinetoscope.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, model_names={"sora-2": "seedance-20", "ghost": "no-such-model"})


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def spoken(world: World, alice: Person) -> AsyncIterator[tuple[AsyncOpenAI, Line]]:
    async with speaking(world, alice) as made:
        yield made


async def test_a_file_from_its_upload_to_its_deletion(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    file = await client.files.create(file=PICTURE, purpose="vision")
    assert (file.object, file.bytes, file.status) == ("file", len(PICTURE[1]), "processed")
    assert file.expires_at is not None
    assert file.expires_at - file.created_at == timedelta(days=1).total_seconds()
    assert await client.files.retrieve(file.id) == file
    assert (await client.files.content(file.id)).content == PICTURE[1]
    world.clock.move(timedelta(seconds=1))
    later = await client.files.create(file=PICTURE, purpose="user_data")
    assert [each.id async for each in client.files.list(limit=1)] == [later.id, file.id]
    assert [each.id async for each in client.files.list(purpose="batch")] == []
    assert (await client.files.delete(file.id)).deleted
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            await ask(file.id)
    world.clock.move(timedelta(days=1))
    with pytest.raises(openai.NotFoundError):
        await client.files.content(later.id)


async def test_a_file_is_its_owners_and_media(world: World, spoken: tuple[AsyncOpenAI, Line]):
    client, _ = spoken
    file = await client.files.create(file=PICTURE, purpose="vision")
    async with speaking(world, await world.person("mallory")) as (mallory, _):
        assert [each async for each in mallory.files.list()] == []
        for ask in (mallory.files.retrieve, mallory.files.content, mallory.files.delete):
            with pytest.raises(openai.NotFoundError):
                await ask(file.id)
    assert (await client.files.retrieve(file.id)).id == file.id
    with pytest.raises(openai.BadRequestError, match="file: "):
        await client.files.create(file=("a.jsonl", b"{}", "text/plain"), purpose="batch")


async def test_the_models_are_ours_and_what_the_operator_calls_them(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken
    ids = [model.id async for model in client.models.list()]
    assert ids == [*(model.id for model in world.runtime.catalog.models), "sora-2"]
    for name in ("seedance-20", "sora-2", "kinetoscope/seedance-20", "bytedance/seedance-2.0"):
        model = await client.models.retrieve(name)
        assert (model.id, model.object, model.owned_by) == (name, "model", "kinetoscope")
    for name in ("gpt-4", "ghost"):
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.models.retrieve(name)
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


@pytest.mark.filterwarnings("ignore:The Sora API")
async def test_a_name_that_the_operator_gave_makes_what_it_stands_for(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    """Nothing is named: OpenAI takes sora-2 then, and so does whoever gave that a meaning."""
    client, _ = spoken
    video = await client.videos.create(prompt="a kite")
    assert video.model == "seedance-20"
    assert await world.count("task where model = 'seedance-20'") == 1
