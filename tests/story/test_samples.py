"""The samples stay readable, whatever becomes of their rows, the worker or the calendar."""

import asyncio
import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from tests.conftest import World
from tests.kept import reaped, statuses
from tests.scripted import PATH_RECORD, ScriptedProvider, done_video, stored_names, tools_for
from tests.story.deployment import deployment, wait_until

from kinetoscope.accounts import accounts
from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.cli.first_start import DEMO_ACCOUNT, ensure_demo
from kinetoscope.providers.contract import Accepted, Done, Failed, Job, Status
from kinetoscope.providers.embedded.provider import EmbeddedProvider
from kinetoscope.providers.rehearsal import RehearsalProvider
from kinetoscope.settings import DEMO_KEY
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.samples import SAMPLES

pytestmark = pytest.mark.anyio

DEMO = {"Authorization": f"Bearer {DEMO_KEY}"}

ENDS = {
    "demo_task_t2v_success": None,
    "demo_task_i2v_success": None,
    "demo_task_fail_text_moderation": "2038",
    "demo_task_fail_face_detected": "4011",
    "demo_task_fail_server_error": "500",
}

TOO_LATE = timedelta(hours=2)


async def work(world: World) -> list[str]:
    """Run every sample as a worker would, with quick films; return what was rendered."""
    successes = sum(code is None for code in ENDS.values())

    def accept(job: Job) -> Accepted:
        assert job.may_wait
        return Accepted(upstream_id=job.task_id)

    inner = ScriptedProvider(
        submits=[accept] * successes,
        statuses=[done_video] * successes,
    )
    provider = RehearsalProvider(inner, world.clock)
    tools = replace(tools_for(world), providers={provider.name: provider})
    for sample in SAMPLES:
        await advance(tools, sample.id)
    return inner.submitted


async def read(world: World, task_id: str) -> dict[str, Any]:
    response = await world.client.get(PATH_RECORD, params={"taskId": task_id}, headers=DEMO)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def assert_all_as_they_should_be(world: World) -> list[str]:
    """Read all five; return the addresses of their files."""
    addresses = []
    for task_id, code in ENDS.items():
        found = await read(world, task_id)
        assert (found["error"] or {}).get("code") == code, found
        assert found["status"] == ("success" if code is None else "fail")
        addresses += [item["url"] for item in found["output"] or ()]
    assert await statuses(world, addresses) == {200}
    assert await audit(world.runtime.database) == []
    return addresses


async def test_starts_at_once_make_five_samples_with_one_job_each(world: World):
    await asyncio.gather(*(ensure_demo(world.runtime) for _ in range(8)))
    assert await world.count("task") == await world.count("procrastinate_jobs") == 5
    assert await audit(world.runtime.database) == []
    await work(world)
    await assert_all_as_they_should_be(world)


async def test_the_reaper_never_takes_them(world: World):
    await ensure_demo(world.runtime)
    await work(world)
    stored = stored_names(world)
    assert len(stored) == 4
    for _ in range(3):
        world.clock.move(timedelta(days=365))
        await reaped(world)
    assert stored_names(world) == stored
    await assert_all_as_they_should_be(world)


async def test_samples_whose_rows_are_gone_come_again(world: World):
    await ensure_demo(world.runtime)
    await work(world)
    for table in ("media_file", "task", "api_key"):
        await world.runtime.database.execute(f"delete from {table}", {})
    await ensure_demo(world.runtime)
    assert len(await work(world)) == 2
    await assert_all_as_they_should_be(world)


async def test_samples_that_went_wrong_begin_anew_with_the_next_start(world: World):
    await ensure_demo(world.runtime)
    world.clock.move(TOO_LATE)
    assert await work(world) == []
    assert (await read(world, "demo_task_t2v_success"))["status"] == "fail"
    await ensure_demo(world.runtime)
    await work(world)
    await assert_all_as_they_should_be(world)


async def test_a_start_leaves_those_alone_that_are_fine(world: World):
    await ensure_demo(world.runtime)
    await work(world)
    before = [await read(world, task_id) for task_id in ENDS]
    jobs = await world.count("procrastinate_jobs")
    world.clock.move(timedelta(minutes=1))
    await ensure_demo(world.runtime)
    assert await work(world) == []
    assert [await read(world, task_id) for task_id in ENDS] == before
    assert await world.count("procrastinate_jobs") == jobs


async def test_they_hold_nothing_and_stand_in_nobodys_way(world: World):
    await ensure_demo(world.runtime)
    demo = await accounts.by_name(world.runtime.database, DEMO_ACCOUNT)
    assert (demo.available, demo.held, demo.spent, demo.tasks_running) == (0, 0, 0, 0)
    await work(world)
    assert await world.count("ledger_entry") == 0


async def test_a_sample_delays_no_other_rendering(tmp_path: Path):
    provider = EmbeddedProvider(processes=1, folder=tmp_path / "embedded")
    await provider.start()
    try:
        long = job_for(tmp_path, "demo_1", {"prompt": "the sea", "duration": 15}, may_wait=True)
        await provider.submit(long)
        while not provider.renderings["demo_1"].started:
            await provider.status("demo_1", long)
        other = job_for(tmp_path, "task_1", {"prompt": "the sea", "duration": 4}, may_wait=False)
        await provider.submit(other)
        assert isinstance(await end_of(provider, other), Done)
        assert provider.renderings["demo_1"].ended is None
        await provider.cancel("demo_1", long)
        assert provider.spare_pool.alive == set()
    finally:
        await provider.stop()


def job_for(folder: Path, task_id: str, inputs: dict[str, Any], *, may_wait: bool) -> Job:
    order = check.check(builtin().find("seedance-20"), {**inputs, "outputResolution": "480p"})
    outputs = folder / task_id
    outputs.mkdir()
    return Job(
        task_id=task_id, order=order, seed=1, references=(), folder=outputs, may_wait=may_wait
    )


async def end_of(provider: EmbeddedProvider, job: Job) -> Status:
    async with asyncio.timeout(120):
        while True:
            status = await provider.status(job.task_id, job)
            if isinstance(status, Done | Failed):
                return status


def test_a_first_start_that_is_killed_shows_them_all_after_the_next():
    with deployment(KINETOSCOPE_REQUESTS_BURST="1000000") as deployed:
        deployed.kill()
        wait_until(lambda: deployed.processes() == [], 30, "what was killed is gone")
        deployed.start()
        process = deployed.process
        assert process is not None
        assert process.stdout is not None
        name, _, command = process.stdout.readline().strip().partition(" ")
        assert name == "demo"
        with deployed.client(DEMO_KEY) as client:
            records = deployed.wait(client, list(ENDS), timeout_s=120)
            films = [client.get(item["url"]) for item in _items(records)]
        shown = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
        assert json.loads(shown.stdout) == records[0]
        for (task_id, code), found in zip(ENDS.items(), records, strict=True):
            assert (found["taskId"], (found["error"] or {}).get("code")) == (task_id, code)
            assert (found["creditsUsed"], found["expiresAt"]) == (0, None)
        for number, film in enumerate(films):
            path = deployed.folder / f"{number}.mp4"
            path.write_bytes(film.content)
            with av.open(str(path)) as container:
                assert container.streams.video[0].frames == 120
        assert "0 discrepancies" in deployed.run("doctor")


def _items(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for record in records for item in record["output"] or ()]
