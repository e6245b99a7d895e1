"""The steps of a task against the real database, with a provider that does what it is told.

Whatever happens, and wherever the worker is killed: one end, one set of files, exact balances.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ACCEPTED,
    FOUR,
    INTENT,
    PICTURE,
    TOKENS,
    DyingStore,
    Killed,
    ScriptedProvider,
    assert_in_order,
    create,
    done_pictures,
    done_video,
    done_with_usage,
    record,
    stored_names,
    tools_for,
)
from typing_extensions import override

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import MediaKind, Usage
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection
from kinetoscope.providers.contract import (
    Accepted,
    Done,
    Failed,
    Idempotency,
    Job,
    Kind,
    Lost,
    OutputFile,
    Refused,
    Status,
    Unknown,
    Waiting,
    Working,
)
from kinetoscope.tasks import finish, intents, store
from kinetoscope.tasks.advance import CLAIMS_MAX, PLACES_MAX, OrderUnreadable, advance
from kinetoscope.tasks.task import GENERATION_FAILED, Failure, Task

pytestmark = pytest.mark.anyio

CLIENT_TOKEN, LOOKUP, NEITHER = Idempotency

START_BALANCE = (1000_00, 0, 0, 0)
PAID = (997_83, 0, 2_17, 0)
HELD = (997_83, 2_17, 0, 1)

GENERAL = {"code": "500", "message": "Generation failed. Please try again."}
BUSY = {"code": "500", "message": "Service temporarily unavailable. Please try again later."}
TIMED_OUT = {"code": "500", "message": "Generation timed out. Please try again."}
SUBMIT_UNKNOWN = {
    "code": "submit_unknown",
    "message": "The provider's answer was lost. You were not charged. Please try again.",
}


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def row(world: World, task_id: TaskId) -> dict[str, Any]:
    """Read a task's row whole."""
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute(
            "select to_jsonb(task) from task where id = %s", (task_id,)
        )
        found = await cursor.fetchone()
    assert found is not None
    stored: dict[str, Any] = found[0]
    return stored


async def assert_paid(world: World, alice: Person, task_id: TaskId) -> None:
    found = await record(world, alice, task_id)
    assert (found["status"], found["error"]) == ("success", None)
    assert await world.balance(alice) == PAID
    await assert_in_order(world, ended=1)


async def assert_failed(
    world: World, alice: Person, task_id: TaskId, error: dict[str, str]
) -> None:
    found = await record(world, alice, task_id)
    assert (found["status"], found["error"], found["output"]) == ("fail", error, None)
    assert await world.balance(alice) == START_BALANCE
    assert stored_names(world) == set()
    await assert_in_order(world, ended=1)


async def killed(world: World, task_id: TaskId, provider: ScriptedProvider) -> None:
    with pytest.raises(Killed):
        await advance(tools_for(world, provider), task_id)


# The straight way


async def test_a_task_is_submitted_followed_and_paid_once(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider(statuses=[Waiting(), Working(progress=0.4), done_pictures])
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == [task_id]
    assert provider.asked == ["upstream-1"] * 3
    assert provider.cancelled == []
    await assert_paid(world, alice, task_id)
    stored = await row(world, task_id)
    assert (stored["epoch"], stored["submits"], stored["upstream_id"]) == (1, 1, "upstream-1")
    assert stored_names(world) == {f"{stored['media_name']}-1.png"}


async def test_a_task_that_has_ended_is_left_alone(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    before = await row(world, task_id)
    await advance(tools_for(world, ScriptedProvider(submits=[])), task_id)
    assert await row(world, task_id) == before
    await assert_paid(world, alice, task_id)


async def test_a_task_that_never_was_is_no_error(world: World):
    await advance(tools_for(world, ScriptedProvider(submits=[])), TaskId("task_nowhere00"))


async def test_what_the_provider_says_of_a_failure_is_shown(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider(statuses=[Failed(code="4011", message="A face was detected.")])
    await advance(tools_for(world, provider), task_id)
    error = {"code": "4011", "message": "A face was detected."}
    await assert_failed(world, alice, task_id, error)


# Submitting

REFUSED_FOR_NOW = Refused(code="429", message="Too many.", kind=Kind.TEMPORARY)


async def test_a_provider_that_is_busy_is_asked_again(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider([REFUSED_FOR_NOW, ACCEPTED], [done_pictures], idempotency=NEITHER)
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == [task_id, task_id]
    assert (await row(world, task_id))["submits"] == 2
    await assert_paid(world, alice, task_id)


async def test_a_worker_killed_after_a_refusal_submits_again_whoever_the_provider_is(
    world: World, alice: Person
):
    """A refusal is a verdict: even a provider without idempotency can be asked again."""
    task_id = await create(world, alice, PICTURE)
    database = world.runtime.database
    task = await store.claim(database, task_id)
    assert task is not None
    await intents.intend(database, task, INTENT, world.clock())
    await intents.withdraw(database, task)
    second = ScriptedProvider([ACCEPTED], [done_pictures], idempotency=NEITHER)
    await advance(tools_for(world, second), task_id)
    assert second.submitted == [task_id]
    await assert_paid(world, alice, task_id)


@pytest.mark.parametrize("idempotency", list(Idempotency))
async def test_a_final_refusal_is_the_tasks_end(
    world: World, alice: Person, idempotency: Idempotency
):
    task_id = await create(world, alice, PICTURE)
    refusal = Refused(code="2038", message="Your prompt was refused.", kind=Kind.PERMANENT)
    provider = ScriptedProvider([refusal], idempotency=idempotency)
    await advance(tools_for(world, provider), task_id)
    error = {"code": "2038", "message": "Your prompt was refused."}
    assert provider.submitted == [task_id]
    await assert_failed(world, alice, task_id, error)


async def test_an_unknown_outcome_is_asked_again_under_the_same_id_where_that_is_safe(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider([Unknown(reason="timeout"), ACCEPTED], [done_pictures])
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == [task_id, task_id]
    await assert_paid(world, alice, task_id)


async def test_an_unknown_outcome_is_never_resent_blindly(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider([Unknown(reason="timeout")], idempotency=NEITHER)
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == [task_id]
    await assert_failed(world, alice, task_id, SUBMIT_UNKNOWN)


# Killed on the way


async def test_killed_between_intent_and_acceptance_a_client_token_submits_again(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    await killed(world, task_id, ScriptedProvider([Killed()]))
    stored = await row(world, task_id)
    assert (stored["upstream_id"], stored["submits"]) == (None, 1)
    assert stored["submit_started_at"] is not None
    assert await world.balance(alice) == HELD
    again = ScriptedProvider([ACCEPTED], [done_pictures])
    await advance(tools_for(world, again), task_id)
    assert again.submitted == [task_id]
    await assert_paid(world, alice, task_id)


async def test_killed_between_intent_and_acceptance_nothing_is_sent_twice(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    await killed(world, task_id, ScriptedProvider([Killed()], idempotency=NEITHER))
    again = ScriptedProvider([], idempotency=NEITHER)
    await advance(tools_for(world, again), task_id)
    assert again.submitted == []
    await assert_failed(world, alice, task_id, SUBMIT_UNKNOWN)


@pytest.mark.parametrize("idempotency", list(Idempotency))
async def test_killed_after_the_acceptance_the_job_is_followed_and_not_submitted_again(
    world: World, alice: Person, idempotency: Idempotency
):
    task_id = await create(world, alice, PICTURE)
    first = ScriptedProvider(statuses=[Working(progress=0.5), Killed()], idempotency=idempotency)
    await killed(world, task_id, first)
    again = ScriptedProvider([], [done_pictures], idempotency=idempotency)
    await advance(tools_for(world, again), task_id)
    assert again.asked == ["upstream-1"]
    await assert_paid(world, alice, task_id)
    assert (await row(world, task_id))["epoch"] == 2


@pytest.mark.parametrize("dies_at", [1, 2, 4])
async def test_killed_between_two_files_there_is_one_set_of_them_in_the_end(
    world: World, alice: Person, dies_at: int
):
    task_id = await create(world, alice, FOUR)
    dying = DyingStore(world.runtime.settings.media_url, dies_at)
    first = ScriptedProvider(statuses=[done_pictures])
    with pytest.raises(Killed):
        await advance(tools_for(world, first, store=dying), task_id)
    assert len(stored_names(world)) == dies_at - 1
    assert await world.balance(alice) == (988_00, 12_00, 0, 1)
    again = ScriptedProvider([], [done_pictures])
    await advance(tools_for(world, again), task_id)
    name = (await row(world, task_id))["media_name"]
    assert stored_names(world) == {f"{name}-{number}.png" for number in (1, 2, 3, 4)}
    assert await world.balance(alice) == (988_00, 0, 12_00, 0)
    assert len((await record(world, alice, task_id))["output"]) == 4
    await assert_in_order(world, ended=1)


async def test_killed_in_front_of_the_last_frame_it_is_there_in_the_end(
    world: World, alice: Person
):
    task_id = await create(world, alice, {"model": "seedance-20", "inputs": {"prompt": "x"}})
    dying = DyingStore(world.runtime.settings.media_url, 2)
    first = ScriptedProvider(statuses=[done_video])
    with pytest.raises(Killed):
        await advance(tools_for(world, first, store=dying), task_id)
    await advance(tools_for(world, ScriptedProvider([], [done_video])), task_id)
    name = (await row(world, task_id))["media_name"]
    assert stored_names(world) == {f"{name}-1.mp4", f"{name}-1-last.png"}
    assert await world.balance(alice) == (800_00, 0, 200_00, 0)
    await assert_in_order(world, ended=1)


async def test_killed_at_every_step_in_turn_the_client_pays_once(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    await killed(world, task_id, ScriptedProvider([Killed()]))
    await killed(world, task_id, ScriptedProvider(statuses=[Killed()]))
    await killed(world, task_id, ScriptedProvider([], [Working(progress=0.9), Killed()]))
    dying = DyingStore(world.runtime.settings.media_url, 1)
    provider = ScriptedProvider([], [done_pictures])
    with pytest.raises(Killed):
        await advance(tools_for(world, provider, store=dying), task_id)
    assert await world.balance(alice) == HELD
    await advance(tools_for(world, ScriptedProvider([], [done_pictures])), task_id)
    assert (await row(world, task_id))["epoch"] == 5
    await assert_paid(world, alice, task_id)


# Lost by the provider


async def test_a_job_that_its_provider_forgot_is_submitted_once_more(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider(
        [ACCEPTED, Accepted(upstream_id="upstream-2")],
        [Working(progress=0.6), Lost(), Working(progress=0.1), done_pictures],
    )
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == [task_id, task_id]
    assert provider.asked == ["upstream-1", "upstream-1", "upstream-2", "upstream-2"]
    assert (await row(world, task_id))["upstream_id"] == "upstream-2"
    await assert_paid(world, alice, task_id)


async def test_a_forgotten_job_fails_where_another_might_make_two(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider(statuses=[Lost()], idempotency=NEITHER)
    await advance(tools_for(world, provider), task_id)
    assert provider.submitted == [task_id]
    await assert_failed(world, alice, task_id, GENERAL)


async def test_a_job_that_is_forgotten_over_and_over_is_given_up(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider([ACCEPTED] * 30, [Lost()] * 30)
    await advance(tools_for(world, provider), task_id)
    assert len(provider.submitted) == PLACES_MAX
    await assert_failed(world, alice, task_id, GENERAL)


# The fence


async def test_who_claimed_first_can_write_no_more_once_another_has_claimed(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    database, now = world.runtime.database, world.clock()
    first = await store.claim(database, task_id)
    assert first is not None
    second = await store.claim(database, task_id)
    assert second is not None
    assert (first.epoch, second.epoch) == (1, 2)
    tools = tools_for(world, ScriptedProvider([]))
    before = await row(world, task_id)
    with pytest.raises(LeaseLost):
        await intents.intend(database, first, INTENT, now)
    with pytest.raises(LeaseLost):
        await intents.withdraw(database, first)
    with pytest.raises(LeaseLost):
        await intents.accept(database, first, "stolen")
    with pytest.raises(LeaseLost):
        await store.note_progress(database, first, 99, now)
    with pytest.raises(LeaseLost):
        await finish.fail(tools, first, GENERATION_FAILED)
    with pytest.raises(LeaseLost):
        await end_success(world, first)
    assert await row(world, task_id) == before
    assert await world.balance(alice) == HELD
    await store.note_progress(database, second, 50, now)
    await finish.fail(tools, second, GENERATION_FAILED)
    await assert_failed(world, alice, task_id, GENERAL)


async def end_success(world: World, task: Task) -> None:
    """Do what the last step of `finish.succeed` does."""
    now = world.clock()

    async def steps(connection: Connection) -> None:
        await store.end_success(
            connection, task, output=[], preview=False, media_expires_at=now, now=now
        )
        await book.capture(
            connection, task.account_id, task.id, held=task.price, charged=task.price, now=now
        )

    await world.runtime.database.transact(steps)


async def test_a_task_ends_once_whatever_is_tried_afterwards(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    database = world.runtime.database
    task = await store.claim(database, task_id)
    assert task is not None
    await end_success(world, task)
    before = await row(world, task_id)
    tools = tools_for(world, ScriptedProvider([]))
    with pytest.raises(LeaseLost):
        await end_success(world, task)
    with pytest.raises(LeaseLost):
        await finish.fail(tools, task, GENERATION_FAILED)
    with pytest.raises(LeaseLost):
        await store.note_progress(database, task, 1, world.clock())
    assert await store.claim(database, task_id) is None
    assert await row(world, task_id) == before
    assert await world.balance(alice) == PAID
    await assert_in_order(world, ended=1)


async def test_two_workers_on_one_task_make_one_end(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    working = [Working(progress=progress) for progress in (0.2, 0.5, 0.8)]
    providers = [
        ScriptedProvider(
            [Accepted(upstream_id=f"upstream-{number}")] * 9, [*working, done_pictures]
        )
        for number in range(4)
    ]
    await asyncio.gather(*(advance(tools_for(world, provider), task_id) for provider in providers))
    await assert_paid(world, alice, task_id)
    assert len(stored_names(world)) == 1


async def test_a_worker_that_lost_its_task_stores_nothing_more(world: World, alice: Person):
    """The slow worker wakes up after the other one has finished."""
    task_id = await create(world, alice, PICTURE)

    class Slow(ScriptedProvider):
        @override
        async def status(self, upstream_id: str, job: Job) -> Status:
            other = ScriptedProvider([], [done_pictures])
            await advance(tools_for(world, other), task_id)
            return await super().status(upstream_id, job)

    slow = Slow(statuses=[Working(progress=0.5)])
    await advance(tools_for(world, slow), task_id)
    await assert_paid(world, alice, task_id)


# Giving up


async def test_a_task_past_its_deadline_fails_and_its_job_is_stopped(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)

    def an_hour_passes(_job: Job) -> Status:
        world.clock.move(timedelta(minutes=30))
        return Working(progress=0.1)

    provider = ScriptedProvider(statuses=[an_hour_passes, an_hour_passes])
    await advance(tools_for(world, provider), task_id)
    assert provider.cancelled == ["upstream-1"]
    await assert_failed(world, alice, task_id, TIMED_OUT)


async def test_a_task_one_moment_before_its_deadline_may_still_end_well(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    world.clock.move(timedelta(minutes=60, microseconds=-1))
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    await assert_paid(world, alice, task_id)


async def test_an_order_that_the_catalog_no_longer_takes_fails_in_the_end(
    world: World, alice: Person
):
    for change in ("model = 'withdrawn'", "inputs = '{}'", "inputs = '{\"prompt\": 5}'"):
        task_id = await create(world, alice, PICTURE)
        async with world.runtime.database.connection() as connection:
            await connection.execute(f"update task set {change} where id = %s", (task_id,))
        tools = tools_for(world, ScriptedProvider([]))
        with pytest.raises(OrderUnreadable):
            await advance(tools, task_id)  # another worker may know it, or this one soon
        world.clock.move(tools.task_deadline)
        await advance(tools, task_id)
        found = await record(world, alice, task_id)
        assert (found["status"], found["error"]["code"]) == ("fail", "500")
        assert await world.balance(alice) == START_BALANCE
    await assert_in_order(world, ended=3)


async def test_a_provider_that_is_not_here_fails_the_task(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    await advance(tools_for(world), task_id)
    error = {"code": "500", "message": "No provider can make this at the moment."}
    await assert_failed(world, alice, task_id, error)


async def test_a_task_that_kills_its_workers_is_given_up(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    async with world.runtime.database.connection() as connection:
        await connection.execute("update task set epoch = %s", (CLAIMS_MAX - 1,))
    await killed(world, task_id, ScriptedProvider([Killed()]))
    assert await world.balance(alice) == HELD
    await advance(tools_for(world, ScriptedProvider([])), task_id)
    await assert_failed(world, alice, task_id, GENERAL)


@pytest.mark.parametrize(
    ("reference", "detail"),
    [
        ("data:image/png;base64,aGVsbG8=", "File 1 is not in a media format that is accepted"),
        ("http://127.0.0.1/a.png", "The URL leads to an address that is not allowed"),
    ],
    ids=["not media", "not allowed"],
)
async def test_a_reference_that_cannot_be_used_fails_in_the_contracts_words(
    world: World, alice: Person, reference: str, detail: str
):
    order = {"model": "gpt-image-2", "inputs": {"prompt": "x", "uploadedUrls": [reference]}}
    response = await world.client.post("/api/v1/jobs/createTask", json=order, headers=alice.headers)
    assert response.status_code == 200, response.text
    task_id = TaskId(response.json()["taskId"])
    await advance(tools_for(world, ScriptedProvider([])), task_id)
    error = {
        "code": "asset_review_failed",
        "message": "Reference image 1 failed review. Please replace it.",
        "detail": detail,
    }
    await assert_failed(world, alice, task_id, error)


# What comes back is looked at


def broken(job: Job) -> Done:
    path = job.folder / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 64)
    file = OutputFile(path=path, kind=MediaKind.IMAGE, media_type="image/png", seed=1)
    return Done(files=(file,), usage=Usage(), preview=False)


def page(job: Job) -> Done:
    path = job.folder / "page.png"
    path.write_bytes(b"<html><script>alert(1)</script></html>")
    file = OutputFile(path=path, kind=MediaKind.IMAGE, media_type="image/png", seed=1)
    return Done(files=(file,), usage=Usage(), preview=False)


def nothing(_job: Job) -> Done:
    return Done(files=(), usage=Usage(), preview=False)


def a_file_that_is_not_there(job: Job) -> Done:
    file = OutputFile(
        path=job.folder / "nowhere.png", kind=MediaKind.IMAGE, media_type="image/png", seed=1
    )
    return Done(files=(file,), usage=Usage(), preview=False)


def second_of_two_broken(job: Job) -> Done:
    good, bad = done_pictures(job), broken(job)
    return replace(good, files=(*good.files, *bad.files))


def a_picture_for_a_video(job: Job) -> Done:
    good = done_pictures(job)
    return replace(good, files=tuple(replace(file, kind=MediaKind.VIDEO) for file in good.files))


@pytest.mark.parametrize(
    "done",
    [broken, page, nothing, a_file_that_is_not_there, second_of_two_broken, a_picture_for_a_video],
)
async def test_a_result_that_is_none_is_not_charged_and_leaves_no_file(
    world: World, alice: Person, done: Callable[[Job], Done]
):
    task_id = await create(world, alice, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done])), task_id)
    await assert_failed(world, alice, task_id, GENERAL)


# Settling

USED_LITTLE = Usage(tokens_image_out=10)
"""0.0782, rounded half up: 0.08"""
USED_MUCH = Usage(tokens_text_in=1000, tokens_image_in=1000, tokens_image_out=2000)
"""1.30 + 2.08 + 15.64 = 19.02"""


@pytest.mark.parametrize(
    ("granted", "usage", "charged", "balance"),
    [
        ("100", USED_LITTLE, 8, (99_92, 0, 8, 0)),
        ("100", Usage(), 1_75, (98_25, 0, 1_75, 0)),
        ("100", USED_MUCH, 19_02, (80_98, 0, 19_02, 0)),
        ("19.02", USED_MUCH, 19_02, (0, 0, 19_02, 0)),
        ("19.01", USED_MUCH, 19_01, (0, 0, 19_01, 0)),
        ("1.75", USED_MUCH, 1_75, (0, 0, 1_75, 0)),
        ("1.76", USED_MUCH, 1_76, (0, 0, 1_76, 0)),
    ],
)
async def test_settling_gives_back_or_takes_more_but_never_what_is_not_there(
    world: World,
    granted: str,
    usage: Usage,
    charged: int,
    balance: tuple[int, int, int, int],
):
    bob = await world.person("bob", granted)
    task_id = await create(world, bob, TOKENS)
    provider = ScriptedProvider(statuses=[done_with_usage(usage)])
    await advance(tools_for(world, provider), task_id)
    assert await world.balance(bob) == balance
    assert (await row(world, task_id))["price"] == charged
    assert (await record(world, bob, task_id))["creditsUsed"] == charged / 100
    await assert_in_order(world, ended=1)


async def test_settling_takes_nothing_of_what_other_tasks_hold(world: World):
    bob = await world.person("bob", "3.5")
    first, second = await create(world, bob, TOKENS), await create(world, bob, TOKENS)
    assert await world.balance(bob) == (0, 3_50, 0, 2)
    provider = ScriptedProvider(statuses=[done_with_usage(USED_MUCH)])
    await advance(tools_for(world, provider), first)
    assert await world.balance(bob) == (0, 1_75, 1_75, 1)
    provider = ScriptedProvider(statuses=[Failed(code="500", message="No.")])
    await advance(tools_for(world, provider), second)
    assert await world.balance(bob) == (1_75, 0, 1_75, 0)
    await assert_in_order(world, ended=2)


async def test_what_a_test_key_makes_is_never_settled(world: World):
    bob = await world.person("bob", "100", mode=KeyMode.TEST)
    task_id = await create(world, bob, TOKENS)
    provider = ScriptedProvider(statuses=[done_with_usage(USED_MUCH)])
    await advance(tools_for(world, provider), task_id)
    assert await world.balance(bob) == (100_00, 0, 0, 0)
    assert (await row(world, task_id))["price"] == 0
    await assert_in_order(world, ended=1)


async def test_a_grant_in_the_middle_of_a_settlement_is_not_lost(world: World):
    bob = await world.person("bob", "1.75")
    task_id = await create(world, bob, TOKENS)
    database = world.runtime.database
    grants = [
        book.grant(database, bob.account_id, Credits(3_00), reason="more", now=world.clock())
        for _ in range(5)
    ]
    provider = ScriptedProvider(statuses=[done_with_usage(USED_MUCH)])
    await asyncio.gather(advance(tools_for(world, provider), task_id), *grants)
    available, held, spent, running = await world.balance(bob)
    assert (available + spent, held, running) == (16_75, 0, 0)
    assert spent in {1_75 + n * 3_00 for n in range(6)}
    await assert_in_order(world, ended=1)


async def test_a_failure_is_stored_as_it_is_whatever_it_says(world: World, alice: Person):
    task_id = await create(world, alice, PICTURE)
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    failure = Failure(code="1001", message="'; drop table task; -- % %s é 日本語")
    await finish.fail(tools_for(world, ScriptedProvider([])), task, failure)
    await assert_failed(world, alice, task_id, {"code": failure.code, "message": failure.message})


async def test_a_provider_that_raises_leaves_the_task_for_the_next_try(world: World, alice: Person):
    """A bug in an adapter is no verdict: the engine runs the step again."""
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider(statuses=[RuntimeError("a bug")])
    with pytest.raises(RuntimeError):
        await advance(tools_for(world, provider), task_id)
    assert await world.balance(alice) == HELD
    await advance(tools_for(world, ScriptedProvider([], [done_pictures])), task_id)
    await assert_paid(world, alice, task_id)
