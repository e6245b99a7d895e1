"""Whatever is killed in the middle of work: every task ends, and is paid for once or not at all."""

import json
import random
import re
from itertools import count
from typing import Any

import httpx
import psutil
import pytest
from tests.story.deployment import Deployment, deployment, wait_until

Record = dict[str, Any]

TASKS: tuple[tuple[str, dict[str, object]], ...] = (
    ("seedance-20", {"duration": 4, "outputResolution": "480p", "aspectRatio": "16:9"}),
    ("nanobanana-pro", {"resolution": "1k"}),
    ("midjourney-v8", {}),
    ("seedance2.0-mini", {"duration": 4, "outputResolution": "480p", "aspectRatio": "1:1"}),
    ("gpt-image-2", {}),
    ("kinetoscope-soundscape", {"duration": 5}),
)


SAMPLES = ["demo_task_t2v_success", "demo_task_i2v_success"]
"""The demo's own, made beside everything else on a first start: by one of these deployments."""


@pytest.mark.parametrize("victim", ["worker", "postgres", "serve", "api"])
def test_a_kill_loses_no_task_and_charges_none_twice(victim: str):
    chance = random.Random(victim)
    has_samples = victim == "serve"
    with deployment(**{} if has_samples else {"KINETOSCOPE_DEMO_KEY": "off"}) as deployed:
        with deployed.client() as client:
            task_ids = [
                deployed.create(client, model, prompt=f"A lighthouse at night {number}", **inputs)
                for number, (model, inputs) in zip(count(), TASKS * 2, strict=False)
            ]
            for _ in range(2):
                _wait_for_work(deployed, client, task_ids, chance)
                _kill(deployed, victim)
            records = deployed.wait(client, task_ids, timeout_s=150)
            samples = deployed.wait(client, SAMPLES if has_samples else [], timeout_s=150)
        assert [record["status"] for record in records] == ["success"] * len(task_ids)
        _assert_paid_once(deployed, records)
        _assert_stored_once(deployed, [*records, *samples])
        if victim == "worker":
            # The next one is told whose jobs they were, and waits for nobody's silence.
            assert re.search(r"worker\.succeeds +tasks=[1-9]", deployed.log)


def _wait_for_work(
    deployed: Deployment, client: httpx.Client, task_ids: list[str], chance: random.Random
) -> None:
    """Wait until a task is being made, and then a moment that differs from kill to kill."""
    past = chance.randrange(5, 60)

    def at_it() -> bool:
        records = [deployed.record(client, task_id) for task_id in task_ids]
        return any(
            record["status"] == "generating" and (record["progress"] or 0) >= past
            for record in records
        ) or all(record["status"] == "success" for record in records)

    wait_until(at_it, 60, "a task is being made")


def _kill(deployed: Deployment, victim: str) -> None:
    match victim:
        case "serve":
            deployed.kill()
            wait_until(lambda: deployed.processes() == [], 10, "its parts end with it")
            deployed.start()
        case "postgres":
            pid_file = deployed.folder / "postgres" / "data" / "postmaster.pid"
            psutil.Process(int(pid_file.read_text().split()[0])).kill()
        case part:
            wait_until(lambda: deployed.part(part) is not None, 10, f"{part} runs")
            process = deployed.part(part)
            assert process is not None
            process.kill()


def _assert_paid_once(deployed: Deployment, records: list[Record]) -> None:
    balance = json.loads(deployed.run("credits", "show", "--account", "local", "--json"))
    spent = sum(round(record["creditsUsed"] * 100) for record in records)
    assert round(float(balance["spent"]) * 100) == spent
    assert round(float(balance["available"]) * 100) == 1_000_000 - spent
    assert (balance["held"], balance["tasksRunning"]) == ("0", 0)
    assert "0 discrepancies" in deployed.run("doctor")


def _assert_stored_once(deployed: Deployment, records: list[Record]) -> None:
    """Every file in the store belongs to a record, and every record's files are there."""
    urls = [
        url
        for record in records
        for output in record["output"]
        for url in (output["url"], output.get("lastFrameImage"))
        if url is not None
    ]
    names = sorted(url.partition("?")[0].rpartition("/")[2] for url in urls)
    assert sorted(path.name for path in deployed.stored_files()) == names
    assert len(set(names)) == len(names)


def test_serve_keeps_as_many_workers_as_it_was_told():
    with deployment(KINETOSCOPE_WORKER_PROCESSES="2", KINETOSCOPE_DEMO_KEY="off") as deployed:
        wait_until(lambda: len(deployed.parts("worker")) == 2, 30, "two workers run")
        before = {process.pid for process in deployed.parts("worker")}
        victim = deployed.parts("worker")[0]
        victim.kill()

        def another() -> bool:
            return len({process.pid for process in deployed.parts("worker")} - before) == 1

        wait_until(another, 30, "another one takes its place")
        assert len(deployed.parts("worker")) == 2
        assert deployed.stop() == 0
        assert deployed.processes() == []
