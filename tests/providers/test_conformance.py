"""What every provider must do, those of this machine included: the contract's plain promises."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.engines import diffusion
from tests.engines.test_comfyui import engine
from tests.providers.case import Case, conversing
from tests.providers.cases import CASES
from tests.providers.upstream import Stage

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.clock import system_clock
from kinetoscope.media.inspect import InspectLimits, inspect
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Done,
    Failed,
    Idempotency,
    Job,
    Lost,
    Provider,
    Status,
    Waiting,
    Working,
)
from kinetoscope.providers.embedded.provider import EmbeddedProvider
from kinetoscope.providers.rehearsal import RehearsalProvider

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Subject:
    """A provider, a job it can make, and what lets that job be done."""

    provider: Provider
    job: Job
    finish: Callable[[], None]


Lend = Callable[[Path], AbstractAsyncContextManager[Subject]]


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Subject]:
    provider = EmbeddedProvider(processes=1, folder=folder / "embedded")
    await provider.start()
    try:
        yield Subject(provider, _job(folder), lambda: None)
    finally:
        await provider.stop()


@asynccontextmanager
async def rehearsal(folder: Path) -> AsyncIterator[Subject]:
    async with embedded(folder) as subject:
        yield replace(subject, provider=RehearsalProvider(subject.provider, system_clock))


@asynccontextmanager
async def comfyui(folder: Path) -> AsyncIterator[Subject]:
    async with engine(folder) as (provider, fake):

        def finish() -> None:
            fake.begin()
            fake.end()

        yield Subject(provider, replace(_job(folder), upstream_model="flux.json"), finish)


@cache
def pipelines() -> Path:
    return diffusion.build_pipelines(Path(mkdtemp(prefix="kinetoscope-pipelines-")))


@asynccontextmanager
async def diffusers(folder: Path) -> AsyncIterator[Subject]:
    made = await asyncio.to_thread(pipelines)
    async with diffusion.engine(folder, made, directories={"image": made / "image"}) as provider:
        yield Subject(provider, diffusion.job(folder, "task_1"), lambda: None)


def hosted(case: Case) -> Lend:
    @asynccontextmanager
    async def lend(folder: Path) -> AsyncIterator[Subject]:
        async with conversing(case) as (provider, upstream):
            yield Subject(provider, case.job(folder), lambda: upstream.only.stay(Stage.DONE))

    return lend


def _job(folder: Path) -> Job:
    order = check.check(builtin().find("gpt-image-2"), {"prompt": "a fox"}, auto_fix=False)
    outputs = folder / "outputs"
    outputs.mkdir()
    return Job(task_id="task_1", order=order, seed=7, references=(), folder=outputs)


LENDERS: dict[str, Lend] = {
    "embedded": embedded,
    "rehearsal": rehearsal,
    "comfyui": comfyui,
    **{case.name: hosted(case) for case in CASES if not case.at_once},
}
every = pytest.mark.parametrize(
    "lend",
    [
        *(pytest.param(lend, id=name) for name, lend in LENDERS.items()),
        pytest.param(diffusers, id="diffusers", marks=diffusion.needs_torch),
    ],
)


@pytest.fixture(scope="module", autouse=True)
def _no_pipelines_left() -> Iterator[None]:
    yield
    if pipelines.cache_info().currsize:
        shutil.rmtree(pipelines())


async def accepted(subject: Subject) -> str:
    outcome = await subject.provider.submit(subject.job)
    assert isinstance(outcome, Accepted), outcome
    return outcome.upstream_id


async def ended(subject: Subject, upstream_id: str) -> Status:
    for _ in range(60):
        status = await subject.provider.status(upstream_id, subject.job)
        if not isinstance(status, Waiting | Working):
            return status
        assert isinstance(status, Waiting) or status.progress is None or 0 <= status.progress <= 1
    pytest.fail("it never ended")


@every
async def test_a_job_is_accepted_made_and_is_what_was_ordered(lend: Lend, tmp_path: Path):
    async with lend(tmp_path) as subject:
        upstream_id = await accepted(subject)
        subject.finish()
        done = await ended(subject, upstream_id)
        assert isinstance(done, Done), done
        assert len(done.files) >= max(1, subject.job.order.count)
        for found in await inspect([file.path for file in done.files], InspectLimits()):
            assert found.kind is subject.job.order.kind


@every
async def test_a_submit_is_repeated_as_the_provider_declares(lend: Lend, tmp_path: Path):
    async with lend(tmp_path) as subject:
        first = await accepted(subject)
        match subject.provider.idempotency:
            case Idempotency.CLIENT_TOKEN:
                assert await accepted(subject) == first
            case Idempotency.LOOKUP:
                assert await subject.provider.find(subject.job) == Accepted(upstream_id=first)
                other = replace(subject.job, task_id="task_2")
                assert isinstance(await subject.provider.find(other), Absent)
            case Idempotency.NEITHER:
                assert subject.provider.polling is not None, "or nobody could clear it up"


@every
async def test_a_job_that_never_was_is_lost(lend: Lend, tmp_path: Path):
    async with lend(tmp_path) as subject:
        await accepted(subject)
        assert isinstance(await subject.provider.status("never-was", subject.job), Lost)


@every
async def test_what_was_stopped_for_certain_is_never_done(lend: Lend, tmp_path: Path):
    async with lend(tmp_path) as subject:
        upstream_id = await accepted(subject)
        outcome = await subject.provider.cancel(upstream_id, subject.job)
        if outcome is CancelOutcome.STOPPED:
            assert isinstance(await ended(subject, upstream_id), Lost | Failed)
        else:
            subject.finish()
            assert isinstance(await ended(subject, upstream_id), Done)


@every
async def test_a_check_makes_nothing(lend: Lend, tmp_path: Path):
    async with lend(tmp_path) as subject:
        condition = await subject.provider.check()
        assert condition.works, condition
        assert list(subject.job.folder.iterdir()) == []


@every
async def test_it_starts_and_stops_as_often_as_it_likes(lend: Lend, tmp_path: Path):
    async with lend(tmp_path) as subject:
        await subject.provider.start()
        await subject.provider.stop()
