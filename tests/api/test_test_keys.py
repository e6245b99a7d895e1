"""Test keys, seen by a client: free on every model, scripted, and proof against our restarts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import pytest
from tests.conftest import START, Person, World
from tests.scripted import (
    PATH_CREATE,
    VIDEO,
    Killed,
    ScriptedProvider,
    StatusStep,
    create,
    done_video,
    record,
    tools_for,
)

from kinetoscope.accounts import accounts
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers import rehearsal
from kinetoscope.providers.contract import Accepted, Job, Lost, Rehearsal, Status
from kinetoscope.providers.rehearsal import FAILURES, SLOW_S, TIMEOUT_S, RehearsalProvider
from kinetoscope.tasks import request
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.ending import TIMED_OUT
from kinetoscope.tasks.request import Request
from kinetoscope.tasks.route import Route, Routes
from kinetoscope.tasks.tools import Tools
from kinetoscope.wiring import MIGRATIONS

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is moved by whoever asks; a rehearsal need not sleep before it answers."""
    monkeypatch.setattr(rehearsal, "STEP_S", 0.0)


@pytest.fixture
async def tester(world: World) -> Person:
    """Nobody pays for tests, so an account without credits will do."""
    return await world.person("tester", "0", mode=KeyMode.TEST)


async def begin(world: World, tester: Person, outcome: Rehearsal) -> TaskId:
    order = {"model": "seedance-20", "inputs": {"prompt": f"test:{outcome} a sunset"}}
    return await create(world, tester, order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker's tools, and the renderer behind its rehearsals."""

    tools: Tools
    renderer: ScriptedProvider


def worker(
    world: World, *, renders: int = 0, statuses: Iterable[StatusStep] = (), questions: int = 1000
) -> Worker:
    """Start a worker whose every question takes a second, and that is killed after so many."""
    renderer = ScriptedProvider(
        submits=[lambda job: Accepted(upstream_id=job.task_id)] * renders, statuses=statuses
    )
    provider = RehearsalProvider(renderer, world.clock)
    ask, left = provider.status, iter(range(questions))

    async def status(upstream_id: str, job: Job) -> Status:
        if next(left, None) is None:
            raise Killed
        world.clock.move(timedelta(seconds=1))
        return await ask(upstream_id, job)

    provider.status = status  # type: ignore[method-assign]
    tools = replace(tools_for(world), providers={provider.name: provider})
    return Worker(tools=tools, renderer=renderer)


async def assert_free(world: World, tester: Person) -> None:
    assert await world.balance(tester) == (0, 0, 0, 0)
    assert await audit(world.runtime.database) == []


async def test_a_timeout_lasts_as_long_whichever_worker_has_it(world: World, tester: Person):
    task_id = await begin(world, tester, Rehearsal.TIMEOUT)
    with pytest.raises(Killed):
        await advance(worker(world, questions=10).tools, task_id)
    found = await record(world, tester, task_id)
    assert (found["status"], found["creditsUsed"]) == ("generating", 0)
    assert 0 < found["progress"] < 100
    await advance(worker(world).tools, task_id)
    found = await record(world, tester, task_id)
    assert found["error"] == {"code": TIMED_OUT.code, "message": TIMED_OUT.message}
    assert (world.clock() - START).total_seconds() == TIMEOUT_S
    await assert_free(world, tester)


async def test_a_slow_task_is_slow_once_and_rendered_once(world: World, tester: Person):
    task_id = await begin(world, tester, Rehearsal.SLOW)
    with pytest.raises(Killed):
        await advance(worker(world, questions=10).tools, task_id)
    second = worker(world, renders=1, statuses=[Lost(), done_video])
    await advance(second.tools, task_id)
    found = await record(world, tester, task_id)
    assert (found["status"], found["creditsUsed"], found["error"]) == ("success", 0, None)
    assert (world.clock() - START).total_seconds() == SLOW_S + 1
    assert second.renderer.submitted == [task_id]
    await assert_free(world, tester)


async def test_a_slow_task_whose_worker_died_rendering_is_rendered_by_the_next(
    world: World, tester: Person
):
    task_id = await begin(world, tester, Rehearsal.SLOW)
    first = worker(world, renders=1, statuses=[Lost(), Killed()])
    with pytest.raises(Killed):
        await advance(first.tools, task_id)
    assert first.renderer.submitted == [task_id]
    second = worker(world, renders=1, statuses=[Lost(), done_video])
    await advance(second.tools, task_id)
    assert (await record(world, tester, task_id))["status"] == "success"
    await assert_free(world, tester)


@pytest.mark.parametrize("outcome", [Rehearsal.TIMEOUT, Rehearsal.SLOW])
async def test_a_rehearsal_can_be_cancelled(world: World, tester: Person, outcome: Rehearsal):
    task_id = await begin(world, tester, outcome)
    with pytest.raises(Killed):
        await advance(worker(world, questions=3).tools, task_id)
    body = {"taskId": task_id}
    asked = await world.client.post("/api/v1/jobs/cancelTask", json=body, headers=tester.headers)
    assert asked.json()["cancelRequested"] is True
    second = worker(world)
    await advance(second.tools, task_id)
    assert (await record(world, tester, task_id))["error"]["code"] == "cancelled"
    assert second.renderer.cancelled == [task_id]
    await assert_free(world, tester)


@pytest.mark.parametrize("outcome", [Rehearsal.DUPLICATE_WEBHOOK, Rehearsal.WEBHOOK_DOWN])
async def test_what_concerns_webhooks_alone_succeeds(
    world: World, tester: Person, outcome: Rehearsal
):
    task_id = await begin(world, tester, outcome)
    await advance(worker(world, renders=1, statuses=[done_video]).tools, task_id)
    assert (await record(world, tester, task_id))["status"] == "success"
    await assert_free(world, tester)


async def running(world: World, name: str) -> tuple[int, int]:
    """Return how many live and test tasks an account runs."""
    account = await accounts.by_name(world.runtime.database, name)
    return account.tasks_running, account.tests_running


async def test_rehearsals_take_no_place_from_live_tasks_nor_the_other_way_round(world: World):
    live = await world.person("alice")
    tester = await world.person("alice", "0", mode=KeyMode.TEST)
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=2, api_access=None)
    for _ in range(2):
        await begin(world, tester, Rehearsal.TIMEOUT)
    full = {"limit": 2, "current": 2}
    refused = await world.client.post(PATH_CREATE, json=VIDEO, headers=tester.headers)
    assert (refused.status_code, refused.json() | full) == (429, refused.json())
    estimate = "/api/v1/jobs/estimateTask"
    told = (await world.client.post(estimate, json=VIDEO, headers=tester.headers)).json()
    assert (told["allowed"], told["refusal"] | full) == (False, told["refusal"])
    assert (await world.client.post(estimate, json=VIDEO, headers=live.headers)).json()["allowed"]
    for _ in range(2):
        await create(world, live, VIDEO)
    refused = await world.client.post(PATH_CREATE, json=VIDEO, headers=live.headers)
    assert (refused.status_code, refused.json() | full) == (429, refused.json())
    assert await running(world, "alice") == (2, 2)
    assert await audit(world.runtime.database) == []


async def test_each_end_makes_room_where_its_task_was_counted(world: World):
    live = await world.person("alice")
    tester = await world.person("alice", "0", mode=KeyMode.TEST)
    free, paid = await create(world, tester, VIDEO), await create(world, live, VIDEO)
    dropped, given_up = await create(world, tester, VIDEO), await create(world, live, VIDEO)
    assert await running(world, "alice") == (2, 2)
    tools = tools_for(world, ScriptedProvider(statuses=[done_video]))
    scripted = replace(tools, providers={"rehearsal": tools.providers["embedded"]})
    await advance(scripted, free)
    assert await running(world, "alice") == (2, 1)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), paid)
    assert await running(world, "alice") == (1, 1)
    path = "/api/v1/jobs/cancelTask"
    for person, task_id, left in ((tester, dropped, (1, 0)), (live, given_up, (0, 0))):
        await world.client.post(path, json={"taskId": task_id}, headers=person.headers)
        assert await running(world, "alice") == left
    assert await audit(world.runtime.database) == []


@pytest.mark.parametrize("wrong", ["tasks_running = 1", "tests_running = 0"])
async def test_the_audit_looks_at_both_counters(world: World, tester: Person, wrong: str):
    await create(world, tester, VIDEO)
    async with world.runtime.database.connection() as connection:
        await connection.execute(f"update account set {wrong}".encode())
    (found,) = await audit(world.runtime.database)
    assert found.subject == tester.account_id
    assert "running tasks" in found.problem


async def test_what_runs_when_the_counters_are_parted_is_counted_where_it_belongs(
    world: World, conninfo: str
):
    live = await world.person("alice")
    tester = await world.person("alice", "0", mode=KeyMode.TEST)
    other = await world.person("bob")
    for person in (live, tester, tester, other):
        await create(world, person, VIDEO)
    before = """
        update account set tasks_running = tasks_running + tests_running;
        alter table account drop tests_running;
    """
    step = (MIGRATIONS / "0021_test_tasks.sql").read_text()
    owner = psycopg.conninfo.make_conninfo(conninfo, user="postgres")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(before)
        connection.execute(step.encode())
    assert (await running(world, "alice"), await running(world, "bob")) == ((1, 2), (1, 0))
    assert await audit(world.runtime.database) == []


async def test_the_account_tells_both_counts(world: World, tester: Person):
    await create(world, tester, VIDEO)
    told = (await world.client.get("/api/v1/account", headers=tester.headers)).json()
    assert (told["tasksRunning"], told["testTasksRunning"]) == (0, 1)


def test_failures_read_as_those_that_clients_really_meet():
    timeout = FAILURES[Rehearsal.TIMEOUT]
    assert (timeout.code, timeout.message) == (TIMED_OUT.code, TIMED_OUT.message)
    server_error = FAILURES[Rehearsal.SERVER_ERROR].message
    assert server_error.startswith("Service temporarily unavailable. Please try again later.")


async def test_no_model_takes_a_test_key_to_its_real_provider(world: World):
    catalog = world.runtime.catalog
    real = Route(provider="real", queue="real")
    routes = Routes(
        by_model={model.id: (real,) for model in catalog.models},
        test=world.runtime.routes.test,
        queues={},
    )
    for model in ("seedance-20", "gpt-image-2", "midjourney-v8", "wan3.0-text-to-video"):
        asked = Request(
            model=model, inputs={"prompt": "a sunset"}, auto_fix=False, callback_url=None
        )
        planned = request.plan(catalog, routes, KeyMode.TEST, asked)
        assert (planned.route("").provider, planned.held, planned.is_test) == ("rehearsal", 0, True)
        assert request.plan(catalog, routes, KeyMode.LIVE, asked).route("") == real
