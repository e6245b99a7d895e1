"""One process per device: it loads pipelines, keeps them, and makes one thing at a time.

Libraries that load models crash, run out of memory and hang; here that ends one process, and
nobody else's job. The process ends with its worker.
"""

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

from kinetoscope.providers.diffusers.making import Loading, Made, Making, decode_made, encode_making

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 300
LOOK_TIMEOUT_S = 120
STOP_S = 10.0
"""How long a job that should stop may go on before its process is killed."""
LOAD_S = 900.0
"""Loading cannot be interrupted softly, and what is loaded serves the next job."""
LINE_BYTES_MAX = 1024 * 1024
PACKAGE = "kinetoscope.providers.diffusers"


class MakingRefused(Exception):
    """The pipeline cannot make this, now or later; its text says why."""


class MakingModerated(Exception):
    """The pipeline's own safety checker withheld what it had made."""


class MakingStopped(Exception):
    """It was stopped as somebody wished, and the process goes on."""


class MakingBroke(Exception):
    """The process died or is not to be trusted any more; trying again may help."""


class DeviceUnusable(Exception):
    """The process cannot work on its device at all."""


def environment(folder: Path) -> dict[str, str]:
    """Return where to find our code and nothing of ours besides; and the word to stay offline."""
    return {
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_TELEMETRY": "1",
        "HF_HOME": str(folder / "cache"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    }


class Engine:
    """The process of one device. `loaded` is what it keeps, `task_id` what it is making."""

    def __init__(self, *, device: str, keep: int, folder: Path) -> None:
        self.device = device
        self.keep = keep
        self.folder = folder
        self.process: Process | None = None
        self.loaded: frozenset[Loading] = frozenset()
        self.task_id: str | None = None
        self.is_loading = False
        self.stopping: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.returncode is None

    async def make(self, making: Making, on_progress: Callable[[float], None]) -> tuple[Made, ...]:
        """Make one thing, starting the process if there is none.

        Raises MakingRefused, MakingModerated, MakingStopped, MakingBroke, DeviceUnusable.
        """
        self.task_id = making.task_id
        self.is_loading = True
        clean = False
        try:
            process = await self._ready()
            made = await self._converse(process, making, on_progress)
            clean = True
        except (MakingRefused, MakingModerated, MakingStopped):
            clean = True
            raise
        finally:
            self.task_id = None
            self.is_loading = False
            if self.stopping is not None:
                self.stopping.cancel()
                self.stopping = None
            if not clean:
                await asyncio.shield(self.end())
        return made

    def stop(self, task_id: str) -> None:
        """Ask for a job to be stopped, and see to it that it is."""
        if self.task_id != task_id or self.stopping is not None:
            return
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(json.dumps({"stop": task_id}).encode() + b"\n")
        since_s = asyncio.get_running_loop().time()
        self._watch(since_s)

    def _watch(self, since_s: float) -> None:
        loop = asyncio.get_running_loop()
        passed_s = loop.time() - since_s
        if passed_s >= (LOAD_S if self.is_loading else STOP_S):
            log.warning("diffusers.killed", device=self.device, task=self.task_id)
            self._kill()
            return
        self.stopping = loop.call_later(STOP_S, self._watch, since_s)

    async def end(self) -> None:
        """End the process at once, whatever it is doing."""
        process, self.process = self.process, None
        self.loaded = frozenset()
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()

    async def _ready(self) -> Process:
        """Return the living process, or start one and wait until it has its device."""
        if self.process is not None and self.process.returncode is None:
            return self.process
        await self.end()
        try:
            self.process = process = await spawn(
                "child", self.folder, self.device, str(self.keep), str(os.getpid())
            )
        except OSError as error:
            raise MakingBroke(f"a process could not start: {error}") from error
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                event = await next_event(process)
        except TimeoutError:
            raise MakingBroke("a process did not get ready") from None
        if "ready" not in event:
            raise DeviceUnusable(str(event.get("unusable", event)))
        log.info("diffusers.ready", device=self.device, says=event["ready"])
        return process

    async def _converse(
        self, process: Process, making: Making, on_progress: Callable[[float], None]
    ) -> tuple[Made, ...]:
        assert process.stdin is not None  # noqa: S101 - asked for in spawn
        if self.stopping is not None:
            raise MakingStopped
        try:
            process.stdin.write(encode_making(making))
            await process.stdin.drain()
        except ConnectionError as error:
            raise MakingBroke("the process is gone") from error
        while True:
            event = await next_event(process)
            self.is_loading = "loading" in event
            if "progress" in event:
                on_progress(float(event["progress"]))
            elif "loaded" in event:
                self.loaded = frozenset(Loading(**loading) for loading in event["loaded"])
            elif not self.is_loading:
                return self._verdict(making, event)

    def _verdict(self, making: Making, event: dict[str, Any]) -> tuple[Made, ...]:
        if "done" in event:
            log.info("diffusers.made", device=self.device, task=making.task_id, **event["took"])
            return tuple(decode_made(made) for made in event["done"])
        if "stopped" in event:
            raise MakingStopped
        if "moderated" in event:
            raise MakingModerated
        reason = str(event.get("refused") or event.get("broken") or event)
        log.warning(
            "diffusers.failed",
            device=self.device,
            task=making.task_id,
            reason=reason,
            trace=event.get("trace"),
        )
        if "refused" in event:
            raise MakingRefused(reason)
        raise MakingBroke(reason)


async def spawn(module: str, folder: Path, *arguments: str) -> Process:
    """Start a module of ours as a process that speaks lines; raises OSError."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"{PACKAGE}.{module}",
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=LINE_BYTES_MAX,
        env=environment(folder),
        start_new_session=True,  # Ctrl-C is for the worker, which ends its own
    )


async def next_event(process: Process) -> dict[str, Any]:
    """Read what a process says next; raises MakingBroke."""
    assert process.stdout is not None  # noqa: S101 - asked for in spawn
    try:
        line = await process.stdout.readline()
        if not line:
            code = await process.wait()
            raise MakingBroke(f"the process is gone ({code})")
        event: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise MakingBroke("the process cannot be understood") from error
    return event


async def look(devices: tuple[str, ...], folder: Path) -> str | None:
    """Find out in a process of its own whether the devices can be used; return what is wrong."""
    process = None
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            process = await spawn("look", folder, str(os.getpid()), *devices)
            event = await next_event(process)
    except TimeoutError:
        return f"torch took more than {LOOK_TIMEOUT_S} s to start"
    except (OSError, MakingBroke) as error:
        return f"torch could not be started: {error}"
    finally:
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    unusable = event.get("unusable")
    return None if unusable is None else str(unusable)
