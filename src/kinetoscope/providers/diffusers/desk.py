"""Gives jobs to devices: to whoever is free, and if it can be, has the pipeline loaded already."""

import asyncio
import shutil
from dataclasses import dataclass, field

import structlog

from kinetoscope.providers.adapter import failed
from kinetoscope.providers.contract import Failed, Kind
from kinetoscope.providers.diffusers.making import Made, Making
from kinetoscope.providers.diffusers.process import (
    DeviceUnusable,
    Engine,
    MakingBroke,
    MakingModerated,
    MakingRefused,
    MakingStopped,
)

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 2
SKIPS_MAX = 8
"""How many jobs for a loaded pipeline may overtake one that would have to load its own."""
REST_S = 30.0
"""How long a device that cannot be used is left alone."""


@dataclass(slots=True, kw_only=True, eq=False)
class Commission:
    """A job in this process: what is asked, how far it is, and how it ended."""

    making: Making
    may_wait: bool
    news: asyncio.Event = field(default_factory=asyncio.Event)
    started: bool = False
    progress: float = 0.0
    ended: tuple[Made, ...] | Failed | None = None
    ended_s: float | None = None
    attempts: int = 0
    skipped: int = 0
    unwanted: bool = False


class Desk:
    """The devices, and the jobs that wait for one."""

    def __init__(self, engines: tuple[Engine, ...]) -> None:
        self.engines = engines
        self.waiting: list[Commission] = []
        self.at_work: dict[Engine, Commission] = {}
        self.runners: set[asyncio.Task[None]] = set()
        self.resting: dict[Engine, tuple[float, str]] = {}

    @property
    def trouble(self) -> str | None:
        """Why nobody can work just now; None if somebody can."""
        self._wake()
        if len(self.resting) < len(self.engines):
            return None
        return "; ".join(reason for _, reason in self.resting.values())

    def add(self, commission: Commission) -> None:
        """Take a job in."""
        self.waiting.append(commission)
        self._hand_out()

    def drop(self, commission: Commission) -> None:
        """Let go of a job that nobody wants any more, wherever it is."""
        commission.unwanted = True
        if commission in self.waiting:
            self.waiting.remove(commission)
        for engine, current in self.at_work.items():
            if current is commission:
                engine.stop(commission.making.task_id)
                return
        _clear(commission)

    async def stop(self) -> None:
        """End every process at once."""
        self.waiting.clear()
        for runner in self.runners:
            runner.cancel()
        await asyncio.gather(*self.runners, return_exceptions=True)
        self.at_work.clear()
        for engine in self.engines:
            await engine.end()

    def _hand_out(self) -> None:
        self._wake()
        free = [engine for engine in self.engines if engine not in {*self.at_work, *self.resting}]
        wanted = {commission.making.loading for commission in self.waiting}
        for engine in sorted(free, key=lambda engine: not engine.loaded & wanted):
            commission = self._next_for(engine)
            if commission is not None:
                self.waiting.remove(commission)
                self.at_work[engine] = commission
                runner = asyncio.create_task(self._run(engine, commission))
                self.runners.add(runner)
                runner.add_done_callback(self.runners.discard)

    def _next_for(self, engine: Engine) -> Commission | None:
        """Return the oldest job, or one for what is loaded if the oldest can wait a little."""
        queue = sorted(self.waiting, key=lambda commission: commission.may_wait)
        if not queue:
            return None
        oldest = queue[0]
        if oldest.making.loading in engine.loaded or oldest.skipped >= SKIPS_MAX:
            return oldest
        for commission in queue:
            if commission.may_wait == oldest.may_wait and (
                commission.making.loading in engine.loaded
            ):
                oldest.skipped += 1
                return commission
        return oldest

    def _wake(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for engine, (until_s, _) in list(self.resting.items()):
            if until_s <= now_s:
                del self.resting[engine]

    async def _run(self, engine: Engine, commission: Commission) -> None:
        def on_progress(share: float) -> None:
            commission.progress = max(commission.progress, share)
            commission.news.set()

        commission.started = True
        commission.news.set()
        commission.attempts += 1
        try:
            if not commission.unwanted:
                commission.ended = await engine.make(commission.making, on_progress)
        except (MakingRefused, MakingStopped):
            commission.ended = failed()
        except MakingModerated:
            commission.ended = failed("", Kind.MODERATION)
        except DeviceUnusable as error:
            self._rest(engine, str(error))
        except MakingBroke as error:
            log.warning("diffusers.broke", device=engine.device, error=str(error))
        except Exception:
            # Whatever it was, the job must end, or its task would wait for it.
            log.exception("diffusers.bug", device=engine.device)
        self._settle(commission)
        del self.at_work[engine]
        self._hand_out()

    def _settle(self, commission: Commission) -> None:
        """Note how a job ended, or have it tried once more."""
        if commission.unwanted:
            _clear(commission)
            return
        if commission.ended is None and commission.attempts < ATTEMPTS_MAX:
            commission.started = False
            self.waiting.insert(0, commission)
            return
        if commission.ended is None:
            commission.ended = failed(kind=Kind.TEMPORARY)
        commission.ended_s = asyncio.get_running_loop().time()
        commission.news.set()

    def _rest(self, engine: Engine, reason: str) -> None:
        log.error("diffusers.device_unusable", device=engine.device, reason=reason)
        loop = asyncio.get_running_loop()
        self.resting[engine] = (loop.time() + REST_S, f"{engine.device}: {reason}")
        loop.call_later(REST_S, self._hand_out)


def _clear(commission: Commission) -> None:
    shutil.rmtree(commission.making.folder, ignore_errors=True)
