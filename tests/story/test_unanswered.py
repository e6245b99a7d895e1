"""Lost answers: a submit that may have arrived is never a second job, and never a lost one."""

import base64
from datetime import timedelta
from functools import partial

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    PICTURE,
    Killed,
    MovedWakes,
    ScriptedProvider,
    StatusStep,
    SubmitStep,
    assert_in_order,
    create,
    done_pictures,
    paint,
    record,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Idempotency,
    Kind,
    Lost,
    Polling,
    Refused,
    Silent,
    Status,
    Unknown,
    Working,
)
from kinetoscope.tasks import alerts, callbacks, cancel
from kinetoscope.tasks.advance import advance
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=2, delay_s_max=10)
CLIENT_TOKEN, LOOKUP, NEITHER = Idempotency
LOST_ANSWER = Unknown(reason="the connection broke")
WRONG_KEY = Refused(code="500", message="The key is refused.", kind=Kind.UNSUPPORTED)

PAID = (997_83, 0, 2_17, 0)
HELD = (997_83, 2_17, 0, 1)
FREE = (1000_00, 0, 0, 0)


provider = partial(ScriptedProvider, polling=POLLING)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def task_id(world: World, alice: Person) -> TaskId:
    return await create(world, alice, PICTURE)


async def alert_kinds(world: World) -> list[str]:
    since = world.clock() - timedelta(days=1)
    return [alert.kind for alert in await alerts.recent(world.runtime.database, since)]


async def told(world: World, task_id: TaskId, claim: str | None) -> None:
    call = callbacks.Call(provider="embedded", task_id=task_id, claim=claim)
    await callbacks.heard(world.runtime.database, call, world.clock())


async def test_with_a_client_token_it_is_sent_again_as_often_as_it_takes(
    world: World, alice: Person, task_id: TaskId
):
    busy = Refused(code="429", message="Too many.", kind=Kind.TEMPORARY)
    submits: list[SubmitStep] = [LOST_ANSWER, LOST_ANSWER, busy, WRONG_KEY, LOST_ANSWER, ACCEPTED]
    asked = provider(idempotency=CLIENT_TOKEN, submits=submits, statuses=[done_pictures])
    await advance(tools_for(world, asked), task_id)
    assert asked.submitted == [task_id] * 6
    assert await world.balance(alice) == PAID
    await assert_in_order(world, ended=1)


async def test_a_lookup_that_finds_it_sends_nothing_again(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(
        idempotency=LOOKUP,
        submits=[LOST_ANSWER],
        finds=[Unknown(reason="no answer"), Absent(), ACCEPTED],
        statuses=[done_pictures],
    )
    await advance(tools_for(world, asked), task_id)
    assert asked.submitted == [task_id]
    assert len(asked.sought) == 3
    assert await world.balance(alice) == PAID


async def test_only_a_lookup_that_finds_nothing_twice_lets_it_be_sent_again(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(
        idempotency=LOOKUP,
        submits=[LOST_ANSWER, ACCEPTED],
        finds=[Absent(), Unknown(reason="no answer"), Absent(), Absent()],
        statuses=[done_pictures],
    )
    await advance(tools_for(world, asked), task_id)
    assert asked.submitted == [task_id, task_id]
    assert len(asked.sought) == 4
    assert await world.balance(alice) == PAID


async def test_killed_before_the_answer_the_next_worker_looks_it_up(
    world: World, alice: Person, task_id: TaskId
):
    with pytest.raises(Killed):
        await advance(tools_for(world, provider(idempotency=LOOKUP, submits=[Killed()])), task_id)
    again = provider(idempotency=LOOKUP, submits=[], finds=[ACCEPTED], statuses=[done_pictures])
    await advance(tools_for(world, again), task_id)
    assert again.submitted == []
    assert await world.balance(alice) == PAID


async def test_what_never_arrived_is_sent_again_with_its_references(world: World, alice: Person):
    picture = paint(world.runtime.settings.data_dir / "reference.png", width=320, height=320)
    url = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    inputs = {"prompt": "a fox", "uploadedUrls": [url]}
    task_id = await create(world, alice, {**PICTURE, "inputs": inputs})
    with pytest.raises(Killed):
        await advance(tools_for(world, provider(idempotency=LOOKUP, submits=[Killed()])), task_id)
    again = provider(
        idempotency=LOOKUP, finds=[Absent()] * 2, submits=[ACCEPTED], statuses=[done_pictures]
    )
    await advance(tools_for(world, again), task_id)
    (sent,) = again.jobs
    assert [reference.width for reference in sent.references] == [320]
    assert await world.balance(alice) == PAID


async def test_with_neither_the_hold_is_kept_until_the_deadline_and_then_released(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(idempotency=NEITHER, submits=[LOST_ANSWER])
    began_at = world.clock()
    balances = []

    async def look() -> None:
        balances.append(await world.balance(alice))

    tools = tools_for(world, asked, meanwhile=look)
    await advance(tools, task_id)
    assert asked.submitted == [task_id], "sent once, and never again"
    assert set(balances) == {HELD}
    assert world.clock() - began_at >= tools.unknown_deadline
    found = await record(world, alice, task_id)
    assert found["error"]["code"] == "submit_unknown"
    assert await world.balance(alice) == FREE
    assert await alert_kinds(world) == ["submit_unknown"]
    await assert_in_order(world, ended=1)


async def test_with_neither_a_callback_tells_and_the_late_success_is_settled(
    world: World, alice: Person, task_id: TaskId
):
    """The claim is believed because the upstream, asked with our own key, knows that job."""
    asked = provider(
        idempotency=NEITHER, submits=[LOST_ANSWER], statuses=[Working(progress=0.5), done_pictures]
    )
    await told(world, task_id, "upstream-9")
    assert await claim_of(world, task_id) is None, "it has not been submitted yet"

    async def tell() -> None:
        await told(world, task_id, "upstream-9")

    await advance(tools_for(world, asked, meanwhile=tell), task_id)
    assert asked.submitted == [task_id]
    assert set(asked.asked) == {"upstream-9"}
    assert await world.balance(alice) == PAID
    assert await alert_kinds(world) == []


async def claim_of(world: World, task_id: TaskId) -> str | None:
    values = await world.runtime.database.fetch_values(
        "select upstream_claim from task where id = %(id)s", {"id": task_id}
    )
    assert values is not None
    claim: str | None = values[0]
    return claim


async def test_a_callback_that_comes_too_late_is_told_to_the_operator(
    world: World, alice: Person, task_id: TaskId
):
    """The client has the credits back and may have tried again: nothing of that is changed."""
    await advance(tools_for(world, provider(idempotency=NEITHER, submits=[LOST_ANSWER])), task_id)
    before = await record(world, alice, task_id)
    ended_at = world.clock()
    found = await alerts.recent(world.runtime.database, ended_at - timedelta(days=1))
    assert [(alert.told_id, alert.told_at) for alert in found] == [(None, None)]
    world.clock.move(timedelta(minutes=5))
    await told(world, task_id, None)
    world.clock.move(timedelta(minutes=5))
    await told(world, task_id, "upstream-9")
    await told(world, task_id, "somebody-elses")
    (alert,) = await alerts.recent(world.runtime.database, ended_at - timedelta(days=1))
    assert (alert.kind, alert.task_id) == ("submit_unknown", task_id)
    assert (alert.told_id, alert.told_at) == ("upstream-9", ended_at + timedelta(minutes=5))
    assert await record(world, alice, task_id) == before
    assert await world.balance(alice) == FREE
    await assert_in_order(world, ended=1)


async def test_a_callback_after_an_answered_submit_is_no_news(
    world: World, alice: Person, task_id: TaskId
):
    working = [Working(progress=0.5)] * 2000
    asked = provider(idempotency=NEITHER, statuses=working, cancels=[CancelOutcome.GOES_ON])
    await advance(tools_for(world, asked), task_id)
    await told(world, task_id, "upstream-9")
    (alert,) = await alerts.recent(world.runtime.database, world.clock() - timedelta(days=1))
    assert (alert.kind, alert.told_id) == ("abandoned", None)
    assert await world.balance(alice) == FREE


@pytest.mark.parametrize("status", [Lost(), Silent(reason="status 500")])
async def test_a_claim_that_the_upstream_does_not_confirm_is_not_believed(
    world: World, alice: Person, task_id: TaskId, status: Status
):
    asked = provider(idempotency=NEITHER, submits=[LOST_ANSWER], statuses=[status] * 200)

    async def tell() -> None:
        await told(world, task_id, "somebody-elses")

    await advance(tools_for(world, asked, meanwhile=tell), task_id)
    found = await record(world, alice, task_id)
    assert found["error"]["code"] == "submit_unknown"
    assert await world.balance(alice) == FREE


async def test_a_callback_neither_overwrites_an_acceptance_nor_ends_anything(
    world: World, task_id: TaskId
):
    asked = provider(idempotency=NEITHER, statuses=[Killed()])
    with pytest.raises(Killed):
        await advance(tools_for(world, asked), task_id)
    await told(world, task_id, "somebody-elses")
    again = provider(idempotency=NEITHER, submits=[], statuses=[done_pictures])
    await advance(tools_for(world, again), task_id)
    assert again.asked == ["upstream-1"]


# Following


async def test_an_upstream_that_says_nothing_usable_is_asked_ever_less_often(
    world: World, alice: Person, task_id: TaskId
):
    statuses: list[StatusStep] = [Silent(reason="status 500")] * 9
    asked = provider(idempotency=NEITHER, statuses=[*statuses, done_pictures])
    tools = tools_for(world, asked)
    await advance(tools, task_id)
    assert isinstance(tools.wakes, MovedWakes)
    pauses = tools.wakes.pauses_s
    assert 1.5 < pauses[0] < 2.5
    assert all(8 <= pause <= 12 for pause in pauses[6:])
    assert await world.balance(alice) == PAID


async def want_cancelled(world: World, alice: Person, task_id: TaskId) -> None:
    runtime = world.runtime
    outcome = await cancel.cancel(
        runtime.database,
        lifetimes_of(runtime.settings),
        alice.account_id,
        task_id,
        world.clock(),
        mode=KeyMode.LIVE,
    )
    assert outcome.requested


async def test_a_cancel_that_the_upstream_confirms_ends_the_task(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(
        idempotency=NEITHER,
        statuses=[Working(progress=0.1)] * 3,
        cancels=[CancelOutcome.UNKNOWN, CancelOutcome.STOPPED],
    )

    async def want() -> None:
        await want_cancelled(world, alice, task_id)
        await tools.cancellations.refresh()

    tools = tools_for(world, asked, meanwhile=want)
    await advance(tools, task_id)
    assert len(asked.cancelled) == 2, "no clear answer is asked for again"
    assert (await record(world, alice, task_id))["error"]["code"] == "cancelled"
    assert await world.balance(alice) == FREE


async def test_what_cannot_be_stopped_is_followed_on_and_its_success_counts(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(
        idempotency=NEITHER,
        statuses=[Working(progress=0.1), Working(progress=0.2), done_pictures],
        cancels=[CancelOutcome.GOES_ON],
    )

    async def want() -> None:
        await want_cancelled(world, alice, task_id)
        await tools.cancellations.refresh()

    tools = tools_for(world, asked, meanwhile=want)
    await advance(tools, task_id)
    assert asked.cancelled == ["upstream-1"], "asked once"
    assert (await record(world, alice, task_id))["status"] == "success"
    assert await world.balance(alice) == PAID


async def test_late_but_unstoppable_the_hold_is_kept_and_a_late_success_settled(
    world: World, alice: Person, task_id: TaskId
):
    working = Working(progress=0.5)
    asked = provider(
        idempotency=NEITHER,
        statuses=[working] * 420 + [done_pictures],
        cancels=[CancelOutcome.GOES_ON],
    )
    began_at = world.clock()
    await advance(tools_for(world, asked), task_id)
    assert world.clock() - began_at > timedelta(minutes=60)
    assert await world.balance(alice) == PAID


async def test_twice_the_time_is_the_end_and_the_operator_is_told(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(
        idempotency=NEITHER,
        statuses=[Working(progress=0.5)] * 2000,
        cancels=[CancelOutcome.GOES_ON],
    )
    began_at = world.clock()
    await advance(tools_for(world, asked), task_id)
    assert timedelta(minutes=120) <= world.clock() - began_at < timedelta(minutes=121)
    found = await record(world, alice, task_id)
    assert found["error"]["message"] == "Generation timed out. Please try again."
    assert await world.balance(alice) == FREE
    assert await alert_kinds(world) == ["abandoned"]


async def test_late_and_stoppable_the_task_ends_in_time(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider(idempotency=NEITHER, statuses=[Working(progress=0.5)] * 2000)
    began_at = world.clock()
    await advance(tools_for(world, asked), task_id)
    assert world.clock() - began_at < timedelta(minutes=61)
    assert asked.cancelled == ["upstream-1"]
    assert await world.balance(alice) == FREE
    assert await alert_kinds(world) == []


async def test_an_accepted_id_is_kept_for_good(world: World, task_id: TaskId):
    asked = provider(
        idempotency=CLIENT_TOKEN,
        submits=[Accepted(upstream_id="one")],
        statuses=[Working(progress=0.1), done_pictures],
    )
    await advance(tools_for(world, asked), task_id)
    assert asked.asked == ["one", "one"]
