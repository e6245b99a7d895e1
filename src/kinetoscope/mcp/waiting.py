"""Waiting for a task's end, telling meanwhile how it goes to clients that asked to be told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from mcp.server.mcpserver import Context

from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.watch import Seen, Watch, changes, own

WAIT_S_MAX = 300

HEARTBEAT_S = 10.0
"""How long a client that is told of progress may hear nothing; some give up after a minute."""

STEP = 0.01
"""By how much progress grows where there is none: it must grow with each message.

https://modelcontextprotocol.io/specification/2025-06-18/basic/utilities/progress
"""


async def ended(
    watch: Watch, ctx: Context, account_id: AccountId, task_id: TaskId, wait_s: float
) -> Record:
    """Return a task once it has ended, or as it stands when the time is over.

    Raises NotFound, Forbidden for others' tasks, and TooManyWatching.
    """
    telling = _Telling(ctx)
    following = changes(watch, account_id, task_id, wait_s)
    # Whoever leaves gives up the place at once, not when somebody collects the garbage.
    async with aclosing(cast("AsyncGenerator[Seen]", following)) as news:
        async for seen in news:
            if seen.has_ended:
                return seen.record
            await telling.tell(seen)
    return await own(watch.database, account_id, task_id, watch.clock())


class _Telling:
    """Tells of progress, in percent; a client that did not ask for it is told nothing."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.told: float = -STEP
        self.words = ""
        self.told_at_s = 0.0

    async def tell(self, seen: Seen) -> None:
        """Tell what is new, or that we are still here."""
        now_s = asyncio.get_running_loop().time()
        percent = float(seen.record.progress_percent or 0)
        words = _words(seen)
        is_news = percent > self.told or words != self.words
        if not is_news and now_s - self.told_at_s < HEARTBEAT_S:
            return
        self.told = max(percent, self.told + STEP)
        self.words, self.told_at_s = words, now_s
        await self.ctx.report_progress(self.told, 100, words)


def _words(seen: Seen) -> str:
    status = str(seen.record.status)
    if seen.position:
        return f"{status}, {seen.position} ahead"
    return status
