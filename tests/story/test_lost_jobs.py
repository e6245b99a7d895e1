"""Jobs that an upstream took on, and does not know any more, or whose files do not come."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    PICTURE,
    Killed,
    ScriptedProvider,
    StatusStep,
    SubmitStep,
    assert_in_order,
    create,
    done_pictures,
    record,
    tools_for,
)
from typing_extensions import override

from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.comfyui.provider import ComfyUIProvider
from kinetoscope.providers.contract import (
    Accepted,
    Idempotency,
    Job,
    Kind,
    Lost,
    Polling,
    Refused,
    Silent,
    SubmitOutcome,
    Unfetched,
    Waiting,
    Working,
)
from kinetoscope.tasks import alerts
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.route import Route

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=2, delay_s_max=10)
CLIENT_TOKEN, LOOKUP, NEITHER = Idempotency
FIRST = Route(provider="first", queue="hosted", order=1, upstream_model="theirs-1")
SECOND = Route(provider="second", queue="hosted", order=2, upstream_model="theirs-2")
LOST: list[StatusStep] = [Lost()] * 200
ANEW = Accepted(upstream_id="upstream-2")
BUSY = Refused(code="429", message="Too many.", kind=Kind.TEMPORARY)
DEAD = Unfetched(reason="status 404")
DISK_FULL = Unfetched(reason="No space left on device", is_ours=True)

PAID = (997_83, 0, 2_17, 0)
FREE = (1000_00, 0, 0, 0)


def hosted(
    statuses: Sequence[StatusStep],
    submits: Sequence[SubmitStep] = (ACCEPTED,),
    *,
    name: str = "first",
    idempotency: Idempotency = NEITHER,
    polling: Polling | None = POLLING,
) -> ScriptedProvider:
    provider = ScriptedProvider(submits, statuses, idempotency=idempotency, polling=polling)
    provider.name = name
    return provider


class Forgetful(ScriptedProvider):
    """Knows nothing of a job until it takes it on anew; then it makes it."""

    @override
    async def submit(self, job: Job) -> SubmitOutcome:
        outcome = await super().submit(job)
        if outcome == ANEW:
            self.to_tell = deque([done_pictures])
        return outcome


def forgetful(
    submits: Sequence[SubmitStep], idempotency: Idempotency, polling: Polling | None = POLLING
) -> ScriptedProvider:
    provider = Forgetful(submits, LOST, idempotency=idempotency, polling=polling)
    provider.name = "first"
    return provider


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def task_id(world: World, alice: Person) -> TaskId:
    return await create(world, alice, PICTURE)


async def raised(world: World) -> list[tuple[str, str | None]]:
    since = world.clock() - timedelta(days=1)
    recent = await alerts.recent(world.runtime.database, since)
    return [(alert.kind, alert.task_id) for alert in recent]


# Not known any more


async def test_a_gateway_that_answers_404_for_minutes_ends_no_job(
    world: World, alice: Person, task_id: TaskId
):
    asked = hosted([*[Lost()] * 25, done_pictures], idempotency=CLIENT_TOKEN)
    began_at = world.clock()
    await advance(tools_for(world, asked, routes=(FIRST, SECOND)), task_id)
    assert timedelta(minutes=3) < world.clock() - began_at < timedelta(minutes=5)
    assert asked.submitted == [task_id]
    assert await world.balance(alice) == PAID
    assert await raised(world) == []


@pytest.mark.parametrize("sign", [Silent(reason="status 502"), Waiting(), Working(progress=0.1)])
async def test_whatever_else_it_says_begins_the_minutes_anew(
    world: World, alice: Person, task_id: TaskId, sign: StatusStep
):
    statuses: list[StatusStep] = []
    for _ in range(4):
        statuses += [*[Lost()] * 18, sign]
    asked = hosted([*statuses, done_pictures])
    await advance(tools_for(world, asked, routes=(FIRST,)), task_id)
    assert await world.balance(alice) == PAID


async def test_after_minutes_of_nothing_else_it_ends_unpaid_and_the_operator_is_told(
    world: World, alice: Person, task_id: TaskId
):
    asked = hosted([Working(progress=0.1), *LOST])
    began_at = world.clock()
    await advance(tools_for(world, asked, routes=(FIRST, SECOND)), task_id)
    assert timedelta(minutes=5) <= world.clock() - began_at < timedelta(minutes=6)
    assert asked.submitted == [task_id], "it may have been made: nothing is sent again"
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert await world.balance(alice) == FREE
    assert await raised(world) == [("lost_upstream", task_id)]
    await assert_in_order(world, ended=1)


async def test_two_answers_long_apart_are_not_believed(
    world: World, alice: Person, task_id: TaskId
):
    """As after a night of the machine's sleep."""

    async def sleep() -> None:
        world.clock.move(timedelta(minutes=6))

    asked = hosted([Lost(), Lost(), done_pictures])
    await advance(tools_for(world, asked, routes=(FIRST,), meanwhile=sleep), task_id)
    assert await world.balance(alice) == PAID


@pytest.mark.parametrize("idempotency", [CLIENT_TOKEN, LOOKUP])
async def test_what_is_lost_is_submitted_again_to_the_same_provider_only(
    world: World, alice: Person, task_id: TaskId, idempotency: Idempotency
):
    """Busy or not: with another one it might be paid twice."""
    first = forgetful([ACCEPTED, BUSY, BUSY, ANEW], idempotency)
    second = hosted([], [], name="second")
    await advance(tools_for(world, first, second, routes=(FIRST, SECOND)), task_id)
    assert first.submitted == [task_id] * 4
    assert second.submitted == []
    assert await world.balance(alice) == PAID
    assert await raised(world) == [("lost_upstream", task_id)]


@pytest.mark.parametrize("idempotency", [CLIENT_TOKEN, LOOKUP])
@pytest.mark.parametrize("then", [[BUSY, Killed()], [Killed()]], ids=["withdrawn", "intended"])
async def test_the_next_worker_asks_nobody_else_for_it_either(
    world: World,
    alice: Person,
    task_id: TaskId,
    idempotency: Idempotency,
    then: list[SubmitStep],
):
    second = hosted([], [], name="second")
    first = forgetful([ACCEPTED, *then], idempotency)
    with pytest.raises(Killed):
        await advance(tools_for(world, first, second, routes=(FIRST, SECOND)), task_id)
    again = forgetful([BUSY, ANEW] if idempotency is LOOKUP else [ANEW], idempotency)
    preferred = replace(SECOND, order=0)
    await advance(tools_for(world, again, second, routes=(preferred, FIRST)), task_id)
    assert second.submitted == []
    assert (await record(world, alice, task_id))["status"] == "success"
    assert await world.balance(alice) == PAID


async def test_an_engine_of_this_process_is_believed_and_anybody_may_make_it(
    world: World, alice: Person, task_id: TaskId
):
    """It restarted with the worker; nothing was paid."""
    engine = forgetful([ACCEPTED, BUSY], CLIENT_TOKEN, polling=None)
    second = hosted([done_pictures], name="second")
    began_at = world.clock()
    await advance(tools_for(world, engine, second, routes=(FIRST, SECOND)), task_id)
    assert world.clock() - began_at < timedelta(seconds=10)
    assert second.submitted == [task_id]
    assert await world.balance(alice) == PAID
    assert await raised(world) == []


async def test_an_own_engine_that_restarted_gets_its_jobs_again_within_seconds(
    world: World, alice: Person, task_id: TaskId
):
    engine = forgetful([ACCEPTED, ANEW], LOOKUP, ComfyUIProvider.polling)
    began_at = world.clock()
    await advance(tools_for(world, engine, routes=(FIRST,)), task_id)
    assert world.clock() - began_at < timedelta(seconds=10)
    assert await world.balance(alice) == PAID


# Made, and not to be had


async def test_files_that_do_not_come_are_asked_for_until_the_tasks_time_is_over(
    world: World, alice: Person, task_id: TaskId
):
    asked = hosted([DEAD] * 500)
    began_at = world.clock()
    await advance(tools_for(world, asked, routes=(FIRST,)), task_id)
    assert timedelta(minutes=60) <= world.clock() - began_at < timedelta(minutes=62)
    assert 40 < len(asked.asked) < 100, "ever less often"
    assert asked.cancelled == [], "which might delete it"
    found = await record(world, alice, task_id)
    assert found["error"]["message"] == "The result could not be fetched. Please try again."
    assert await world.balance(alice) == FREE
    assert await raised(world) == [("result_unfetched", task_id)]


async def test_what_was_done_late_has_an_hour_all_the_same(
    world: World, alice: Person, task_id: TaskId
):
    asked = hosted([*[DEAD] * 40, done_pictures])
    tools = tools_for(world, asked, routes=(FIRST,), task_deadline=timedelta(minutes=5))
    began_at = world.clock()
    await advance(tools, task_id)
    assert world.clock() - began_at > timedelta(minutes=20)
    assert asked.cancelled == []
    assert await world.balance(alice) == PAID


async def test_files_that_come_after_a_quarter_of_an_hour_count(
    world: World, alice: Person, task_id: TaskId
):
    asked = hosted([*[DEAD] * 20, Silent(reason="status 502"), DEAD, done_pictures])
    began_at = world.clock()
    await advance(tools_for(world, asked, routes=(FIRST,)), task_id)
    assert world.clock() - began_at > timedelta(minutes=10)
    assert await world.balance(alice) == PAID


@pytest.mark.parametrize("last", [Silent(reason="status 502"), Lost()])
async def test_what_was_made_is_not_made_again(
    world: World, alice: Person, task_id: TaskId, last: StatusStep
):
    asked = hosted([DEAD, *[last] * 500], idempotency=CLIENT_TOKEN)
    await advance(tools_for(world, asked, routes=(FIRST,)), task_id)
    assert asked.submitted == [task_id]
    assert asked.cancelled == []
    assert await world.balance(alice) == FREE
    assert await raised(world) == [("result_unfetched", task_id)]


async def test_a_full_disk_of_ours_is_no_fault_of_the_upstreams(
    world: World, alice: Person, task_id: TaskId
):
    """90 minutes, and it is asked again; only when the task's time is twice over, it ends."""
    asked = hosted([*[DISK_FULL] * 90, done_pictures])
    began_at = world.clock()
    await advance(tools_for(world, asked, routes=(FIRST,)), task_id)
    assert world.clock() - began_at > timedelta(minutes=75)
    assert await world.balance(alice) == PAID
    other = await create(world, alice, PICTURE)
    began_at = world.clock()
    await advance(tools_for(world, hosted([DISK_FULL] * 500), routes=(FIRST,)), other)
    assert timedelta(minutes=120) <= world.clock() - began_at < timedelta(minutes=122)
    assert await raised(world) == [("result_unfetched", other)]
