"""Around a submit: what is written down when, and what becomes of an answer that comes too late."""

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    INTENT,
    PICTURE,
    Killed,
    Meanwhile,
    ScriptedProvider,
    assert_in_order,
    create,
    done_pictures,
    record,
    tools_for,
)
from typing_extensions import override

from kinetoscope.engine import STALLED_S
from kinetoscope.kernel.ids import TaskId
from kinetoscope.media.store import MediaStore, StoreFailed
from kinetoscope.postgres.pool import Database, Parameters
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    Idempotency,
    Job,
    Kind,
    Polling,
    Prepared,
    Refused,
    SubmitOutcome,
    Unknown,
    Working,
)
from kinetoscope.tasks import intents, store
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.keep import STORE_DELAYS_S
from kinetoscope.tasks.route import Route

pytestmark = pytest.mark.anyio

CLIENT_TOKEN, LOOKUP, NEITHER = Idempotency
LOST_ANSWER = Unknown(reason="the connection broke")
ADDRESSES = {"image-1": "https://up.example/1"}

PAID = (997_83, 0, 2_17, 0)
FREE = (1000_00, 0, 0, 0)

provider = partial(ScriptedProvider, polling=Polling(delay_s=2, delay_s_max=10))


class Slow(ScriptedProvider):
    """Something happens while its answer to a submit is on its way."""

    meanwhile: Meanwhile

    @override
    async def submit(self, job: Job) -> SubmitOutcome:
        outcome = await super().submit(job)
        await self.meanwhile()
        return outcome


def slow(meanwhile: Meanwhile, idempotency: Idempotency) -> Slow:
    made = Slow(polling=Polling(delay_s=2, delay_s_max=10), idempotency=idempotency)
    made.meanwhile = meanwhile
    return made


class PausingDatabase(Database):
    """Right after an intent is committed the machine stands still for a while."""

    meanwhile: Meanwhile

    @override
    async def execute(self, query: str, parameters: Parameters) -> int:
        count = await super().execute(query, parameters)
        if "submits = submits + 1" in query:
            await self.meanwhile()
        return count


def pausing(world: World, meanwhile: Meanwhile) -> Database:
    made = copy.copy(world.runtime.database)
    made.__class__ = PausingDatabase
    assert isinstance(made, PausingDatabase)
    made.meanwhile = meanwhile
    return made


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def task_id(world: World, alice: Person) -> TaskId:
    return await create(world, alice, PICTURE)


async def row(world: World, task_id: TaskId) -> dict[str, Any]:
    values = await world.runtime.database.fetch_values(
        "select to_jsonb(task) from task where id = %(id)s", {"id": task_id}
    )
    assert values is not None
    found: dict[str, Any] = values[0]
    return found


# Preparing


async def test_killed_while_uploading_nothing_was_sent_and_the_next_worker_begins(
    world: World, alice: Person, task_id: TaskId
):
    dying = provider([], idempotency=NEITHER)
    dying.to_prepare.append(Killed())
    with pytest.raises(Killed):
        await advance(tools_for(world, dying), task_id)
    assert (await row(world, task_id))["submit_started_at"] is None
    again = provider(statuses=[done_pictures], idempotency=NEITHER)
    await advance(tools_for(world, again), task_id)
    assert again.submitted == [task_id]
    assert await world.balance(alice) == PAID


async def test_whoever_sends_again_says_the_same_and_uploads_nothing(
    world: World, alice: Person, task_id: TaskId
):
    dying = provider([LOST_ANSWER, Killed()], idempotency=CLIENT_TOKEN)
    dying.to_prepare.append(Prepared(addresses=ADDRESSES))
    with pytest.raises(Killed):
        await advance(tools_for(world, dying), task_id)
    again = provider([ACCEPTED], [done_pictures], idempotency=CLIENT_TOKEN)
    again.to_prepare.append(AssertionError("uploaded once too often"))
    await advance(tools_for(world, again), task_id)
    assert [job.prepared for job in (*dying.jobs, *again.jobs)] == [ADDRESSES] * 3
    assert (await row(world, task_id))["upstream_prepared"] is None
    assert await world.balance(alice) == PAID


async def test_a_refused_upload_is_no_submit_and_the_next_provider_is_asked(
    world: World, alice: Person, task_id: TaskId
):
    first, second = provider([], idempotency=NEITHER), provider(statuses=[done_pictures])
    first.name, second.name = "first", "second"
    first.to_prepare.append(Refused(code="500", message="Full.", kind=Kind.TEMPORARY))
    routes = (
        Route(provider="first", queue="hosted", order=1),
        Route(provider="second", queue="hosted", order=2),
    )
    await advance(tools_for(world, first, second, routes=routes), task_id)
    stored = await row(world, task_id)
    assert (stored["provider"], stored["submits"]) == ("second", 1)
    assert [decision["chosen"] for decision in stored["routing"]] == ["first", "second"]
    assert await world.balance(alice) == PAID


# Answers that are the result


async def test_what_nobody_can_be_asked_for_is_not_waited_for(
    world: World, alice: Person, task_id: TaskId
):
    """The provider can be polled, but not about this job."""
    asked = provider([LOST_ANSWER], idempotency=NEITHER)
    asked.at_once = True
    began_at = world.clock()
    await advance(tools_for(world, asked), task_id)
    assert world.clock() - began_at < timedelta(seconds=1)
    assert (await record(world, alice, task_id))["error"]["code"] == "submit_unknown"
    assert await world.balance(alice) == FREE


class AwayStore(MediaStore):
    """Cannot be reached for so many puts."""

    def __init__(self, url: str, puts: int) -> None:
        super().__init__(url)
        self.puts_left = puts

    @override
    async def put(self, name: str, path: Path) -> None:
        if self.puts_left > 0:
            self.puts_left -= 1
            raise StoreFailed("away")
        await super().put(name, path)


LONG = 3 * len(STORE_DELAYS_S)


async def test_a_result_that_nobody_has_but_us_waits_for_the_store(
    world: World, alice: Person, task_id: TaskId
):
    asked = provider([done_pictures], idempotency=NEITHER)
    store = AwayStore(world.runtime.settings.media_url, LONG)
    await advance(tools_for(world, asked, store=store), task_id)
    assert store.puts_left == 0
    assert await world.balance(alice) == PAID
    await assert_in_order(world, ended=1)


async def test_but_not_for_ever(world: World, alice: Person, task_id: TaskId):
    asked = provider([done_pictures], idempotency=NEITHER)
    store = AwayStore(world.runtime.settings.media_url, 10_000)
    began_at = world.clock()
    with pytest.raises(StoreFailed):
        await advance(tools_for(world, asked, store=store), task_id)
    assert timedelta(minutes=120) <= world.clock() - began_at < timedelta(minutes=122)
    assert (await world.balance(alice))[1] == 2_17, "the hold stands until somebody looks"


async def test_a_result_that_can_be_fetched_again_is_put_off(world: World, task_id: TaskId):
    asked = provider(statuses=[done_pictures], idempotency=NEITHER)
    store = AwayStore(world.runtime.settings.media_url, LONG)
    with pytest.raises(StoreFailed):
        await advance(tools_for(world, asked, store=store), task_id)
    assert store.puts_left == LONG - len(STORE_DELAYS_S) - 1


# Answers to who has lost the task


@pytest.mark.parametrize("idempotency", Idempotency)
async def test_an_id_that_comes_to_who_lost_the_task_is_left_for_who_has_it(
    world: World, alice: Person, task_id: TaskId, idempotency: Idempotency
):
    async def lose() -> None:
        assert await store.claim(world.runtime.database, task_id) is not None

    late = slow(lose, idempotency)
    await advance(tools_for(world, late), task_id)
    stored = await row(world, task_id)
    assert (stored["upstream_id"], stored["upstream_claim"]) == (None, "upstream-1")
    has = provider([], [Working(progress=0.1), done_pictures], idempotency=idempotency)
    await advance(tools_for(world, has), task_id)
    assert has.asked == ["upstream-1"] * 2
    assert has.sought == []
    assert await world.balance(alice) == PAID
    await assert_in_order(world, ended=1)


async def test_an_id_of_another_submit_is_left_to_nobody(world: World, task_id: TaskId):
    database = world.runtime.database

    async def lose() -> None:
        task = await store.claim(database, task_id)
        assert task is not None
        await intents.withdraw(database, task)
        world.clock.move(timedelta(seconds=1))
        await intents.intend(database, task, INTENT, world.clock())

    await advance(tools_for(world, slow(lose, NEITHER)), task_id)
    stored = await row(world, task_id)
    assert (stored["upstream_id"], stored["upstream_claim"]) == (None, None)


# A worker that stood still


async def test_who_stood_still_before_sending_and_lost_the_task_sends_nothing(
    world: World, alice: Person, task_id: TaskId
):
    has = provider([ACCEPTED], [done_pictures], idempotency=LOOKUP)

    async def stand_still() -> None:
        world.clock.move(timedelta(seconds=60))
        await advance(tools_for(world, has), task_id)

    stood = provider([], idempotency=LOOKUP)
    tools = tools_for(world, stood)
    await advance(replace(tools, database=pausing(world, stand_still)), task_id)
    assert stood.submitted == []
    assert has.submitted == [task_id]
    assert await world.balance(alice) == PAID


async def test_who_stood_still_and_still_has_the_task_begins_now(world: World, task_id: TaskId):
    async def stand_still() -> None:
        world.clock.move(timedelta(seconds=60))

    asked = provider([Killed()], idempotency=NEITHER)
    tools = replace(tools_for(world, asked), database=pausing(world, stand_still))
    with pytest.raises(Killed):
        await advance(tools, task_id)
    began_at = datetime.fromisoformat((await row(world, task_id))["submit_started_at"])
    assert world.clock() - began_at < timedelta(seconds=1)


async def resent_after(world: World, task_id: TaskId, asked: ScriptedProvider) -> timedelta:
    """Let a lookup find nothing, and return how long after its intent a job is sent again."""
    sent_at: list[datetime] = []

    def note(_job: Job) -> Accepted:
        sent_at.append(world.clock())
        return ACCEPTED

    asked.to_submit.append(note)
    asked.to_find.extend([Absent()] * 50)
    began_at = world.clock()
    await advance(tools_for(world, asked), task_id)
    return sent_at[0] - began_at


async def test_nothing_is_sent_again_while_a_lost_worker_may_still_be_sending(
    world: World, task_id: TaskId
):
    with pytest.raises(Killed):
        await advance(tools_for(world, provider([Killed()], idempotency=LOOKUP)), task_id)
    asked = provider([], [done_pictures], idempotency=LOOKUP)
    waited = await resent_after(world, task_id, asked)
    quiet = timedelta(seconds=STALLED_S + asked.submit_timeout_s)
    assert quiet < waited < quiet + timedelta(seconds=5)
    assert len(asked.sought) > 3, "it may be found sooner"


async def test_what_this_worker_sent_itself_is_sent_again_sooner(world: World, task_id: TaskId):
    asked = provider([LOST_ANSWER], [done_pictures], idempotency=LOOKUP)
    assert await resent_after(world, task_id, asked) < timedelta(seconds=10)
