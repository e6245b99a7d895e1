"""The sender: keeps deliveries going in a worker, so that no receiver can hold up another's.

Bounded per receiver, per account and in all. A receiver that failed last is tried one delivery at
a time, so that hundreds of dead ones fit beside the living.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import psycopg
import structlog

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Database
from kinetoscope.webhooks import outbox
from kinetoscope.webhooks.deliver import Parts, deliver
from kinetoscope.webhooks.outbox import CHANNEL, Claimed, Room

logger = structlog.get_logger(__name__)

DELIVERIES_MAX = 256
DELIVERIES_PER_CLAIM_MAX = 64
DELIVERIES_PER_LANE_MAX = 4
DELIVERIES_PER_ACCOUNT_MAX = 64
"""Nearly: one claim may go over it."""
LANES_REMEMBERED_MAX = 4096

LEASE = timedelta(seconds=40)
"""More than the two sends of a rehearsed duplicate can take."""

POLL_DELAY_S = 0.5
SHUTDOWN_S = 5.0


class Sender:
    """Deliveries in flight, and what is known of their receivers."""

    def __init__(self, parts: Parts, lease: timedelta = LEASE) -> None:
        self.parts = parts
        self.lease = lease
        self.wake = asyncio.Event()
        self.in_flight: dict[asyncio.Task[None], Claimed] = {}
        self.failing: dict[str, None] = {}

    async def run(self) -> None:
        """Deliver what is due, until cancelled; then give running attempts a moment to end."""
        listening = asyncio.create_task(_wake_on_notice(self.parts.database, self.wake))
        try:
            while True:
                await self._run_once()
        finally:
            listening.cancel()
            await self._stop()

    async def drain(self) -> int:
        """Deliver all that is due by now and return how many attempts that took."""
        begun = 0
        while started := await self.start_due():
            begun += started
            await asyncio.gather(*self.in_flight)
        return begun

    async def start_due(self) -> int:
        """Begin as many of the due deliveries as there is room for; return how many."""
        room = self._room()
        if room.total <= 0:
            return 0
        due = await outbox.claim_due(self.parts.database, room, self.parts.clock(), self.lease)
        for claimed in due:
            self.in_flight[asyncio.create_task(self._deliver(claimed))] = claimed
        return len(due)

    async def _run_once(self) -> None:
        self.wake.clear()
        try:
            while await self.start_due():
                pass
        except Exception:
            logger.exception("webhook.sender_failed")
            await asyncio.sleep(POLL_DELAY_S)
        # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the wake-up.
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_DELAY_S):
                await self.wake.wait()

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            arrived = await deliver(self.parts, claimed)
        except Exception:
            # Not written down: the claim runs out and somebody sends it again.
            logger.exception("webhook.not_noted", delivery=claimed.id)
        else:
            self._remember(claimed.lane, arrived=arrived)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self.in_flight.pop(task, None)
            self.wake.set()

    def _remember(self, lane: str, *, arrived: bool) -> None:
        self.failing.pop(lane, None)
        if not arrived:
            self.failing[lane] = None
            if len(self.failing) > LANES_REMEMBERED_MAX:
                del self.failing[next(iter(self.failing))]

    def _room(self) -> Room:
        flying = self.in_flight.values()
        by_account: Counter[AccountId] = Counter(claimed.account_id for claimed in flying)
        by_lane = Counter(claimed.lane for claimed in flying)
        return Room(
            total=min(DELIVERIES_PER_CLAIM_MAX, DELIVERIES_MAX - len(self.in_flight)),
            per_lane=DELIVERIES_PER_LANE_MAX,
            by_lane={
                lane: (1 if lane in self.failing else DELIVERIES_PER_LANE_MAX) - by_lane[lane]
                for lane in {*by_lane, *self.failing}
            },
            full_accounts=tuple(
                account_id
                for account_id, count in by_account.items()
                if count >= DELIVERIES_PER_ACCOUNT_MAX
            ),
        )

    async def _stop(self) -> None:
        """End: attempts that do not end in time are left to others at once.

        Where the database is away, others have them when their leases end.
        """
        if self.in_flight:
            await asyncio.wait(set(self.in_flight), timeout=SHUTDOWN_S)
        left = dict(self.in_flight)
        if not left:
            return
        for task in left:
            task.cancel()
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                await asyncio.wait(left)
                await outbox.give_back(self.parts.database, left.values(), self.parts.clock())
        except (TimeoutError, KinetoscopeError, psycopg.Error) as error:
            logger.warning("webhook.not_given_back", deliveries=len(left), error=repr(error))


async def _wake_on_notice(database: Database, wake: asyncio.Event) -> None:
    """Wake the sender when something was written; without a connection it only polls."""
    while True:
        with suppress(psycopg.Error, OSError):
            async with await psycopg.AsyncConnection.connect(
                database.conninfo, autocommit=True
            ) as connection:
                await connection.execute(f"listen {CHANNEL}")
                wake.set()
                async for _ in connection.notifies():
                    wake.set()
        await asyncio.sleep(1)
