"""Runs whose client has left, for a moment: it may be about to send the very same one again.

Python's client does when its own time for a run is over (`run(timeout=...)`), or a gateway's, up to
nine times, and says nothing of it; at fal each is a request of its own. Here an equal run of the
same key takes over what was left, so that they make one task; whoever does not come back wants it
no more, and it is cancelled. Nobody is shown another's: an equal run asks for the same thing, and
who left it has gone.

What is left is remembered in this process alone. A run that is sent again to another process makes
a task of its own, and the one that was left is cancelled when its time is over; a process that
stops cancels nothing. A run that is sent again before its first connection was seen to close makes
a task too, as two equal runs at once are two. An Idempotency-Key covers all of that.
https://github.com/fal-ai/fal/blob/main/projects/fal_client/src/fal_client/client.py
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks.request import Patience

GRACE_S = 5.0
GRACE_S_MAX = 35.0
"""How long a run is kept. Its client pauses 0.15 seconds at most before its second try, twice that
before the next, and 30 at last; JavaScript's begins with 1.25."""

LEFT_MAX = 1000
"""Runs that are kept at once; what is left beyond that is cancelled at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What makes two runs equal: whose key it is, and a hash of what was asked for."""

    key_id: str
    body_sha256: bytes
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The task of a run, and how often a client of it has left before."""

    task_id: TaskId
    times: int = 0


class Left:
    """The runs that were left; one for a process."""

    def __init__(self) -> None:
        self._kept: dict[Run, list[tuple[Taken, asyncio.Task[None]]]] = {}
        self._timers: set[asyncio.Task[None]] = set()

    def leave(self, run: Run, taken: Taken, end: Callable[[], Awaitable[None]]) -> None:
        """Keep a run that was left, and do `end` unless an equal one comes for it in time."""
        wait_s = min(GRACE_S * 2**taken.times, GRACE_S_MAX)
        if sum(map(len, self._kept.values())) >= LEFT_MAX:
            wait_s = 0.0
        timer = asyncio.create_task(self._end_later(run, taken, wait_s, end))
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)
        self._kept.setdefault(run, []).append((taken, timer))

    def take(self, run: Run) -> Taken | None:
        """Return what an equal run has left, to whom it then belongs; None for nothing."""
        kept = self._kept.get(run)
        if not kept:
            return None
        taken, timer = kept[0]
        timer.cancel()
        self._forget(run, taken)
        return Taken(task_id=taken.task_id, times=taken.times + 1)

    async def _end_later(
        self, run: Run, taken: Taken, wait_s: float, end: Callable[[], Awaitable[None]]
    ) -> None:
        await asyncio.sleep(wait_s)
        self._forget(run, taken)
        await end()

    def _forget(self, run: Run, taken: Taken) -> None:
        kept = [each for each in self._kept[run] if each[0] is not taken]
        if kept:
            self._kept[run] = kept
        else:
            del self._kept[run]
