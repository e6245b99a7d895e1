"""Bringing finished files here."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.case import conversing
from tests.providers.upstream import Fault, Stage, Verb
from tests.providers.wire_faulty import CASES

from kinetoscope.providers.contract import Accepted, Done, Job
from kinetoscope.providers.hosted import HostedProvider
from kinetoscope.providers.results import RESULTS_AT_ONCE

pytestmark = pytest.mark.anyio

JOBS = RESULTS_AT_ONCE + 4


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def submitted(provider: HostedProvider, job: Job) -> str:
    outcome = await provider.submit(job)
    assert isinstance(outcome, Accepted), outcome
    return outcome.upstream_id


async def test_only_so_many_jobs_bring_their_files_at_once(tmp_path: Path):
    case = CASES[0]
    async with conversing(case) as (provider, upstream):
        jobs = []
        for number in range(JOBS):
            folder = tmp_path / str(number)
            folder.mkdir()
            job = replace(case.job(tmp_path), task_id=f"task_{number}", folder=folder)
            jobs.append((await submitted(provider, job), job))
        for made in upstream.jobs.values():
            made.stay(Stage.DONE)
        upstream.fault(Verb.FILE, *[Fault(status=200, body="a file", stall_s=2)] * JOBS)
        bringing = [asyncio.create_task(provider.status(*each)) for each in jobs]
        async with asyncio.timeout(20):
            while len(upstream.of(Verb.FILE)) < RESULTS_AT_ONCE:  # noqa: ASYNC110 - it is another server
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # the others would come now
        assert len(upstream.of(Verb.FILE)) == RESULTS_AT_ONCE
        assert all(isinstance(status, Done) for status in await asyncio.gather(*bringing))
        assert len(upstream.of(Verb.FILE)) == JOBS
