"""Wakes: what ends a worker's waiting for a task early, from anywhere."""

import asyncio

from kinetoscope.postgres.listening import Listener
from kinetoscope.postgres.pool import Connection

WAKE_CHANNEL = "kinetoscope_wake"
"""Where it is told that somebody should look at a task now; its id is the message."""


class Wakes:
    """Lets those who follow a task sleep, and be woken."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    async def pause(self, task_id: str, delay_s: float) -> None:
        """Sleep until there is news of a task, or the time is over."""
        with self.listener.watching(task_id) as news:
            try:
                async with asyncio.timeout(delay_s):
                    await news.wait()
            except TimeoutError:
                return

    def wake(self, task_id: str) -> None:
        """Wake who follows a task in this process."""
        for news in self.listener.waiting.get(task_id, ()):
            news.set()


async def wake_within(connection: Connection, task_id: str) -> None:
    """Wake who follows a task, wherever that is, once the transaction is committed."""
    await connection.execute("select pg_notify(%s, %s)", (WAKE_CHANNEL, task_id))
