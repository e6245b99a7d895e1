"""Where upstreams say that there is news: a wake-up with a token, and nothing more."""

import asyncio
from dataclasses import replace

import pytest
from tests.conftest import Person, World
from tests.scripted import INTENT, PICTURE, create, record

from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.listening import Listener
from kinetoscope.tasks import callbacks, intents, store
from kinetoscope.tasks.wakes import WAKE_CHANNEL, Wakes
from kinetoscope.wiring import callback_url

pytestmark = pytest.mark.anyio


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def task_id(world: World, alice: Person) -> TaskId:
    return await create(world, alice, PICTURE)


def path_of(world: World, task_id: str, provider: str = "byteplus") -> str:
    url = callback_url(world.runtime, provider, task_id)
    return url.removeprefix(world.runtime.settings.public_url)


async def submitted(world: World, task_id: TaskId, provider: str = "byteplus") -> None:
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    intent = replace(INTENT, provider=provider)
    await intents.intend(world.runtime.database, task, intent, world.clock())


async def claim_of(world: World, task_id: TaskId) -> str | None:
    values = await world.runtime.database.fetch_values(
        "select upstream_claim from task where id = %(id)s", {"id": task_id}
    )
    assert values is not None
    claim: str | None = values[0]
    return claim


async def test_it_wakes_who_follows_the_task(world: World, task_id: TaskId):
    await submitted(world, task_id)
    listener = Listener(world.runtime.database.conninfo, WAKE_CHANNEL)
    wakes = Wakes(listener)
    listening = asyncio.create_task(listener.run())
    try:
        waiting = asyncio.create_task(wakes.pause(task_id, 30))
        while not waiting.done():
            answer = await world.client.post(path_of(world, task_id), json={})
            assert answer.status_code == 200
            await asyncio.wait([waiting], timeout=0.2)
    finally:
        listening.cancel()


async def test_what_it_says_of_the_job_changes_nothing(
    world: World, alice: Person, task_id: TaskId
):
    await submitted(world, task_id)
    before = await record(world, alice, task_id)
    body = {"id": "up-1", "status": "succeeded", "content": {"video_url": "http://evil.example"}}
    await world.client.post(path_of(world, task_id), json=body)
    assert await record(world, alice, task_id) == before
    assert await claim_of(world, task_id) == "up-1", "an id to ask about, where none is known"


async def test_an_id_is_kept_only_while_nobody_knows_one(world: World, task_id: TaskId):
    await world.client.post(path_of(world, task_id), json={"id": "too-early"})
    assert await claim_of(world, task_id) is None
    await submitted(world, task_id)
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    await intents.accept(world.runtime.database, task, "up-1")
    await world.client.post(path_of(world, task_id), json={"id": "too-late"})
    assert await claim_of(world, task_id) is None


@pytest.mark.parametrize("change", ["token", "task", "shape"])
async def test_without_the_right_token_there_is_no_such_address(
    world: World, task_id: TaskId, change: str
):
    await submitted(world, task_id)
    path = path_of(world, task_id)
    wrong = {
        "token": path[:-1] + ("0" if path[-1] != "0" else "1"),
        "task": path.replace(task_id, f"task_{'0' * 24}"),
        "shape": path.replace(task_id, "nonsense"),
    }[change]
    answer = await world.client.post(wrong, json={"id": "up-1"})
    assert answer.status_code == 404
    assert await claim_of(world, task_id) is None


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'"text"', b'{"id": 5}'])
async def test_an_unreadable_body_wakes_all_the_same(world: World, task_id: TaskId, body: bytes):
    await submitted(world, task_id)
    answer = await world.client.post(path_of(world, task_id), content=body)
    assert answer.status_code == 200
    assert await claim_of(world, task_id) is None


async def test_a_huge_body_is_refused(world: World, task_id: TaskId):
    answer = await world.client.post(path_of(world, task_id), content=b"x" * (5 * 1024 * 1024))
    assert answer.status_code == 413


async def test_a_claim_of_absurd_length_is_dropped(world: World, task_id: TaskId):
    await submitted(world, task_id)
    await world.client.post(path_of(world, task_id), json={"id": "x" * 301})
    assert await claim_of(world, task_id) is None


def test_a_token_is_of_one_task_at_one_provider():
    key = b"k" * 32
    one, other = (callbacks.token(key, "ark", name) for name in ("task_1", "task_2"))
    assert one != other
    assert len(one) == 32
    assert callbacks.is_token(key, "ark", "task_1", one)
    assert not callbacks.is_token(key, "ark", "task_1", other)
    assert not callbacks.is_token(key, "fal", "task_1", one)
    assert not callbacks.is_token(b"j" * 32, "ark", "task_1", one)
    assert not callbacks.is_token(key, "ark", "task_1", "ü")


# Whose word counts


async def test_a_provider_that_refused_cannot_speak_for_the_one_that_took_it(
    world: World, task_id: TaskId
):
    await submitted(world, task_id, "fal")
    late = path_of(world, task_id, "byteplus")
    answer = await world.client.post(late, json={"id": "stolen"})
    assert answer.status_code == 200, "there is nothing that it could do better"
    assert await claim_of(world, task_id) is None
    # Nor in the other's name.
    in_its_name = late.replace("/byteplus/", "/fal/")
    answer = await world.client.post(in_its_name, json={"request_id": "stolen"})
    assert answer.status_code == 404
    assert await claim_of(world, task_id) is None
    own = path_of(world, task_id, "fal")
    await world.client.post(own, json={"request_id": "r-1"})
    assert await claim_of(world, task_id) == "r-1"


@pytest.mark.parametrize("how", ["claimed", "accepted"])
async def test_an_id_that_is_another_tasks_is_not_taken(
    world: World, alice: Person, task_id: TaskId, how: str
):
    bob = await world.person("bob")
    theirs = await create(world, bob, PICTURE)
    await submitted(world, theirs)
    if how == "claimed":
        await world.client.post(path_of(world, theirs), json={"id": "up-1"})
    else:
        task = await store.claim(world.runtime.database, theirs)
        assert task is not None
        await intents.accept(world.runtime.database, task, "up-1")
    await submitted(world, task_id)
    answer = await world.client.post(path_of(world, task_id), json={"id": "up-1"})
    assert answer.status_code == 200
    assert await claim_of(world, task_id) is None
    # Other providers count for themselves.
    third = await create(world, alice, PICTURE)
    await submitted(world, third, "volcengine")
    await world.client.post(path_of(world, third, "volcengine"), json={"id": "up-1"})
    assert await claim_of(world, third) == "up-1"


async def test_of_many_who_claim_one_id_at_once_one_gets_it(world: World, alice: Person):
    tasks = [await create(world, alice, PICTURE) for _ in range(3)]
    for task_id in tasks:
        await submitted(world, task_id)
    posts = (world.client.post(path_of(world, each), json={"id": "up-1"}) for each in tasks)
    await asyncio.gather(*posts)
    claims = [await claim_of(world, each) for each in tasks]
    assert sorted(claims, key=str) == [None, None, "up-1"]


async def test_an_id_that_another_task_was_accepted_under_since_is_not_asked_for(
    world: World, alice: Person, task_id: TaskId
):
    database = world.runtime.database
    await submitted(world, task_id)
    await world.client.post(path_of(world, task_id), json={"id": "up-1"})
    task = await store.claim(database, task_id)
    assert task is not None
    assert await intents.told(database, task) == "up-1"
    honest_id = await create(world, alice, PICTURE)
    await submitted(world, honest_id)
    honest = await store.claim(database, honest_id)
    assert honest is not None
    await intents.accept(database, honest, "up-1")
    assert await intents.told(database, task) is None


@pytest.mark.parametrize("claim", ["a\u0000b", "a\nb", "\u202e"])
async def test_a_claim_that_is_no_name_is_dropped(world: World, task_id: TaskId, claim: str):
    await submitted(world, task_id)
    answer = await world.client.post(path_of(world, task_id), json={"id": claim})
    assert answer.status_code == 200
    assert await claim_of(world, task_id) is None
