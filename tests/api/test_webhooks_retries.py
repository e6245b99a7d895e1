"""What happens to a delivery that does not arrive at once, on a clock that is moved."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Receiver, ended, listed, receiving, shown, silent
from tests.scripted import PICTURE, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.outbound import FetchLimits
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks import deliver, log, outbox
from kinetoscope.webhooks.deliver import Parts, Telling
from kinetoscope.webhooks.outbox import Claimed, Room
from kinetoscope.webhooks.schedule import DELAYS_S
from kinetoscope.webhooks.sender import LEASE, Sender

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


ROOM = Room(total=10, per_lane=4, by_lane={}, full_accounts=())


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def parts(world: World) -> Parts:
    return replace(sender_parts(world.runtime, LOOPBACK), chance=lambda: 0.0)


@pytest.fixture
def sender(parts: Parts) -> Sender:
    return Sender(parts)


async def test_a_delivery_is_tried_on_schedule_and_then_given_up(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.extend([500] * (len(DELAYS_S) + 1))
    await ended(world, alice, receiver.url())
    assert await sender.drain() == 1
    for delay_s in DELAYS_S:
        world.clock.move(timedelta(seconds=delay_s) - timedelta(milliseconds=1))
        assert await sender.drain() == 0
        world.clock.move(timedelta(milliseconds=1))
        assert await sender.drain() == 1
    world.clock.move(timedelta(days=100))
    assert await sender.drain() == 0
    assert len({got.id for got in receiver.received}) == 1
    assert len({got.body for got in receiver.received}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.received}) == 12
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("failed", 12)
    assert delivery["nextAttemptTime"] is None
    attempts = (await shown(world, alice, delivery["id"]))["attempts"]
    assert [attempt["status"] for attempt in attempts] == [500] * 12
    assert attempts[0]["error"] == "The receiver answered with status 500"
    assert attempts[0]["response"] == "answered 500"


async def test_it_ends_with_the_first_that_arrives(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.extend([500, 404, 204])
    await ended(world, alice, receiver.url())
    for _ in range(5):
        await sender.drain()
        world.clock.move(timedelta(hours=1))
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("delivered", 3)
    attempts = (await shown(world, alice, delivery["id"]))["attempts"]
    assert [(attempt["status"], attempt["error"] is None) for attempt in attempts] == [
        (500, False),
        (404, False),
        (204, True),
    ]


async def test_retries_are_spread(world: World, alice: Person, receiver: Receiver, parts: Parts):
    receiver.answers.extend([500])
    await ended(world, alice, receiver.url())
    await Sender(replace(parts, chance=lambda: 0.5)).drain()
    (delivery,) = await listed(world, alice)
    assert delivery["nextAttemptTime"] == unix_ms(world.clock()) + 1050


@pytest.mark.parametrize(
    ("stated", "waits_s"),
    [
        ("120", 120),
        ("0", 1),
        ("999999999", 24 * 3600),
        ("Mon, 23 Nov 2026 12:10:00 GMT", 600),
        ("Mon, 23 Nov 2020 12:10:00 GMT", 1),
        ("soon", 1),
    ],
)
async def test_a_receiver_may_ask_for_more_time(
    world: World, alice: Person, receiver: Receiver, sender: Sender, stated: str, waits_s: int
):
    receiver.answers.append((503, {"Retry-After": stated}))
    await ended(world, alice, receiver.url())
    await sender.drain()
    (delivery,) = await listed(world, alice)
    assert delivery["nextAttemptTime"] == unix_ms(world.clock()) + waits_s * 1000


async def test_gone_ends_a_delivery_and_says_so(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.append(410)
    await ended(world, alice, receiver.url())
    for _ in range(3):
        await sender.drain()
        world.clock.move(timedelta(days=1))
    assert len(receiver.received) == 1
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "disabled"
    (attempt,) = (await shown(world, alice, delivery["id"]))["attempts"]
    assert "wants this no more" in attempt["error"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_a_redirect_is_a_failure_and_is_not_followed(
    world: World, alice: Person, receiver: Receiver, sender: Sender, status: int
):
    receiver.answers.append((status, {"Location": receiver.url("/elsewhere")}))
    await ended(world, alice, receiver.url())
    await sender.drain()
    assert [got.path for got in receiver.received] == ["/hook"]
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "pending"
    (attempt,) = (await shown(world, alice, delivery["id"]))["attempts"]
    assert (attempt["status"], "not followed" in attempt["error"]) == (status, True)


async def test_a_receiver_that_does_not_answer_has_failed(
    world: World, alice: Person, receiver: Receiver, parts: Parts
):
    receiver.answers.append(silent)
    await ended(world, alice, receiver.url())
    limits = FetchLimits(bytes_max=1000, total_timeout_s=0.2)
    await Sender(replace(parts, limits=limits)).drain()
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "pending"
    (attempt,) = (await shown(world, alice, delivery["id"]))["attempts"]
    assert (attempt["status"], attempt["error"]) == (None, "The other side took too long")


async def test_a_port_nobody_listens_on_is_tried_again(world: World, alice: Person, sender: Sender):
    async with receiving() as gone:
        url = gone.url()
    await ended(world, alice, url)
    await sender.drain()
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "pending"
    (attempt,) = (await shown(world, alice, delivery["id"]))["attempts"]
    assert attempt["error"] == "The host does not accept connections"


async def test_what_a_receiver_writes_is_kept_legibly_and_in_part(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    async def odd(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x00\xffbad\x1b[31m" + b"x" * 200_000)

    receiver.answers.append(odd)
    await ended(world, alice, receiver.url())
    await sender.drain()
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "delivered"
    (attempt,) = (await shown(world, alice, delivery["id"]))["attempts"]
    assert attempt["response"] == (" \ufffdbad [31m" + "x" * 1000)[:1000]


async def test_a_task_that_is_no_more_is_not_told_of(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    task_id = await create(world, alice, {**PICTURE, "callBackUrl": receiver.url()})
    failed = Failed(code="500", message="")
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), task_id)
    await world.runtime.database.execute("delete from task where id = %(id)s", {"id": task_id})
    await sender.drain()
    assert receiver.received == []
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("failed", 1)


async def test_a_fault_of_ours_costs_no_delivery(
    world: World, alice: Person, receiver: Receiver, parts: Parts
):
    async def breaks(_claimed: Claimed) -> Telling | None:
        raise ZeroDivisionError

    await ended(world, alice, receiver.url())
    await Sender(replace(parts, body_of=breaks)).drain()
    (delivery,) = await listed(world, alice)
    assert delivery["state"] == "pending"
    world.clock.move(timedelta(seconds=2))
    await Sender(parts).drain()
    assert (await listed(world, alice))[0]["state"] == "delivered"


async def test_a_rehearsed_duplicate_comes_twice_under_one_id(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await rehearsed(world, alice, receiver.url(), "duplicate_webhook")
    await sender.drain()
    world.clock.move(timedelta(days=1))
    await sender.drain()
    assert len(receiver.received) == 2
    assert len({got.id for got in receiver.received}) == 1
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("delivered", 2)


async def test_a_rehearsed_outage_is_logged_three_times_and_then_over(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await rehearsed(world, alice, receiver.url(), "webhook_down")
    for _ in range(5):
        await sender.drain()
        world.clock.move(timedelta(minutes=5))
    assert len(receiver.received) == 1
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("delivered", 4)
    attempts = (await shown(world, alice, delivery["id"]))["attempts"]
    assert [attempt["error"] for attempt in attempts] == [
        *["rehearsed: connection refused"] * 3,
        None,
    ]


async def test_what_a_dead_sender_had_in_hand_is_sent_by_another(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await ended(world, alice, receiver.url())
    assert len(await claimed_by_another(world)) == 1
    assert await sender.drain() == 0
    world.clock.move(LEASE)
    assert await sender.drain() == 1
    assert len(receiver.received) == 1


async def test_a_late_failure_decides_nothing_and_a_late_success_counts(
    world: World, alice: Person, receiver: Receiver, parts: Parts
):
    receiver.answers.append(500)
    await ended(world, alice, receiver.url())
    (late,) = await claimed_by_another(world)
    world.clock.move(LEASE)
    (current,) = await claimed_by_another(world)
    assert (late.id, late.claim, current.claim) == (current.id, 1, 2)
    until = unix_ms(world.clock() + LEASE)
    assert not await deliver.deliver(parts, late)
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["nextAttemptTime"]) == ("pending", until)
    assert await deliver.deliver(parts, late)
    assert (await listed(world, alice))[0]["state"] == "delivered"
    receiver.answers.append(500)
    assert not await deliver.deliver(parts, current)
    (delivery,) = await listed(world, alice)
    assert (delivery["state"], delivery["attemptCount"]) == ("delivered", 3)


async def test_an_attempt_is_logged_once_however_often_it_is_written(
    world: World, alice: Person, receiver: Receiver
):
    """A commit whose answer is lost is repeated by the pool."""
    await ended(world, alice, receiver.url())
    (claimed,) = await claimed_by_another(world)
    database = world.runtime.database
    parameters = log.note_parameters(
        claimed,
        log.Attempt(started_at=world.clock(), duration_ms=1, status=500, error="x", response=""),
        state="pending",
        next_attempt_at=world.clock() + timedelta(hours=1),
        now=world.clock(),
    )
    for _ in range(2):
        await database.execute(log.NOTE, parameters)
    (delivery,) = await listed(world, alice)
    assert delivery["attemptCount"] == await world.count("webhook_attempt") == 1


async def test_old_deliveries_are_forgotten_and_pending_ones_never(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await ended(world, alice, receiver.url())
    await sender.drain()
    receiver.answers.append((503, {"Retry-After": "86400"}))
    pending = await ended(world, alice, receiver.url())
    await sender.drain()
    database = world.runtime.database
    world.clock.move(log.KEPT)
    assert await log.forget_old(database, world.clock()) == 0
    world.clock.move(timedelta(milliseconds=1))
    assert await log.forget_old(database, world.clock()) == 1
    assert [delivery["taskId"] for delivery in await listed(world, alice)] == [pending]
    assert await world.count("webhook_attempt") == 1


async def rehearsed(world: World, person: Person, url: str, rehearsal: str) -> None:
    """Let a task end that rehearses something; how it is asked for is another test's."""
    task_id = await create(world, person, {**PICTURE, "callBackUrl": url})
    await world.runtime.database.execute(
        "update task set rehearsal = %(rehearsal)s where id = %(id)s",
        {"rehearsal": rehearsal, "id": task_id},
    )
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)


async def claimed_by_another(world: World) -> list[Claimed]:
    """Claim what is due, as a sender does that then is killed."""
    return await outbox.claim_due(world.runtime.database, ROOM, world.clock(), LEASE)


async def test_what_piles_up_for_one_receiver_hides_no_other(world: World):
    """More than a glance takes in, all older: the other receiver's is found all the same."""
    alice = await world.person("alice")
    piled, now = outbox.EARLY_ROWS + 50, world.clock()
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            """
            insert into webhook_delivery
              (id, account_id, task_id, event_type, url, next_attempt_at, created_at)
            select 'msg_' || number, %(account_id)s, 'task_' || number, 'task.succeeded',
                   case when number <= %(piled)s then 'http://dead.example/'
                   else 'http://other.example/' end,
                   %(now)s - make_interval(secs => %(piled)s - number + 1), %(now)s
            from generate_series(1, %(piled)s + 1) as number
            """,
            {"account_id": alice.account_id, "piled": piled, "now": now - timedelta(seconds=5)},
        )
    claimed = await claimed_by_another(world)
    assert {one.url for one in claimed} == {"http://dead.example/", "http://other.example/"}
    assert len(claimed) == ROOM.per_lane + 1
