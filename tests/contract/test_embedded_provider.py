"""The embedded provider keeps its promises, whatever happens to its processes."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from typing_extensions import override

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.providers.contract import Accepted, CancelOutcome, Done, Failed, Job, Lost, Status
from kinetoscope.providers.embedded.process import ProcessPool, RenderingBroke
from kinetoscope.providers.embedded.provider import EmbeddedProvider, work_of

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


async def test_renderings_cancelled_while_their_process_starts_leave_none_behind(tmp_path: Path):
    pool = ProcessPool(1)
    work = work_of(job_for(tmp_path, "task_1"), ())
    before = set(psutil.Process().children())
    for after_s in (0.0, 0.005, 0.02, 0.1, 0.1):
        rendering = asyncio.create_task(
            pool.render(work, tmp_path, lambda: None, lambda _share: None)
        )
        await asyncio.sleep(after_s)
        rendering.cancel()
        await asyncio.wait([rendering])
        assert rendering.cancelled()
    assert pool.alive == set()
    assert pool.idle == []
    assert set(psutil.Process().children()) <= before


async def test_a_second_cancellation_leaves_no_process_behind_either(tmp_path: Path):
    pool = ProcessPool(1)
    work = work_of(job_for(tmp_path, "task_1"), ())
    rendering = asyncio.create_task(pool.render(work, tmp_path, lambda: None, lambda _share: None))
    while not pool.alive:  # noqa: ASYNC110 - there is nothing to wait for
        await asyncio.sleep(0)
    (process,) = pool.alive
    rendering.cancel()
    await asyncio.sleep(0)
    rendering.cancel()
    await asyncio.wait([rendering])
    async with asyncio.timeout(5):
        assert await process.wait() == -signal.SIGKILL
    assert pool.alive == set()


async def test_a_cancelled_start_leaves_no_process_behind(tmp_path: Path):
    provider = EmbeddedProvider(processes=2, folder=tmp_path / "embedded")
    starting = asyncio.create_task(provider.start())
    while len(provider.pool.alive) < 2:  # noqa: ASYNC110 - there is nothing to wait for
        await asyncio.sleep(0)
    processes = list(provider.pool.alive)
    starting.cancel()
    await asyncio.wait([starting])
    async with asyncio.timeout(5):
        assert [await process.wait() for process in processes] == [-signal.SIGKILL] * 2
    assert provider.pool.alive == set()


async def test_a_ctrl_c_for_the_worker_does_not_reach_what_it_renders(provider: EmbeddedProvider):
    """A terminal sends it to all processes of the group in the foreground."""
    (process,) = provider.pool.alive
    assert os.getsid(process.pid) == process.pid


WORKER = """
import asyncio
from pathlib import Path
from kinetoscope.providers.embedded.process import ProcessPool
async def main():
    pool = ProcessPool(1)
    await pool.start()
    print(*[process.pid for process in pool.alive], flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_a_process_ends_with_its_worker_however_that_ends():
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    child = psutil.Process(int(await worker.stdout.readline()))
    worker.kill()
    await worker.wait()
    await asyncio.to_thread(child.wait, 10)
