"""Clients that ask how a request stands many times a second are answered when there is news.

Python's asks ten times a second, which would eat up what an account may ask for. Whoever is told
the same again is told a second later, or as soon as something has happened; a first question, and
one about what has ended, is answered at once. These waits have places of their own, so that none
is taken from who waits for an end; where those are full, everybody is answered at once.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.tasks import watch
from kinetoscope.tasks.watch import Seen, Watch

HOLD_S = 1.0
SOON_S = 2.0
"""Who asks again within this time polls."""

HELD_MAX = 500
HELD_PER_ACCOUNT_MAX = 50
REMEMBERED_MAX = 10_000

Stand = tuple[object, ...]


class Polls:
    """What was told last, to whom; one for a process."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, TaskId], tuple[Stand, float]] = OrderedDict()
        self._held: Counter[AccountId] = Counter()

    async def seen(
        self, watching: Watch, key_id: str, account_id: AccountId, task_id: TaskId
    ) -> Seen:
        """Return a task as it stands; raises as `watch.seen` does."""
        loop, who = asyncio.get_running_loop(), (key_id, task_id)
        with watching.listener.watching(task_id) as news:
            found = await watch.seen(watching.database, account_id, task_id, watching.clock())
            if self._is_repeated(who, found, loop.time()) and self._has_room(account_id):
                with self._held_for(account_id):
                    await _wait(news)
                found = await watch.seen(watching.database, account_id, task_id, watching.clock())
        if not found.has_ended:
            self._told[who] = (stand_of(found), loop.time())
            self._told.move_to_end(who)
            if len(self._told) > REMEMBERED_MAX:
                self._told.popitem(last=False)
        return found

    def _is_repeated(self, who: tuple[str, TaskId], found: Seen, now_s: float) -> bool:
        stand, told_s = self._told.get(who, ((), 0.0))
        return not found.has_ended and stand == stand_of(found) and now_s - told_s < SOON_S

    def _has_room(self, account_id: AccountId) -> bool:
        return self._held[account_id] < HELD_PER_ACCOUNT_MAX and self._held.total() < HELD_MAX

    @contextmanager
    def _held_for(self, account_id: AccountId) -> Iterator[None]:
        self._held[account_id] += 1
        try:
            yield
        finally:
            self._held -= Counter([account_id])  # drops who has none left


def stand_of(seen: Seen) -> Stand:
    """Return what there is to be told of a task while it goes on."""
    record = seen.record
    return (record.status, seen.position, record.progress_percent, record.completed_at)


async def _wait(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(HOLD_S):
            await news.wait()
    except TimeoutError:
        pass
