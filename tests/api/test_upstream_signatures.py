"""Callbacks of upstreams that sign: where their secret is known, nothing unsigned is heeded."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import World
from tests.scripted import INTENT, PICTURE, create

from kinetoscope.kernel.envelope import envelope_from
from kinetoscope.kernel.ids import TaskId
from kinetoscope.postgres.listening import Listener
from kinetoscope.providers import keys
from kinetoscope.settings import Settings
from kinetoscope.tasks import intents, store
from kinetoscope.tasks.wakes import WAKE_CHANNEL, Wakes
from kinetoscope.webhooks import sign
from kinetoscope.wiring import callback_url

pytestmark = pytest.mark.anyio

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four.").decode()
OTHER = "whsec_" + base64.b64encode(b"another of twenty-four..").decode()
KIE_KEY = "a-key-of-kie.ai"
BODY = b'{"id": "p-1", "status": "succeeded"}'
KIE_BODY = b'{"code": 200, "data": {"taskId": "t-1"}}'


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Know kie.ai's secret from the environment; Replicate's is stored by those who want it."""
    return replace(settings, provider_keys={"KIE_CALLBACKS": KIE_KEY})


@pytest.fixture
async def task_id(world: World) -> TaskId:
    return await create(world, await world.person("alice"), PICTURE)


async def know_the_secret(world: World) -> None:
    runtime, name = world.runtime, keys.callbacks_key("replicate")
    await keys.put(runtime.database, runtime.envelope, name, SECRET, world.clock())


async def post(
    world: World, task_id: TaskId, provider: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str | None]:
    """Have the provider intended, and hear a callback; return the status and the claim."""
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    intent = replace(INTENT, provider=provider)
    await intents.intend(world.runtime.database, task, intent, world.clock())
    url = callback_url(world.runtime, provider, task_id)
    path = url.removeprefix(world.runtime.settings.public_url)
    answer = await world.client.post(path, content=body, headers=headers)
    return answer.status_code, await intents.told(world.runtime.database, task)


def signed(
    world: World, body: bytes = BODY, *, age_s: int = 0, secret: str = SECRET
) -> dict[str, str]:
    return sign.headers("msg_1", body, [secret], world.clock() - timedelta(seconds=age_s))


async def test_what_the_upstream_signed_is_heeded(world: World, task_id: TaskId):
    await know_the_secret(world)
    assert await post(world, task_id, "replicate", BODY, signed(world)) == (200, "p-1")


async def test_kies_signature_is_checked_by_the_secret_of_the_environment(
    world: World, task_id: TaskId
):
    assert await post(world, task_id, "kie", KIE_BODY, {}) == (401, None)
    headers = sign.kie_headers("t-2", KIE_KEY, world.clock())
    assert await post(world, task_id, "kie", KIE_BODY, headers) == (401, None)
    headers = sign.kie_headers("t-1", KIE_KEY, world.clock())
    assert await post(world, task_id, "kie", KIE_BODY, headers) == (200, "t-1")


@pytest.mark.parametrize("how", ["unsigned", "another body", "another secret", "stale"])
async def test_where_the_secret_is_known_nothing_else_wakes_or_claims(
    world: World, task_id: TaskId, how: str
):
    await know_the_secret(world)
    headers = {
        "unsigned": {},
        "another body": signed(world, b'{"id": "p-2"}'),
        "another secret": signed(world, secret=OTHER),
        "stale": signed(world, age_s=301),
    }[how]
    wakes = Wakes(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))
    listening = asyncio.create_task(wakes.listener.run())
    try:
        await another_is_woken(world, wakes)
        with wakes.listener.watching(task_id) as news:
            assert await post(world, task_id, "replicate", BODY, headers) == (401, None)
            await another_is_woken(world, wakes)
            assert not news.is_set()
    finally:
        listening.cancel()


async def another_is_woken(world: World, wakes: Wakes) -> None:
    """Wait until a wake of another task arrives: those before it have arrived too."""
    pausing = asyncio.create_task(wakes.pause("task_other", 30))
    while not pausing.done():
        async with world.runtime.database.connection() as connection:
            await connection.execute("select pg_notify(%s, 'task_other')", (WAKE_CHANNEL,))
        await asyncio.wait([pausing], timeout=0.1)


async def test_a_secret_that_does_not_open_lets_nothing_through(world: World, task_id: TaskId):
    runtime, name = world.runtime, keys.callbacks_key("replicate")
    stranger = envelope_from((b"x" * 32,), b"y" * 32)
    await keys.put(runtime.database, stranger, name, SECRET, world.clock())
    assert await post(world, task_id, "replicate", BODY, signed(world)) == (401, None)


async def test_without_a_secret_the_address_is_the_guard(world: World, task_id: TaskId):
    assert await post(world, task_id, "replicate", BODY, {}) == (200, "p-1")
