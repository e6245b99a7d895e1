"""One connection that listens for news, for all who wait for any in this process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog

log = structlog.get_logger(__name__)

RECONNECT_DELAY_S = 0.2


class Listener:
    """Wakes those who wait for a subject when its name is told on a channel.

    News may be lost while the database restarts: everybody is woken when the connection is back,
    and who waits must look at the database itself, and now and then without being woken.
    """

    def __init__(self, conninfo: str, channel: str) -> None:
        self.conninfo = conninfo
        self.channel = channel
        self.waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watching(self, subject: str) -> Iterator[asyncio.Event]:
        """Lend an event that is set whenever there is news of a subject."""
        news = asyncio.Event()
        self.waiting.setdefault(subject, set()).add(news)
        try:
            yield news
        finally:
            watchers = self.waiting[subject]
            watchers.discard(news)
            if not watchers:
                del self.waiting[subject]

    async def run(self) -> None:
        """Listen until cancelled, again and again while the database comes and goes."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                log.warning("listener.disconnected", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_DELAY_S)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True
        ) as connection:
            await connection.execute(f"listen {self.channel}".encode())
            self.wake_all()
            async for news in connection.notifies():
                for event in self.waiting.get(news.payload, ()):
                    event.set()

    def wake_all(self) -> None:
        """Wake everybody, whatever they wait for."""
        for watchers in self.waiting.values():
            for event in watchers:
                event.set()
