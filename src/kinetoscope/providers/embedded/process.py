"""Rendering processes, kept warm: the worker's event loop never renders and so never stalls."""

import asyncio
import json
import os
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
NICEST = 19

ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(sys.path)}
"""Where to find our code, and nothing else: the process opens pictures that strangers sent, and
has no business with the database's address."""


class RenderingRefused(Exception):
    """The renderer cannot make this; its text says why."""


class RenderingBroke(Exception):
    """The renderer failed or died; trying again may help."""


class ProcessPool:
    """At most `size` rendering processes at once, each rendering one work at a time.

    A place is taken for the time of one work. Whoever has a place takes a process that is idle
    and alive, or starts one; a place cannot be lost with a process. A pool of `spare_time` works
    when nobody else needs the processor, and keeps no process when it is done.
    """

    def __init__(self, size: int, *, spare_time: bool = False) -> None:
        self.size = size
        self.spare_time = spare_time
        self.places = asyncio.Semaphore(size)
        self.idle: list[Process] = []
        self.alive: set[Process] = set()

    async def start(self) -> None:
        """Start all processes and wait until they are ready to render."""
        self.idle = list(await asyncio.gather(*[self._spawn() for _ in range(self.size)]))

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
        """Render one work; cancelling it ends its process.

        Raises RenderingRefused or RenderingBroke.
        """
        async with self.places:
            process = await self._take()
            clean = False
            try:
                on_start()
                files = await _converse(process, encode_work(work, folder), on_progress)
                clean = True
            except RenderingRefused:
                clean = True
                raise
            finally:
                if clean and process.returncode is None and not self.spare_time:
                    self.idle.append(process)
                else:
                    await asyncio.shield(self._end(process))
        return files

    async def _take(self) -> Process:
        while self.idle:
            process = self.idle.pop()
            if process.returncode is None:
                return process
            await self._end(process)
        return await self._spawn()

    async def _spawn(self) -> Process:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kinetoscope.providers.embedded.child",
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=LINE_BYTES_MAX,
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for the worker, which ends its own
            )
        except OSError as error:
            raise RenderingBroke(f"a rendering process could not start: {error}") from error
        self.alive.add(process)
        try:
            if self.spare_time:
                os.setpriority(os.PRIO_PROCESS, process.pid, NICEST)
            async with asyncio.timeout(START_TIMEOUT_S):
                await _next_event(process)
        except (TimeoutError, ProcessLookupError, RenderingBroke) as error:
            await self._end(process)
            raise RenderingBroke("a rendering process did not get ready") from error
        except BaseException:
            # Nobody has it yet, so whoever was cancelled here is the last who could end it.
            await self._end(process)
            raise
        return process

    async def _end(self, process: Process) -> None:
        # Killed before anything is waited for: a second cancellation cuts off the waiting alone.
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
    try:
        line = await process.stdout.readline()
        if not line:
            raise RenderingBroke("the rendering process is gone")
        event: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise RenderingBroke("the rendering process cannot be understood") from error
    return event
