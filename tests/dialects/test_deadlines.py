"""A client's patience: what was not begun in time costs nothing, what has begun is asked to end."""

from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.scripted import PICTURE, VIDEO, ScriptedProvider, done_video, record, tools_for

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import parse_key
from kinetoscope.providers.contract import CancelOutcome, Polling, Working
from kinetoscope.tasks import create, store
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.deadlines import end_overdue
from kinetoscope.tasks.request import Patience, Request
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)

POLLING = Polling(delay_s=1, delay_s_max=1)


async def made(world: World, person: Person, patience: Patience) -> TaskId:
    key = parse_key(person.key)
    assert key is not None
    runtime = world.runtime
    asked = Request(
        model=str(VIDEO["model"]),
        inputs=VIDEO["inputs"],
        auto_fix=False,
        callback_url=None,
        patience=patience,
    )
    created = await create.create(
        runtime.database, runtime.catalog, runtime.routes, key, asked, world.clock()
    )
    return created.task_id


async def look(world: World) -> None:
    runtime = world.runtime
    await end_overdue(runtime.database, lifetimes_of(runtime.settings), world.clock())


@pytest.mark.parametrize("patience", [Patience(start=MINUTE), Patience(end=MINUTE)])
async def test_what_nobody_began_in_time_fails_and_costs_nothing(world: World, patience: Patience):
    alice = await world.person("alice")
    task_id = await made(world, alice, patience)
    world.clock.move(MINUTE - timedelta(seconds=1))
    await look(world)
    assert (await record(world, alice, task_id))["status"] == "waiting"
    world.clock.move(timedelta(seconds=1))
    await look(world)
    ended = await record(world, alice, task_id)
    assert (ended["status"], ended["error"]["code"]) == ("fail", "deadline")
    assert (await world.balance(alice))[0] == 100_000
    assert await audit(world.runtime.database) == []


async def test_what_has_begun_is_asked_to_end_and_costs_nothing_if_it_does(world: World):
    alice = await world.person("alice")
    task_id = await made(world, alice, Patience(start=MINUTE, end=2 * MINUTE))
    provider = ScriptedProvider(
        statuses=[Working(progress=0.1)] * 3,
        cancels=[CancelOutcome.STOPPED],
        polling=POLLING,
    )

    async def meanwhile() -> None:
        world.clock.move(MINUTE)
        await look(world)
        await tools.cancellations.refresh()

    tools = tools_for(world, provider, meanwhile=meanwhile)
    await advance(tools, task_id)
    ended = await record(world, alice, task_id)
    assert (ended["status"], ended["error"]["code"]) == ("fail", "cancelled")
    assert (await world.balance(alice))[0] == 100_000


async def test_a_start_in_time_is_enough_where_only_that_was_asked_for(world: World):
    alice = await world.person("alice")
    task_id = await made(world, alice, Patience(start=MINUTE))

    async def meanwhile() -> None:
        world.clock.move(5 * MINUTE)
        await look(world)
        await tools.cancellations.refresh()

    provider = ScriptedProvider(statuses=[Working(progress=0.1), done_video], polling=POLLING)
    tools = tools_for(world, provider, meanwhile=meanwhile)
    await advance(tools, task_id)
    assert (await record(world, alice, task_id))["status"] == "success"


async def test_others_are_left_alone(world: World):
    alice = await world.person("alice")
    response = await world.client.post(
        "/api/v1/jobs/createTask", json=PICTURE, headers=alice.headers
    )
    patient = response.json()["taskId"]
    world.clock.move(timedelta(days=1))
    await look(world)
    assert (await record(world, alice, patient))["status"] == "waiting"
    assert await store.cancel_requests(world.runtime.database) == set()
