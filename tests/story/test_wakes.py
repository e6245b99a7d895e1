"""News of a task that comes while its worker looks the other way."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PICTURE,
    ScriptedProvider,
    StatusStep,
    create,
    done_pictures,
    tools_for,
)

from kinetoscope.postgres.listening import Listener
from kinetoscope.providers.contract import (
    Accepted,
    Job,
    Polling,
    Status,
    SubmitOutcome,
    Working,
)
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.wakes import WAKE_CHANNEL, Wakes

pytestmark = pytest.mark.anyio

SELDOM = Polling(delay_s=300, delay_s_max=300)
AT_ONCE_S = 20
PAID = (997_83, 0, 2_17, 0)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


def woken(wakes: Wakes, status: Status) -> Callable[[Job], Status]:
    def tell(job: Job) -> Status:
        wakes.wake(job.task_id)
        return status

    return tell


async def test_a_wake_while_a_status_is_asked_for_is_not_lost(world: World, alice: Person):
    """The one callback that says that it is done: without it, minutes until the next look."""
    task_id = await create(world, alice, PICTURE)
    wakes = Wakes(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))
    statuses: list[StatusStep] = [woken(wakes, Working(progress=0.1)), done_pictures]
    provider = ScriptedProvider(statuses=statuses, polling=SELDOM)
    async with asyncio.timeout(AT_ONCE_S):
        await advance(replace(tools_for(world, provider), wakes=wakes), task_id)
    assert await world.balance(alice) == PAID
    assert wakes.remembered == {}
    assert wakes.listener.waiting == {}


async def test_a_wake_while_a_job_is_submitted_is_not_lost(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    wakes = Wakes(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))

    def tell(job: Job) -> SubmitOutcome:
        wakes.wake(job.task_id)
        return Accepted(upstream_id="upstream-1")

    statuses: list[StatusStep] = [Working(progress=0.1), done_pictures]
    provider = ScriptedProvider([tell], statuses, polling=SELDOM)
    async with asyncio.timeout(AT_ONCE_S):
        await advance(replace(tools_for(world, provider), wakes=wakes), task_id)
    assert await world.balance(alice) == PAID


async def test_one_wake_ends_one_pause(world: World):
    wakes = Wakes(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))
    with wakes.remembering("task_1"):
        wakes.wake("task_1")
        wakes.wake("task_2")
        async with asyncio.timeout(AT_ONCE_S):
            await wakes.pause("task_1", 300)
        paused = asyncio.create_task(wakes.pause("task_1", 300))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not paused.done()
        wakes.wake("task_1")
        async with asyncio.timeout(AT_ONCE_S):
            await paused


async def test_whoever_has_a_task_twice_forgets_no_news_of_the_other(world: World):
    """As where a job was put back while its worker was only slow."""
    wakes = Wakes(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))
    with wakes.remembering("task_1"):
        with wakes.remembering("task_1"):
            pass
        wakes.wake("task_1")
        async with asyncio.timeout(AT_ONCE_S):
            await wakes.pause("task_1", 300)
