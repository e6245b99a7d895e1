"""What it costs a worker to wait for a slow upstream: 5,000 tasks at once."""

import time
from pathlib import Path

import httpx
import psutil
from tests.providers.wire_faulty import SLOW
from tests.story import gate
from tests.story.deployment import Deployment, data_folder, wait_until

from bench.tables import Table

TASKS = 5_000
WATCHED_S = 30
PLAN = gate.Plan(
    tasks=TASKS,
    worker_kills=0,
    postgres_kills=0,
    seed=1,
    faults=0,
    ways=(SLOW.name,),
    environment={
        "KINETOSCOPE_WORKER_PROCESSES": "1",
        "KINETOSCOPE_HOSTED_TASKS": str(TASKS),
    },
)
MEBIBYTE = 1024 * 1024


def measure(_folder: Path) -> list[Table]:
    """Have an upstream take tasks and never finish them; look at the worker that waits."""
    with data_folder() as folder, gate.upstream_of(PLAN) as address:
        deployed = gate.deployment_of(folder, address, PLAN)
        try:
            deployed.start()
            deployed.run("accounts", "limit", "local", "--tasks-running-max", str(TASKS))
            wait_until(lambda: deployed.part("worker") is not None, 30, "a worker runs")
            idle_bytes = _worker(deployed).memory_info().rss
            began_s = time.monotonic()
            gate.create_all(deployed, PLAN, [])
            wait_until(
                lambda: _waiting(deployed) == TASKS, 300, "all are at the upstream", every_s=1
            )
            taken_s = time.monotonic() - began_s
            worker = _worker(deployed)
            before_s, polls_before = sum(worker.cpu_times()[:2]), _polls(address)
            time.sleep(WATCHED_S)
            cpu = (sum(worker.cpu_times()[:2]) - before_s) / WATCHED_S
            polls = (_polls(address) - polls_before) / WATCHED_S
            full_bytes = worker.memory_info().rss
        finally:
            gate.end(deployed)
    per_task = (full_bytes - idle_bytes) / TASKS / 1024
    row = (
        f"{TASKS:,}",
        f"{taken_s:.0f}",
        f"{idle_bytes / MEBIBYTE:.0f}",
        f"{full_bytes / MEBIBYTE:.0f}",
        f"{per_task:.0f}",
        f"{polls:.0f}",
        f"{cpu:.2f}",
    )
    head = (
        "tasks",
        "taken on in s",
        "idle MiB",
        "waiting MiB",
        "KiB per task",
        "polls /s",
        "cores used",
    )
    return [Table(heading="Waiting for a slow upstream in one worker", columns=head, rows=[row])]


def _worker(deployed: Deployment) -> psutil.Process:
    process = deployed.part("worker")
    assert process is not None
    return process


def _waiting(deployed: Deployment) -> int:
    query = "select count(*) from task where upstream_id is not null and status = 'generating'"
    return int(gate.rows_of(deployed, query)[0][0])


def _polls(address: str) -> int:
    calls = httpx.get(f"{address}/report", timeout=60).json()["calls"]
    return int(calls.get(f"status {SLOW.name}", 0))
