"""The embedded provider keeps its promises, whatever happens to its processes."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typing_extensions import override

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.providers.contract import Accepted, CancelOutcome, Done, Failed, Job, Lost, Status
from kinetoscope.providers.embedded.process import ProcessPool, RenderingBroke
from kinetoscope.providers.embedded.provider import EmbeddedProvider

pytestmark = pytest.mark.anyio


def job_for(folder: Path, task_id: str) -> Job:
    catalog = builtin()
    order = check.check(
        catalog.find("kinetoscope-soundscape"), {"prompt": "rain", "duration": 1}, auto_fix=False
    )
    outputs = folder / f"{task_id}-outputs"
    outputs.mkdir(exist_ok=True)
    return Job(task_id=task_id, order=order, seed=1, references=(), folder=outputs)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[EmbeddedProvider]:
    made = EmbeddedProvider(processes=1, folder=tmp_path / "embedded")
    await made.start()
    yield made
    await made.stop()


async def end_of(provider: EmbeddedProvider, job: Job) -> Status:
    async with asyncio.timeout(60):
        while True:
            status = await provider.status(job.task_id, job)
            if isinstance(status, Done | Failed | Lost):
                return status


async def test_a_job_is_done_and_its_file_is_handed_over(
    provider: EmbeddedProvider, tmp_path: Path
):
    job = job_for(tmp_path, "task_1")
    assert await provider.submit(job) == Accepted(upstream_id="task_1")
    ended = await end_of(provider, job)
    assert isinstance(ended, Done)
    assert ended.preview
    assert not ended.ai_generated
    assert [file.path.parent for file in ended.files] == [job.folder]
    assert ended.files[0].path.read_bytes()[:4] == b"RIFF"
    assert await provider.status("task_1", job) == Lost()


async def test_submitting_twice_makes_one_job(provider: EmbeddedProvider, tmp_path: Path):
    job = job_for(tmp_path, "task_1")
    first, second = await asyncio.gather(provider.submit(job), provider.submit(job))
    assert first == second == Accepted(upstream_id="task_1")
    assert len(provider.renderings) == 1
    assert isinstance(await end_of(provider, job), Done)


async def test_processes_that_died_while_idle_cost_nobody_a_job(
    provider: EmbeddedProvider, tmp_path: Path
):
    for process in list(provider.pool.alive):
        process.kill()
        await process.wait()
    job = job_for(tmp_path, "task_1")
    await provider.submit(job)
    assert isinstance(await end_of(provider, job), Done)


async def test_a_process_that_dies_at_work_is_replaced(provider: EmbeddedProvider, tmp_path: Path):
    job = job_for(tmp_path, "task_1")
    await provider.submit(job)
    await provider.renderings["task_1"].news.wait()
    for process in list(provider.pool.alive):
        process.kill()
    assert isinstance(await end_of(provider, job), Done)


async def test_a_cancelled_job_frees_its_place(provider: EmbeddedProvider, tmp_path: Path):
    job = job_for(tmp_path, "task_1")
    await provider.submit(job)
    assert await provider.cancel("task_1", job) is CancelOutcome.STOPPED
    assert await provider.status("task_1", job) == Lost()
    other = job_for(tmp_path, "task_2")
    await provider.submit(other)
    assert isinstance(await end_of(provider, other), Done)
    assert list((tmp_path / "embedded").iterdir()) == []


class StubbornPool(ProcessPool):
    """A pool on a machine that has no room for another process, for a while."""

    refusals = 0

    @override
    async def _spawn(self) -> Process:
        if self.refusals:
            self.refusals -= 1
            raise RenderingBroke("no room")
        return await super()._spawn()


async def test_a_process_that_cannot_start_fails_a_job_and_no_more(tmp_path: Path):
    provider = EmbeddedProvider(processes=1, folder=tmp_path / "embedded")
    pool = provider.pool = StubbornPool(1)
    pool.refusals = 2
    provider.folder.mkdir()
    first, second = job_for(tmp_path, "task_1"), job_for(tmp_path, "task_2")
    try:
        await provider.submit(first)
        assert isinstance(await end_of(provider, first), Failed)
        await provider.submit(second)
        assert isinstance(await end_of(provider, second), Done)
    finally:
        await provider.stop()
