"""Steps: pieces of work that outlive whoever began them, and are not broken off at any moment.

A step that waits for an answer it cannot ask for again holds itself; who wants it ended waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Step:
    """One piece of work. `is_held` while breaking it off would cost something."""

    work: asyncio.Task[None] | None = None
    is_held: bool = False
    is_unwanted: bool = False

    def end(self) -> None:
        """Break it off, now or as soon as it lets go."""
        self.is_unwanted = True
        if self.work is not None and not self.is_held:
            self.work.cancel()


_current: ContextVar[Step | None] = ContextVar("step", default=None)


def hold() -> None:
    """Ask that the step at hand is not broken off until it lets go, or ends."""
    step = _current.get()
    if step is not None:
        step.is_held = True


def let_go() -> None:
    """Allow the step at hand to be broken off again; if somebody waits for that, it is."""
    step = _current.get()
    if step is not None:
        step.is_held = False
        if step.is_unwanted:
            step.end()


@dataclass(slots=True)
class Steps:
    """The steps that run, by name; of each name one at a time."""

    running: dict[str, Step] = field(default_factory=dict)

    async def run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do something to its end, even if nobody waits for that any more."""
        while (before := self.running.get(name)) is not None and before.work is not None:
            await asyncio.wait([before.work])
        step = self.running[name] = Step()
        step.work = asyncio.create_task(self._within(name, step, work))
        await asyncio.shield(step.work)

    async def _within(self, name: str, step: Step, work: Callable[[], Awaitable[None]]) -> None:
        _current.set(step)
        try:
            await work()
        finally:
            del self.running[name]

    @property
    def held(self) -> int:
        """How many hold themselves."""
        return sum(step.is_held for step in self.running.values())

    async def end(self, *, soon_s: float, held_s: float) -> None:
        """Give all steps a moment to end, break off the others, and wait longer for the held."""
        await self._ended(soon_s)
        for step in list(self.running.values()):
            step.end()
        if self.held:
            log.info("steps.waited_for", steps=self.held, at_most_s=held_s)
        await self._ended(held_s)
        for step in list(self.running.values()):
            step.is_held = False
            step.end()
        await self._ended(soon_s)

    async def _ended(self, timeout_s: float) -> None:
        works = [step.work for step in self.running.values() if step.work is not None]
        if works:
            await asyncio.wait(works, timeout=timeout_s)
