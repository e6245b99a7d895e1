"""The provider of test keys: another one's work, or the failure that a client wants to see.

Nothing is remembered in this process but what the other provider has: when a job began is part of
its upstream id, so a rehearsal outlives any worker.
"""

import asyncio
from typing import assert_never

from kinetoscope.kernel.clock import Clock, unix_ms
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Condition,
    Failed,
    FindOutcome,
    Idempotency,
    Job,
    Lost,
    Prepared,
    Provider,
    Refused,
    Rehearsal,
    Status,
    SubmitOutcome,
    Waiting,
    Working,
)

SLOW_S = 20.0
"""How long a slow job works before its rendering begins."""

STEP_S = 0.5

TIMEOUT_S = 30.0
"""How long a job that times out works; every second of it takes a place among test tasks."""

FAILURES = {
    Rehearsal.MODERATION: Failed(
        code="2038",
        message="Your input text violates platform rules. Please modify and try again.",
    ),
    Rehearsal.FACE: Failed(
        code="4011",
        message="A real person's face was detected in the reference. Please use another one.",
    ),
    Rehearsal.SERVER_ERROR: Failed(
        code="500",
        message="Service temporarily unavailable. Please try again later. It is safe to retry.",
    ),
    Rehearsal.TIMEOUT: Failed(code="500", message="Generation timed out. Please try again."),
}
"""The first three codes are those of https://kinovi.ai/docs/common/error-handling."""


class RehearsalProvider:
    """Plays what a job's `rehearsal` says; jobs without one go to `inner` as they are."""

    name = "rehearsal"
    idempotency = Idempotency.CLIENT_TOKEN
    polling = None
    submit_timeout_s = 30.0

    def __init__(self, inner: Provider, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock

    async def start(self) -> None:
        """Nothing: the inner provider is started by whoever made it."""

    async def stop(self) -> None:
        """Nothing."""

    def answers_at_once(self, job: Job) -> bool:
        """Say what the inner provider says."""
        return self.inner.answers_at_once(job)

    async def prepare(self, job: Job) -> Prepared | Refused:
        """Let the inner provider prepare."""
        return await self.inner.prepare(job)

    async def submit(self, job: Job) -> SubmitOutcome:
        """Take the job on, or hand it over."""
        match job.rehearsal:
            case None | Rehearsal.DUPLICATE_WEBHOOK | Rehearsal.WEBHOOK_DOWN:
                return await self.inner.submit(job)
            case (
                Rehearsal.MODERATION
                | Rehearsal.FACE
                | Rehearsal.SERVER_ERROR
                | Rehearsal.TIMEOUT
                | Rehearsal.SLOW
            ):
                return Accepted(upstream_id=f"{job.task_id}@{unix_ms(self.clock())}")
            case _:
                assert_never(job.rehearsal)

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Tell how it goes, or fails."""
        match job.rehearsal:
            case None | Rehearsal.DUPLICATE_WEBHOOK | Rehearsal.WEBHOOK_DOWN:
                return await self.inner.status(upstream_id, job)
            case Rehearsal.MODERATION | Rehearsal.FACE | Rehearsal.SERVER_ERROR as outcome:
                return FAILURES[outcome]
            case Rehearsal.TIMEOUT:
                return await self._take(upstream_id, TIMEOUT_S) or FAILURES[Rehearsal.TIMEOUT]
            case Rehearsal.SLOW:
                return await self._take(upstream_id, SLOW_S) or await self._render(job)
            case _:
                assert_never(job.rehearsal)

    async def find(self, job: Job) -> FindOutcome:
        """Say whether the inner provider has the job."""
        return await self.inner.find(job)

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """Stop the rendering, if there is one."""
        return await self.inner.cancel(upstream_id.partition("@")[0], job)

    async def check(self) -> Condition:
        """Say how the inner provider is."""
        return await self.inner.check()

    async def _take(self, upstream_id: str, duration_s: float) -> Working | None:
        """Work for a while; None when that is over."""
        begun_ms = int(upstream_id.rpartition("@")[2])
        share = (unix_ms(self.clock()) - begun_ms) / 1000 / duration_s
        if share >= 1:
            return None
        await asyncio.sleep(STEP_S)
        return Working(progress=share * 0.9)

    async def _render(self, job: Job) -> Status:
        """Have the inner provider make it after all; a job that it forgot begins anew."""
        status = await self.inner.status(job.task_id, job)
        match status:
            case Lost():
                await self.inner.submit(job)
                return Working(progress=0.9)
            case Waiting() | Working():
                return Working(progress=0.95)
            case _:
                return status
