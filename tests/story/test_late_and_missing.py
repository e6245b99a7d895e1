"""Tasks that we come to late, and references that are not what they should be."""

import base64
from collections.abc import Mapping
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    FOUR,
    PICTURE,
    Killed,
    ScriptedProvider,
    create,
    done_pictures,
    paint,
    record,
    tools_for,
)

from kinetoscope.providers.contract import Done, Job, Working
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

LATE = timedelta(hours=2)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def test_what_was_finished_counts_however_late_we_come(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    with pytest.raises(Killed):
        await advance(tools_for(world, ScriptedProvider(statuses=[Killed()])), task_id)
    world.clock.move(LATE)
    back = ScriptedProvider([], statuses=[done_pictures])
    await advance(tools_for(world, back), task_id)
    assert (await record(world, alice, task_id))["status"] == "success"
    assert back.cancelled == []


async def test_what_is_still_being_made_too_late_is_stopped(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    with pytest.raises(Killed):
        await advance(tools_for(world, ScriptedProvider(statuses=[Killed()])), task_id)
    world.clock.move(LATE)
    back = ScriptedProvider([], statuses=[Working(progress=0.5)])
    await advance(tools_for(world, back), task_id)
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert back.cancelled == ["upstream-1"]


async def test_what_was_never_begun_is_not_begun_too_late(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    world.clock.move(LATE)
    provider = ScriptedProvider([ACCEPTED])
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == []
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


def with_reference(order: Mapping[str, object], url: str) -> dict[str, object]:
    inputs = {"prompt": "a fox", "uploadedUrls": [url]}
    return {**order, "inputs": inputs}


def picture_uri(world: World) -> str:
    path = world.runtime.settings.data_dir / "reference.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    paint(path, width=320, height=320)
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


NOT_ALLOWED = "The URL leads to an address that is not allowed"
BAD_REFERENCES = {
    "http://127.0.0.1:9/secret.png": NOT_ALLOWED,
    "http://169.254.169.254/latest/meta-data.png": NOT_ALLOWED,
    "data:image/png;base64,bm90IGEgcGljdHVyZQ==": (
        "File 1 is not in a media format that is accepted"
    ),
}


@pytest.mark.parametrize(("url", "detail"), BAD_REFERENCES.items())
async def test_a_reference_that_cannot_be_had_ends_the_task_unpaid(
    world: World, alice: Person, url: str, detail: str
):
    task_id = await create(world, alice, with_reference(PICTURE, url))
    provider = ScriptedProvider([ACCEPTED])
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == []
    assert (await record(world, alice, task_id))["error"] == {
        "code": "asset_review_failed",
        "message": "Reference image 1 failed review. Please replace it.",
        "detail": detail,
    }
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


@pytest.mark.parametrize("url", BAD_REFERENCES)
async def test_midjourney_goes_on_without_a_reference_that_cannot_be_had(
    world: World, alice: Person, url: str
):
    task_id = await create(world, alice, with_reference(FOUR, url))
    seen: list[Job] = []

    def done(job: Job) -> Done:
        seen.append(job)
        return done_pictures(job)

    await advance(tools_for(world, ScriptedProvider(statuses=[done])), task_id)
    assert (await record(world, alice, task_id))["status"] == "success"
    assert [job.references for job in seen] == [()]


async def test_a_good_reference_reaches_the_provider_with_its_size(world: World, alice: Person):
    order = with_reference(PICTURE, picture_uri(world))
    task_id = await create(world, alice, order)
    seen: list[Job] = []

    def done(job: Job) -> Done:
        seen.append(job)
        return done_pictures(job)

    await advance(tools_for(world, ScriptedProvider(statuses=[done])), task_id)
    ((fetched,),) = [job.references for job in seen]
    assert (fetched.width, fetched.height, fetched.duration_ms) == (320, 320, 0)
