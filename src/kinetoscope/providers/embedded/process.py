"""Rendering processes, kept warm: the worker's event loop never renders and so never stalls."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from kinetoscope.providers.embedded.lines import decode_rendered, encode_work
from kinetoscope.providers.embedded.work import Rendered, Work

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 60
LINE_BYTES_MAX = 1024 * 1024


class RenderingRefused(Exception):
    """The renderer cannot make this; its text says why."""


class RenderingBroke(Exception):
    """The renderer failed or died; trying again may help."""


class ProcessPool:
    """A fixed number of rendering processes; each renders one work at a time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.idle: asyncio.Queue[Process] = asyncio.Queue()
        self.alive: set[Process] = set()

    async def start(self) -> None:
        """Start all processes and wait until they are ready to render."""
        for process in await asyncio.gather(*[self._spawn() for _ in range(self.size)]):
            self.idle.put_nowait(process)

    async def stop(self) -> None:
        """End all processes at once, whatever they are doing."""
        for process in list(self.alive):
            await self._end(process)

    async def render(
        self,
        work: Work,
        folder: Path,
        on_start: Callable[[], None],
        on_progress: Callable[[float], None],
    ) -> tuple[Rendered, ...]:
        """Render one work; cancelling it ends its process and starts another.

        Raises RenderingRefused or RenderingBroke.
        """
        process = await self.idle.get()
        clean = False
        try:
            on_start()
            files = await _converse(process, encode_work(work, folder), on_progress)
            clean = True
        except RenderingRefused:
            clean = True
            raise
        finally:
            if clean and process.returncode is None:
                self.idle.put_nowait(process)
            else:
                await asyncio.shield(self._replace(process))
        return files

    async def _replace(self, process: Process) -> None:
        await self._end(process)
        self.idle.put_nowait(await self._spawn())

    async def _spawn(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kinetoscope.providers.embedded.child",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=LINE_BYTES_MAX,
        )
        self.alive.add(process)
        async with asyncio.timeout(START_TIMEOUT_S):
            await _next_event(process)
        return process

    async def _end(self, process: Process) -> None:
        self.alive.discard(process)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _converse(
    process: Process, line: bytes, on_progress: Callable[[float], None]
) -> tuple[Rendered, ...]:
    assert process.stdin is not None  # noqa: S101 - asked for above
    try:
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
    except ConnectionError as error:
        raise RenderingBroke("the rendering process is gone") from error
    while True:
        event = await _next_event(process)
        if "progress" in event:
            on_progress(float(event["progress"]))
        elif "done" in event:
            return tuple(decode_rendered(file) for file in event["done"])
        elif "refused" in event:
            raise RenderingRefused(event["refused"])
        else:
            raise RenderingBroke(str(event.get("broken", event)))


async def _next_event(process: Process) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - asked for above
    line = await process.stdout.readline()
    if not line:
        raise RenderingBroke("the rendering process is gone")
    event: dict[str, Any] = json.loads(line)
    return event
