"""Files on their way in: how many at once, of whom, and how slowly they may come."""

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from kinetoscope.api.body import LENGTH
from kinetoscope.kernel.errors import BodyTooLarge, BodyTooSlow, IntakeFull
from kinetoscope.kernel.ids import AccountId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.wiring import Runtime, egress_of

PLACES_MAX = 32
"""Files on their way in at once, in each process: each may take its full length of disk."""
PLACES_PER_ACCOUNT_MAX = 4
PATIENCE_S = 10.0
"""How long a file waits for a place before its sender is told to come back."""

GRACE_S = 20.0
BYTES_PER_S_MIN = 32 * 1024
TOTAL_S_MAX = 3600.0
"""How slowly a body may come: for a while as it likes, then at this pace on the whole."""

STALE_S = 3600

INSPECTIONS_MAX = 2
"""Each may take the memory of a large picture."""


class Places:
    """The places for files on their way in; one for a process. No account takes them all."""

    def __init__(self) -> None:
        self.taken: Counter[AccountId] = Counter()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def place(self, account_id: AccountId) -> AsyncIterator[None]:
        """Take a place, as soon as there is one; raises IntakeFull if that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not self._has_room(account_id):
                    await self._freed.wait()
        except TimeoutError:
            raise IntakeFull from None
        self.taken[account_id] += 1
        try:
            yield
        finally:
            self.taken -= Counter([account_id])  # drops who has none left
            freed, self._freed = self._freed, asyncio.Event()
            freed.set()

    def _has_room(self, account_id: AccountId) -> bool:
        return self.taken[account_id] < PLACES_PER_ACCOUNT_MAX and self.taken.total() < PLACES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What taking files in needs; one for a process."""

    runtime: Runtime
    folder: Path
    egress: Egress
    inspecting: asyncio.Semaphore
    places: Places


def intake_of(runtime: Runtime) -> Intake:
    """Return what takes files in here."""
    return Intake(
        runtime=runtime,
        folder=runtime.settings.work_dir / "uploads",
        egress=egress_of(runtime.settings),
        inspecting=asyncio.Semaphore(INSPECTIONS_MAX),
        places=Places(),
    )


async def arriving(request: Request, bytes_max: int) -> AsyncIterator[bytes]:
    """Yield a request's body as it comes; raises BodyTooLarge, BodyTooSlow, ClientDisconnect."""
    stated = request.headers.get("content-length", "")
    if LENGTH.fullmatch(stated) and int(stated) > bytes_max:
        raise BodyTooLarge(bytes_max)
    begun_s = asyncio.get_running_loop().time()
    chunks = request.stream()
    size = 0
    while True:
        slowest_s = min(GRACE_S + size / BYTES_PER_S_MIN, TOTAL_S_MAX)
        try:
            async with asyncio.timeout_at(begun_s + slowest_s):
                chunk = await anext(chunks, b"")
        except TimeoutError:
            raise BodyTooSlow from None
        if not chunk:
            return
        size += len(chunk)
        if size > bytes_max:
            raise BodyTooLarge(bytes_max)
        yield chunk


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Lend a path for a file that is on its way; nothing of it stays."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    handle, text = tempfile.mkstemp(dir=folder)
    os.close(handle)
    path = Path(text)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what a process left that was killed on the way."""
    for path in folder.iterdir():
        # Another process may be done with it, or sweep it, in this moment.
        with suppress(FileNotFoundError):
            age_s = time.time() - path.stat().st_mtime  # noqa: TID251 - files bear the machine's time
            if age_s > STALE_S:
                path.unlink()
