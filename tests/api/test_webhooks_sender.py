"""The running sender: nobody's receiver holds up another's, and whatever breaks, it goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Receiver, ended, listed, receiving, shown, silent

from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.clock import Clock
from kinetoscope.postgres.pool import Database
from kinetoscope.settings import Settings
from kinetoscope.webhooks import outbox
from kinetoscope.webhooks import sender as sender_module
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.webhooks.outbox import Claimed, Room
from kinetoscope.webhooks.sender import (
    DELIVERIES_MAX,
    DELIVERIES_PER_ACCOUNT_MAX,
    DELIVERIES_PER_CLAIM_MAX,
    DELIVERIES_PER_LANE_MAX,
    Sender,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


TIMEOUT_S = 30


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def bob(world: World) -> Person:
    return await world.person("bob")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def dead() -> AsyncIterator[Receiver]:
    """A receiver that takes everything and answers nothing."""
    async with receiving() as running:
        running.answers.extend([silent] * 2000)
        yield running


@pytest.fixture
def sender(world: World, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setattr(sender_module, "SHUTDOWN_S", 0.05)
    return Sender(sender_parts(world.runtime, LOOPBACK))


@dataclass
class BrokenClock:
    """A clock that fails a few times before it tells the time."""

    clock: Clock
    faults_left: int

    def __call__(self) -> datetime:
        if self.faults_left:
            self.faults_left -= 1
            raise ZeroDivisionError
        return self.clock()


async def test_a_dead_receiver_delays_nobody(
    world: World, alice: Person, receiver: Receiver, dead: Receiver, sender: Sender
):
    """All of one account, and far more for the dead one than could be under way at once."""
    await put_many(world, alice, DELIVERIES_MAX + 50, lambda _: dead.url())
    world.clock.move(timedelta(seconds=1))
    await put_many(world, alice, 30, lambda _: receiver.url())
    async with running(sender):
        await until(lambda: len(receiver.received) == 30)
        assert len(dead.received) <= DELIVERIES_PER_LANE_MAX
        assert len(sender.in_flight) <= 2 * DELIVERIES_PER_LANE_MAX
    assert len(await listed(world, alice, state="delivered", limit="100")) == 30


async def test_an_account_with_many_dead_receivers_delays_no_other(
    world: World, alice: Person, bob: Person, receiver: Receiver, sender: Sender
):
    """Their bodies take for ever, which is what a name or a connection might do."""
    body_of = sender.parts.body_of

    async def hanging(claimed: Claimed) -> Telling | None:
        if claimed.task_id.startswith("task_hang"):
            await asyncio.sleep(3600)
        return await body_of(claimed)

    await world.runtime.database.execute(
        """
        insert into webhook_delivery
          (id, account_id, task_id, event_type, url, next_attempt_at, created_at)
        select 'msg_hang' || number, %(account_id)s, 'task_hang' || number, 'task.failed',
               'http://' || number || '.test/', %(now)s, %(now)s
        from generate_series(1, %(count)s) number
        """,
        {"account_id": alice.account_id, "now": world.clock(), "count": 2 * DELIVERIES_MAX},
    )
    world.clock.move(timedelta(seconds=1))
    await ended(world, bob, receiver.url())
    hung = Sender(replace(sender.parts, body_of=hanging))
    async with running(hung):
        await until(lambda: len(receiver.received) == 1)
        mine = [c for c in hung.in_flight.values() if c.account_id == alice.account_id]
        assert len(mine) < DELIVERIES_PER_ACCOUNT_MAX + DELIVERIES_PER_CLAIM_MAX


async def test_two_accounts_on_one_host_do_not_hold_each_other_up(
    world: World, alice: Person, bob: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.extend([silent] * DELIVERIES_PER_LANE_MAX)
    await put_many(world, alice, 50, lambda _: receiver.url("/slow"))
    async with running(sender):
        await until(lambda: len(receiver.received) == DELIVERIES_PER_LANE_MAX)
        await put_many(world, bob, 1, lambda _: receiver.url("/quick"))
        await until(lambda: receiver.received[-1].path == "/quick")
    assert [got.path for got in receiver.received] == [
        *["/slow"] * DELIVERIES_PER_LANE_MAX,
        "/quick",
    ]


async def test_a_receiver_that_failed_is_tried_one_at_a_time(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    at_once, most = 0, 0

    async def counting(_request: web.Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return web.Response(status=500)

    receiver.answers.append(500)
    await ended(world, alice, receiver.url())
    await sender.drain()
    receiver.answers.extend([counting] * 8)
    await put_many(world, alice, 8, lambda _: receiver.url())
    assert await sender.drain() == 8
    assert most == 1
    await put_many(world, alice, 1, lambda _: receiver.url())
    await sender.drain()
    assert sender.failing == {}


async def test_senders_that_claim_at_once_do_not_take_the_same(world: World, alice: Person):
    await put_many(world, alice, 60, lambda _: "http://one.test/")
    room = Room(total=10, per_lane=4, by_lane={}, full_accounts=())
    claims = await asyncio.gather(
        *(
            outbox.claim_due(world.runtime.database, room, world.clock(), sender_module.LEASE)
            for _ in range(12)
        )
    )
    ids = [claimed.id for claim in claims for claimed in claim]
    assert len(ids) == len(set(ids)) == 48


async def test_what_is_written_goes_out_at_once(
    world: World,
    alice: Person,
    receiver: Receiver,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
):
    """By notice: here the sender would look by itself only once an hour."""
    monkeypatch.setattr(sender_module, "POLL_DELAY_S", 3600)
    async with running(sender):
        await ended(world, alice, receiver.url())
        await until(lambda: len(receiver.received) == 1)
        await ended(world, alice, receiver.url())
        await until(lambda: len(receiver.received) == 2)
        delivery_id = receiver.received[0].id
        path = f"/api/v1/webhooks/deliveries/{delivery_id}/redeliver"
        await world.client.post(path, headers=alice.headers)
        await until(lambda: [got.id for got in receiver.received].count(delivery_id) == 2)


async def test_a_sender_that_stops_leaves_what_it_has_in_hand_to_others_at_once(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.append(silent)
    await ended(world, alice, receiver.url())
    async with running(sender):
        await until(lambda: len(receiver.received) == 1)
    assert await Sender(sender.parts).drain() == 1
    assert [got.id for got in receiver.received] == [receiver.received[0].id] * 2
    assert (await listed(world, alice))[0]["attemptCount"] == 1


async def test_a_sender_that_stops_gives_back_all_that_is_in_hand(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    await put_many(world, alice, DELIVERIES_PER_LANE_MAX, lambda _: receiver.url())
    receiver.answers.extend([silent] * DELIVERIES_PER_LANE_MAX)
    async with running(sender):
        await until(lambda: len(receiver.received) == DELIVERIES_PER_LANE_MAX)
    assert await Sender(sender.parts).drain() == DELIVERIES_PER_LANE_MAX
    assert len(await listed(world, alice, state="delivered")) == DELIVERIES_PER_LANE_MAX


async def test_a_sender_stops_soon_while_the_database_is_away(
    world: World,
    alice: Person,
    receiver: Receiver,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
):
    """However much it has in hand, and although statements are patient."""
    await put_many(world, alice, DELIVERIES_PER_LANE_MAX, lambda _: receiver.url())
    receiver.answers.extend([silent] * DELIVERIES_PER_LANE_MAX)
    away = Database("host=127.0.0.1 port=9", connections_max=2, patience_s=3)
    await away.pool.open()
    try:
        async with running(sender):
            await until(lambda: len(receiver.received) == DELIVERIES_PER_LANE_MAX)
            monkeypatch.setattr(sender_module, "SHUTDOWN_S", 0.3)
            sender.parts = replace(sender.parts, database=away)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 2.5
    finally:
        await away.close()
    assert sender.in_flight == {}
    assert await Sender(replace(sender.parts, database=world.runtime.database)).drain() == 0
    world.clock.move(sender_module.LEASE)
    assert (
        await Sender(replace(sender.parts, database=world.runtime.database)).drain()
        == DELIVERIES_PER_LANE_MAX
    )


async def test_a_sender_outlives_what_goes_wrong(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    clock = BrokenClock(world.clock, faults_left=2)
    await ended(world, alice, receiver.url())
    async with running(Sender(replace(sender.parts, clock=clock))):
        await until(lambda: len(receiver.received) == 1)
    assert clock.faults_left == 0


async def test_a_sender_outlives_a_restart_of_the_database(
    world: World,
    alice: Person,
    receiver: Receiver,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sender_module, "POLL_DELAY_S", 3600)
    await ended(world, alice, receiver.url())
    async with running(sender):
        await until(lambda: len(receiver.received) == 1)
        async with world.runtime.database.connection() as connection:
            await connection.execute(
                """
                select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()
                """
            )
        await ended(world, alice, receiver.url())
        await until(lambda: len(receiver.received) == 2)


async def test_a_test_event_goes_the_way_of_all_others_and_tells_what_came_of_it(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    async with running(sender):
        body = await try_out(world, alice, receiver.url())
        assert (body["state"], body["eventType"]) == ("delivered", "webhook.test")
        (attempt,) = body["attempts"]
        assert (attempt["status"], attempt["error"]) == (200, None)
        assert await shown(world, alice, body["id"]) == body
        (got,) = receiver.received
        assert got.id == body["id"]
        assert (got.data["test"], got.data["taskId"]) == (True, body["taskId"])
        assert got.headers["webhook-signature"].startswith("v1,")
        await ended(world, alice, receiver.url())
        await until(lambda: len(receiver.received) == 2)
    real = receiver.received[1].data
    assert set(got.data) - {"test"} <= set(real)
    assert {"status", "state", "output", "creditsUsed", "completeTime"} <= set(got.data)


async def test_a_test_event_is_tried_once(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    receiver.answers.append(500)
    async with running(sender):
        body = await try_out(world, alice, receiver.url())
    assert (body["state"], body["attemptCount"]) == ("failed", 1)
    world.clock.move(timedelta(days=1))
    assert await sender.drain() == 0


async def try_out(world: World, person: Person, url: str) -> dict[str, Any]:
    response = await world.client.post(
        "/api/v1/webhooks/test", json={"url": url}, headers=person.headers
    )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def put_many(world: World, person: Person, count: int, url_of: Callable[[int], str]) -> None:
    """Write deliveries that carry their own body, since making as many tasks takes long."""
    for number in range(count):
        _, task_id = outbox.new_test_ids()
        await outbox.put_test(
            world.runtime.database,
            person.account_id,
            task_id,
            url_of(number),
            b'{"code":200,"message":"success","data":{}}',
            world.clock(),
        )


@asynccontextmanager
async def running(sender: Sender) -> AsyncIterator[None]:
    """Run a sender; what it still has in hand at the end is cut off."""
    work = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait([work])
    assert work.cancelled()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens outside
            await asyncio.sleep(0.01)
