"""Asks PostgreSQL whether requests may come: nothing is decided in a process.

Requests that arrive while the one statement of this process is under way wait, and the next
statement decides for all of them.

Keys are looked at before they count, secret and all: their ids are no secret, and nobody may use
up an account's pace with a key that would not open.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from typing_extensions import override

from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.limits import statements
from kinetoscope.limits.gcra import Pace, Standing, standing
from kinetoscope.limits.statements import Row
from kinetoscope.postgres.pool import Database

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one request; `refused_by` is None where it may come.

    `key` is None unless the key has a pace of its own.
    """

    account: Standing
    key: Standing | None
    refused_by: Standing | None


Asked = TypeVar("Asked")

ADDRESS = "address "
"""Before an address in the name of a pace's owner: no account or key is called so."""


class Batched(ABC, Generic[Asked]):
    """Decides about requests, as many at a time as came since the last decision."""

    def __init__(self, database: Database, usual: Pace, clock: Clock | None = None) -> None:
        """`usual` is for accounts without a pace of their own; a clock only where time is moved."""
        self.database = database
        self.usual = usual
        self.clock = clock
        self.waiting: list[tuple[Asked, asyncio.Future[Verdict | None]]] = []
        self.deciding: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Verdict | None:
        """Decide about one request; None if its key does not open. Raises DatabaseUnavailable."""
        answer: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((asked, answer))
        if self.deciding is None:
            # A task of its own: whoever asked first may go away, and the others still wait.
            self.deciding = asyncio.create_task(self._decide())
        return await answer

    async def _decide(self) -> None:
        try:
            while self.waiting:
                batch, self.waiting = self.waiting, []
                await self._answer(batch)
        finally:
            self.deciding = None

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[Verdict | None]]]) -> None:
        presented = Counter(asked for asked, _ in batch)
        try:
            rows = await self._rows(presented)
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            _fail([answer for _, answer in batch if not answer.done()], error)
            return
        places = {asked: place for place, asked in enumerate(presented, 1)}
        verdicts = share_out([places[asked] for asked, _ in batch], rows)
        for (_, answer), verdict in zip(batch, verdicts, strict=True):
            if not answer.done():
                answer.set_result(verdict)

    def _values(self) -> dict[str, object]:
        return {
            "per_second": self.usual.per_second,
            "burst": self.usual.burst,
            "now_ns": None if self.clock is None else unix_ns(self.clock()),
        }

    @abstractmethod
    async def _rows(self, presented: Counter[Asked]) -> list[Row]:
        """Decide about all of them by one statement; places count from 1."""


class Limiter(Batched[PresentedKey]):
    """Decides about requests by their keys."""

    @override
    async def _rows(self, presented: Counter[PresentedKey]) -> list[Row]:
        values = self._values()
        # A key that does not open, or has its own pace, is not known to the short statement.
        if len(presented) == 1:
            ((key, asked),) = presented.items()
            one: dict[str, object] = {
                "key_id": key.id,
                "secret": key.secret_sha256,
                "mode": key.mode.value,
                "ip": key.client_ip,
                "asked": asked,
            }
            found = await self.database.fetch_values(statements.ONE, values | one)
            if found is not None:
                return [statements.row_of_one(found)]
        several: dict[str, object] = {
            "key_ids": [key.id for key in presented],
            "secrets": [key.secret_sha256 for key in presented],
            "modes": [key.mode.value for key in presented],
            "ips": [key.client_ip for key in presented],
            "asked": list(presented.values()),
        }
        return await self.database.fetch_all(Row, statements.MANY, values | several)


class AddressLimiter(Batched[str]):
    """Decides about requests without a key of their own, by who they count for."""

    @override
    async def _rows(self, presented: Counter[str]) -> list[Row]:
        owners = {"owners": list(presented), "asked": list(presented.values())}
        return await self.database.fetch_all(Row, statements.OWNERS, self._values() | owners)


def _fail(answers: list[asyncio.Future[Verdict | None]], error: Exception) -> None:
    """Raise an error for everybody who waits: one of their own each, as tracebacks grow."""
    away = isinstance(error, DatabaseUnavailable)
    for answer in answers[1:]:
        answer.set_exception(
            DatabaseUnavailable() if away else RuntimeError("what was asked together broke")
        )
    for answer in answers[:1]:
        answer.set_exception(error)


def unix_ns(moment: datetime) -> int:
    """Return nanoseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def share_out(places: list[int], rows: list[Row]) -> Iterator[Verdict | None]:
    """Give what was granted to those who asked first: one verdict for each place that asked."""
    by_place = {row.place: row for row in rows}
    left_of = {row.owner: row.granted for row in rows}
    left_of |= {row.key_id: row.key_granted for row in rows if row.key_granted is not None}
    stands = {row.place: _standings(row) for row in rows}
    for place in places:
        row = by_place.get(place)
        if row is None:
            yield None
            continue
        account, key = stands[place]
        refused_by = None
        if key is not None and left_of[row.key_id] == 0:
            refused_by = key
        elif left_of[row.owner] == 0:
            refused_by = account
        else:
            left_of[row.owner] -= 1
            if key is not None:
                left_of[row.key_id] -= 1
        yield Verdict(account, key, refused_by)


def _standings(row: Row) -> tuple[Standing, Standing | None]:
    account = standing(row.full_at_ns, row.now_ns, Pace(row.per_second, row.burst))
    if row.key_full_at_ns is None:
        return account, None
    pace = Pace(row.key_per_second, row.key_burst)
    return account, standing(row.key_full_at_ns, row.now_ns, pace)
