"""Wakes: what ends a worker's waiting for a task early, from anywhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kinetoscope.postgres.listening import Listener
from kinetoscope.postgres.pool import Connection

WAKE_CHANNEL = "kinetoscope_wake"
"""Where it is told that somebody should look at a task now; its id is the message."""


class Wakes:
    """Lets those who follow a task sleep, and be woken."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.remembered: dict[str, list[asyncio.Event]] = {}

    @contextmanager
    def remembering(self, task_id: str) -> Iterator[None]:
        """Keep news of a task that comes between two pauses; the next pause ends at once then."""
        with self.listener.watching(task_id) as news:
            # A list, as this process may have the task twice: until the one before sees that.
            kept = self.remembered.setdefault(task_id, [])
            kept.append(news)
            try:
                yield
            finally:
                kept.remove(news)
                if not kept:
                    del self.remembered[task_id]

    async def pause(self, task_id: str, delay_s: float) -> None:
        """Sleep until there is news of a task, or the time is over."""
        kept = self.remembered.get(task_id)
        if kept:
            await _wait(kept[-1], delay_s)
            return
        with self.listener.watching(task_id) as news:
            await _wait(news, delay_s)

    def wake(self, task_id: str) -> None:
        """Wake who follows a task in this process."""
        for news in self.listener.waiting.get(task_id, ()):
            news.set()


async def _wait(news: asyncio.Event, delay_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(delay_s):
            await news.wait()
    news.clear()


async def wake_within(connection: Connection, task_id: str) -> None:
    """Wake who follows a task, wherever that is, once the transaction is committed."""
    await connection.execute("select pg_notify(%s, %s)", (WAKE_CHANNEL, task_id))
