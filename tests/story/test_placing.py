"""Who gets a task: routes in order, failover before acceptance, circuits, queues, decisions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    INTENT,
    PICTURE,
    Killed,
    MovedWakes,
    ScriptedProvider,
    SubmitStep,
    assert_in_order,
    create,
    done_pictures,
    record,
    tools_for,
)
from typing_extensions import override

from kinetoscope.catalog.model import PerImage
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.media.store import MediaStore
from kinetoscope.providers.breaker import CALLS_MIN
from kinetoscope.providers.contract import (
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
    Status,
    SubmitOutcome,
)
from kinetoscope.tasks import alerts, cancel, circuits, intents, store
from kinetoscope.tasks.advance import OrderUnreadable, advance
from kinetoscope.tasks.route import Route
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=2, delay_s_max=10)
OWN = Route(provider="own", queue="gpu", order=1)
FIRST = Route(provider="first", queue="hosted", order=2, upstream_model="theirs-1")
SECOND = Route(provider="second", queue="hosted", order=3, upstream_model="theirs-2")

BUSY = Refused(code="429", message="Too many.", kind=Kind.TEMPORARY)
WRONG_KEY = Refused(code="500", message="The key is refused.", kind=Kind.UNSUPPORTED)
MODERATED = Refused(code="2038", message="Not this.", kind=Kind.MODERATION)
NEITHER = Idempotency.NEITHER


def named(name: str, submits: Sequence[SubmitStep], *, done: bool = False) -> ScriptedProvider:
    provider = ScriptedProvider(
        submits, [done_pictures] if done else [], idempotency=NEITHER, polling=POLLING
    )
    provider.name = name
    return provider


async def row(world: World, task_id: TaskId) -> dict[str, Any]:
    values = await world.runtime.database.fetch_values(
        "select to_jsonb(task) from task where id = %(id)s", {"id": task_id}
    )
    assert values is not None
    found: dict[str, Any] = values[0]
    return found


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def test_the_first_route_gets_it_and_the_decision_is_kept(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    own = named("own", [ACCEPTED], done=True)
    other = named("first", [])
    await advance(tools_for(world, own, other, routes=(OWN, FIRST)), task_id)
    stored = await row(world, task_id)
    assert (stored["status"], stored["provider"]) == ("success", "own")
    (decision,) = stored["routing"]
    assert decision["chosen"] == "own"
    assert decision["passedOver"] == []
    assert other.submitted == []


@pytest.mark.parametrize("refusal", [BUSY, WRONG_KEY])
async def test_who_refuses_for_himself_is_passed_over_for_the_next(
    world: World, alice: Person, refusal: Refused
):
    task_id = await create(world, alice, PICTURE)
    first, second = named("first", [refusal]), named("second", [ACCEPTED], done=True)
    await advance(tools_for(world, first, second, routes=(FIRST, SECOND)), task_id)
    stored = await row(world, task_id)
    assert (stored["status"], stored["provider"]) == ("success", "second")
    assert stored["upstream_model"] == "theirs-2"
    decisions = stored["routing"]
    assert [decision["chosen"] for decision in decisions] == ["first", "second"]
    (passed,) = decisions[1]["passedOver"]
    assert passed == {"provider": "first", "says": f"refused: {refusal.message}"}
    await assert_in_order(world, ended=1)


async def test_what_moderation_refuses_nobody_else_is_asked_for(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    first, second = named("first", [MODERATED]), named("second", [])
    await advance(tools_for(world, first, second, routes=(FIRST, SECOND)), task_id)
    stored = await row(world, task_id)
    assert (stored["status"], stored["error_code"]) == ("fail", "2038")
    assert second.submitted == []


async def test_after_acceptance_there_is_no_other_provider(world: World, alice: Person):
    """Killed while the first has it: the task is followed there, though the second is up."""
    task_id = await create(world, alice, PICTURE)
    first = ScriptedProvider([ACCEPTED], [Killed()], idempotency=NEITHER, polling=POLLING)
    first.name = "first"
    with pytest.raises(Killed):
        await advance(tools_for(world, first, routes=(FIRST, SECOND)), task_id)
    second = named("second", [])
    again = named("first", [], done=True)
    await advance(tools_for(world, again, second, routes=(SECOND, FIRST)), task_id)
    assert again.asked == ["upstream-1"]
    assert second.submitted == []
    assert (await row(world, task_id))["provider"] == "first"


async def test_when_all_are_busy_the_task_waits_longer_each_time_and_gets_through(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    first, second = named("first", [BUSY] * 3), named("second", [BUSY] * 2 + [ACCEPTED], done=True)
    tools = tools_for(world, first, second, routes=(FIRST, SECOND))
    await advance(tools, task_id)
    assert (await row(world, task_id))["status"] == "success"
    assert (len(first.submitted), len(second.submitted)) == (3, 3)
    await assert_in_order(world, ended=1)


async def test_the_upstreams_own_wish_for_when_to_come_back_is_heeded(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    later = Refused(code="429", message="Later.", kind=Kind.TEMPORARY, retry_after_s=17)
    provider = named("first", [later, ACCEPTED], done=True)
    tools = tools_for(world, provider, routes=(FIRST,))
    await advance(tools, task_id)
    assert isinstance(tools.wakes, MovedWakes)
    assert tools.wakes.pauses_s[0] == pytest.approx(17, abs=0.1)


async def test_nobody_can_make_it(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    first, second = named("first", [WRONG_KEY]), named("second", [WRONG_KEY])
    await advance(tools_for(world, first, second, routes=(FIRST, SECOND)), task_id)
    shown = await record(world, alice, task_id)
    assert shown["error"] == {"code": "500", "message": "No provider can make this at the moment."}
    assert (await world.balance(alice))[1:] == (0, 0, 0)


async def test_the_embedded_renderer_never_stands_in(world: World, alice: Person):
    """A model with a real route does not fall back to previews, though the renderer is there."""
    task_id = await create(world, alice, PICTURE)
    embedded = ScriptedProvider([], [])
    first = named("first", [BUSY] * 12)
    await advance(tools_for(world, embedded, first, routes=(FIRST,)), task_id)
    stored = await row(world, task_id)
    assert (stored["status"], stored["provider"]) == ("fail", "first")
    assert embedded.submitted == []


async def test_an_open_circuit_is_passed_over_and_told(world: World, alice: Person):
    first, second = named("first", [BUSY] * CALLS_MIN), named("second", [ACCEPTED] * 40)
    second.to_tell.extend([done_pictures] * 40)
    tools = tools_for(world, first, second, routes=(FIRST, SECOND))
    for _ in range(CALLS_MIN):
        await advance(tools, await create(world, alice, PICTURE))
    (circuit,) = await circuits.listed(world.runtime.database, world.clock())
    assert (circuit.provider, circuit.model) == ("first", "theirs-1")
    task_id = await create(world, alice, PICTURE)
    await advance(tools, task_id)
    assert len(first.submitted) == CALLS_MIN, "nobody asks it now"
    (decision,) = (await row(world, task_id))["routing"]
    assert decision["passedOver"] == [
        {"provider": "first", "says": "is left alone after too many failures"}
    ]


async def test_with_its_only_circuit_open_a_task_waits_and_is_not_failed(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    first = named("first", [ACCEPTED], done=True)
    tools = tools_for(world, first, routes=(FIRST,))
    breaker = tools.breakers.of("first", "theirs-1")
    for _ in range(CALLS_MIN):
        breaker.record(breaker.begin(), world.clock().timestamp(), fine=False)
    await advance(tools, task_id)
    assert (await row(world, task_id))["status"] == "success"
    assert isinstance(tools.wakes, MovedWakes)
    assert tools.wakes.pauses_s[0] == pytest.approx(5, abs=0.1)
    assert breaker.delay_s(world.clock().timestamp()) == 0, "and it is closed again"


async def test_a_route_of_another_queue_takes_the_task_along(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    first = named("first", [WRONG_KEY])
    gpu = Route(provider="own", queue="gpu", order=9)
    tools = tools_for(world, first, routes=(FIRST, gpu), queues=frozenset({"hosted"}))
    await advance(tools, task_id)
    stored = await row(world, task_id)
    assert (stored["status"], stored["provider"]) == ("waiting", "own")
    values = await world.runtime.database.fetch_values(
        "select array_agg(queue_name order by id) from procrastinate_jobs where lock = %(id)s",
        {"id": task_id},
    )
    assert values is not None
    assert values[0][-1] == "gpu"
    own = named("own", [ACCEPTED], done=True)
    there = tools_for(world, own, routes=(gpu,), queues=frozenset({"gpu"}))
    await advance(there, task_id)
    assert (await row(world, task_id))["status"] == "success"


async def test_a_provider_that_was_removed_keeps_its_tasks_until_they_are_hopeless(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    first = ScriptedProvider([ACCEPTED], [Killed()], idempotency=NEITHER, polling=POLLING)
    first.name = "first"
    with pytest.raises(Killed):
        await advance(tools_for(world, first, routes=(FIRST,)), task_id)
    with pytest.raises(Exception, match="not set up here"):
        await advance(tools_for(world, routes=(SECOND,)), task_id)
    assert (await row(world, task_id))["status"] == "waiting"
    back = named("first", [], done=True)
    await advance(tools_for(world, back, routes=(SECOND,)), task_id)
    assert (await row(world, task_id))["status"] == "success"


async def test_a_minute_of_nothing_but_failures_costs_a_handful_of_calls(
    world: World, alice: Person
):
    """The other provider gets everything, at once, and the broken one is hardly troubled."""
    broken, good = named("first", [BUSY] * 200), named("second", [ACCEPTED] * 200)
    good.to_tell.extend([done_pictures] * 200)
    tools = tools_for(world, broken, good, routes=(FIRST, SECOND))
    breaker = tools.breakers.of("first", "theirs-1")
    while breaker.opened_s is None:
        await advance(tools, await create(world, alice, PICTURE))
    before = len(broken.submitted)
    began_at, tasks = world.clock(), 0
    while world.clock() - began_at < timedelta(seconds=60):
        await advance(tools, await create(world, alice, PICTURE))
        tasks += 1
        world.clock.move(timedelta(seconds=1))
    assert tasks >= 15, "each is made within seconds"
    assert len(broken.submitted) - before <= 4
    assert len(good.submitted) == before + tasks


async def test_a_cancel_between_two_tries_is_heeded_and_nobody_else_is_asked(
    world: World, alice: Person
):
    """cancelTask was told that a provider has the task; it refused, and that was that."""
    task_id = await create(world, alice, PICTURE)
    runtime = world.runtime

    first, second = named("first", [BUSY]), named("second", [])
    tools = tools_for(world, first, second, routes=(FIRST, SECOND))

    class Cancelled(ScriptedProvider):
        @override
        async def submit(self, job: Job) -> SubmitOutcome:
            outcome = await super().submit(job)
            lifetimes = lifetimes_of(runtime.settings)
            told = await cancel.cancel(
                runtime.database,
                lifetimes,
                alice.account_id,
                task_id,
                world.clock(),
                mode=KeyMode.LIVE,
            )
            assert told.requested
            return outcome

    first.__class__ = Cancelled
    await advance(tools, task_id)
    stored = await row(world, task_id)
    assert (stored["status"], stored["error_code"]) == ("fail", "cancelled")
    assert second.submitted == []
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


async def test_a_cancelled_task_that_went_back_to_the_queue_is_not_submitted_again(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    database = world.runtime.database
    task = await store.claim(database, task_id)
    assert task is not None
    await intents.intend(database, task, INTENT, world.clock())
    lifetimes = lifetimes_of(world.runtime.settings)
    told = await cancel.cancel(
        database, lifetimes, alice.account_id, task_id, world.clock(), mode=KeyMode.LIVE
    )
    assert told.requested
    await intents.withdraw(database, task)
    first = named("first", [])
    await advance(tools_for(world, first, routes=(FIRST,)), task_id)
    assert (await row(world, task_id))["error_code"] == "cancelled"


async def test_the_price_of_creation_is_the_price_whatever_the_catalog_says_later(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    tools = tools_for(world, named("first", [ACCEPTED], done=True), routes=(FIRST,))
    model = tools.catalog.find("gpt-image-2")
    assert isinstance(model.price, PerImage)
    rates = {
        quality: {name: Credits(3 * rate) for name, rate in listed.items()}
        for quality, listed in model.price.rates.items()
    }
    dearer = replace(model, price=PerImage(rates=rates))
    models = {**tools.catalog.models_by_id, model.id: dearer}
    catalog = replace(tools.catalog, models=tuple(models.values()), models_by_id=models)
    await advance(replace(tools, catalog=catalog), task_id)
    assert await world.balance(alice) == (997_83, 0, 2_17, 0)


async def test_a_task_whose_model_is_gone_while_an_upstream_has_it_is_told_to_the_operator(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    dying = ScriptedProvider([ACCEPTED], [Killed()], idempotency=NEITHER, polling=POLLING)
    dying.name = "first"
    with pytest.raises(Killed):
        await advance(tools_for(world, dying, routes=(FIRST,)), task_id)
    tools = tools_for(world, named("first", []), routes=(FIRST,))
    models = {
        name: model for name, model in tools.catalog.models_by_id.items() if name != "gpt-image-2"
    }
    catalog = replace(tools.catalog, models=tuple(models.values()), models_by_id=models)
    with pytest.raises(OrderUnreadable):
        await advance(replace(tools, catalog=catalog), task_id)
    world.clock.move(2 * tools.task_deadline)
    await advance(replace(tools, catalog=catalog), task_id)
    assert (await row(world, task_id))["status"] == "fail"
    since = world.clock() - timedelta(days=1)
    (alert,) = await alerts.recent(world.runtime.database, since)
    assert (alert.kind, alert.task_id) == ("given_up", task_id)


async def test_who_lost_a_task_overwrites_nothing_that_was_handed_out(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)

    slow = named("first", [ACCEPTED], done=True)

    async def overtake() -> None:
        other = named("first", [], done=True)
        await advance(tools_for(world, other, routes=(FIRST,)), task_id)

    class Overtaken(MediaStore):
        puts = 0

        @override
        async def put(self, name: str, path: Path) -> None:
            self.puts += 1
            await super().put(name, path)

    overtaken = Overtaken(world.runtime.settings.media_url)
    tools = tools_for(world, slow, routes=(FIRST,), store=overtaken)

    class Slow(ScriptedProvider):
        @override
        async def status(self, upstream_id: str, job: Job) -> Status:
            done = await super().status(upstream_id, job)
            await overtake()
            return done

    slow.__class__ = Slow
    await advance(tools, task_id)
    assert (await row(world, task_id))["status"] == "success"
    assert overtaken.puts == 0, "the files are another's by now"
    await assert_in_order(world, ended=1)
