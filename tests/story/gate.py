"""The gate: many tasks through an upstream that fails in every way, while processes are killed.

`run` does it and returns what happened; `faults_of` says what should never have happened.
"""

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from tests.providers.upstream import KEY
from tests.story.deployment import (
    SURROUNDINGS,
    Deployment,
    data_folder,
    free_port,
    wait_until,
)
from tests.story.gate_upstream import REFUSALS, WAYS

ROOT = Path(__file__).parents[2]
MODEL = "gpt-image-2"
PRICE = 217
GRANT = 10_000_000
UNKNOWN_DEADLINE_S = 15
CREATORS = 4
WORKERS = 2
TASKS_AT_ONCE = 100
"""Of each worker: its jobs take a second at most, and every kill has these done anew."""
FAIL_CODES = {"500", "2038", "submit_unknown"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of everything. `faults` scales the shares of `gate_upstream`."""

    tasks: int
    worker_kills: int
    postgres_kills: int
    seed: int
    faults: float = 1.0
    timeout_s: float = 300
    ways: tuple[str, ...] = WAYS
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened, told by both sides."""

    wall_s: float
    created: list[str]
    rows: dict[str, dict[str, Any]]
    entries: Counter[tuple[str, str]]
    balance: dict[str, Any]
    doctor: str
    upstream: dict[str, dict[str, Any]]
    calls: dict[str, int]
    kills: int


def run(plan: Plan) -> Outcome:
    """Start everything, create the tasks, kill what there is to kill, wait for the end."""
    chance = random.Random(plan.seed)
    with data_folder() as folder, upstream_of(plan) as address:
        deployed = deployment_of(folder, address, plan)
        try:
            deployed.start()
            deployed.run("accounts", "limit", "local", "--tasks-running-max", str(plan.tasks + 1))
            started_s = time.monotonic()
            created: list[str] = []
            creating = threading.Thread(target=create_all, args=(deployed, plan, created))
            creating.start()
            kills = _kill_while_working(deployed, plan, chance)
            creating.join()
            _wait_for_end(deployed, plan)
            wall_s = time.monotonic() - started_s
            return _look(deployed, address, created, wall_s, kills)
        finally:
            end(deployed)


def deployment_of(folder: Path, address: str, plan: Plan) -> Deployment:
    providers = folder / "config" / "providers"
    providers.mkdir(parents=True)
    for way in plan.ways:
        (providers / f"{way}.toml").write_text(
            f'adapter = "{way}"\nbase_url = "{address}/{way}"\nkey_name = "faulty"\n'
        )
    extra = {
        "PYTHONPATH": str(ROOT),
        "KINETOSCOPE_ADAPTERS": "tests.providers.wire_faulty",
        "KINETOSCOPE_PROVIDER_FAULTY_KEY": KEY,
        "KINETOSCOPE_UPSTREAM_CALLBACKS": "1",
        "KINETOSCOPE_UNKNOWN_DEADLINE": str(UNKNOWN_DEADLINE_S),
        "KINETOSCOPE_FIRST_GRANT": str(GRANT // 100),
        "KINETOSCOPE_DEMO_KEY": "off",
        "KINETOSCOPE_LOG_LEVEL": "WARNING",
        "KINETOSCOPE_WORKER_PROCESSES": str(WORKERS),
        "KINETOSCOPE_HOSTED_TASKS": str(TASKS_AT_ONCE),
        **plan.environment,
    }
    return Deployment(folder, extra=extra)


@contextlib.contextmanager
def upstream_of(plan: Plan) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.story.gate_upstream",
            *map(str, (port, plan.seed, plan.faults)),
        ],
        cwd=ROOT,
        env={**SURROUNDINGS, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"port": port}
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def create_all(deployed: Deployment, plan: Plan, created: list[str]) -> None:
    """Create every task once, whatever happens to the server meanwhile: equal requests are one."""

    def create(numbers: range) -> None:
        with contextlib.closing(HTTPConnection("127.0.0.1", deployed.port, timeout=30)) as client:
            for number in numbers:
                created.append(_create(client, deployed, number))  # noqa: PERF401 - seen as it grows

    shares = [range(start, plan.tasks, CREATORS) for start in range(CREATORS)]
    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(create, shares))


def _create(client: HTTPConnection, deployed: Deployment, number: int) -> str:
    body = json.dumps({"model": MODEL, "inputs": {"prompt": f"a fox, number {number}"}})
    headers = {
        "Authorization": f"Bearer {deployed.banner['key']}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"gate-{number}",
    }
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            client.request("POST", "/api/v1/jobs/createTask", body, headers)
            answer = client.getresponse()
            text = answer.read().decode()
        except (HTTPException, OSError):
            client.close()
        else:
            if answer.status == 200:
                return str(json.loads(text)["taskId"])
            assert answer.status in {409, 503}, text
        time.sleep(0.1)
    log = deployed.log[-2000:]
    raise AssertionError(f"task {number} could not be created within a minute; log:\n{log}")


def _kill_while_working(deployed: Deployment, plan: Plan, chance: random.Random) -> int:
    """Kill workers and the database at moments spread over the work, whatever they are doing."""
    victims = ["worker"] * plan.worker_kills + ["postgres"] * plan.postgres_kills
    chance.shuffle(victims)
    ended_before = 0
    for done, victim in enumerate(victims, start=1):
        share = done / (len(victims) + 1) * plan.tasks
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            ended = _ended(deployed)
            if ended >= share and ended > ended_before:
                break
            time.sleep(0.2)
        ended_before = _ended(deployed)
        time.sleep(chance.uniform(0, 0.5))
        _kill(deployed, victim, chance)
    return len(victims)


def _kill(deployed: Deployment, victim: str, chance: random.Random) -> None:
    if victim == "postgres":
        pid_file = deployed.folder / "postgres" / "data" / "postmaster.pid"
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            psutil.Process(int(pid_file.read_text().split()[0])).kill()
        return
    wait_until(lambda: deployed.parts("worker") != [], 30, "a worker runs")
    chance.choice(deployed.parts("worker")).kill()


def rows_of(deployed: Deployment, query: str) -> list[tuple[Any, ...]]:
    """Ask the database itself, with the address that its processes were given."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(_address(deployed)) as connection:
                return connection.execute(query.encode()).fetchall()
        except (psycopg.Error, psutil.Error, AssertionError):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)


def _address(deployed: Deployment) -> str:
    part = deployed.part("api")
    assert part is not None
    return part.environ()["KINETOSCOPE_DATABASE_URL"]


def _ended(deployed: Deployment) -> int:
    query = "select count(*) from ledger_entry where kind in ('capture', 'release')"
    return int(rows_of(deployed, query)[0][0])


def _wait_for_end(deployed: Deployment, plan: Plan) -> None:
    wait_until(
        lambda: _ended(deployed) >= plan.tasks,
        plan.timeout_s,
        f"all tasks end; log:\n{deployed.log[-2000:]}",
        every_s=0.5,
    )


def _look(
    deployed: Deployment, address: str, created: list[str], wall_s: float, kills: int
) -> Outcome:
    rows = rows_of(
        deployed, "select id, status, provider, error_code, submits, epoch, price from task"
    )
    names = ("status", "provider", "error_code", "submits", "epoch", "price")
    entries = rows_of(deployed, "select task_id, kind from ledger_entry where task_id is not null")
    account = rows_of(
        deployed, "select available, held, spent, tasks_running from account where name = 'local'"
    )
    report = httpx.get(f"{address}/report", timeout=60).json()
    return Outcome(
        wall_s=wall_s,
        created=created,
        rows={row[0]: dict(zip(names, row[1:], strict=True)) for row in rows},
        entries=Counter((entry[0], entry[1]) for entry in entries),
        balance=dict(zip(("available", "held", "spent", "running"), account[0], strict=True)),
        doctor=deployed.run("doctor"),
        upstream=report["tasks"],
        calls=report["calls"],
        kills=kills,
    )


def end(deployed: Deployment) -> None:
    if deployed.process is not None and deployed.process.poll() is None:
        deployed.stop()
    for left in deployed.processes():
        with contextlib.suppress(psutil.Error):
            left.kill()


def faults_of(plan: Plan, outcome: Outcome) -> list[str]:
    """Say what should never have happened."""
    return [
        *_lost(plan, outcome),
        *_money(outcome),
        *(fault for task_id in outcome.created for fault in _submits(outcome, task_id)),
    ]


def _lost(plan: Plan, outcome: Outcome) -> Iterator[str]:
    if len(set(outcome.created)) != plan.tasks or set(outcome.created) != set(outcome.rows):
        yield f"{plan.tasks} wanted, {len(set(outcome.created))} told, {len(outcome.rows)} kept"
    for task_id, row in outcome.rows.items():
        if row["status"] not in {"success", "fail"}:
            yield f"{task_id} is {row['status']}"
        if row["status"] == "fail" and row["error_code"] not in FAIL_CODES:
            yield f"{task_id} failed with {row['error_code']}"
        if row["status"] == "success" and not _made(outcome, task_id):
            yield f"{task_id} is a success that nobody made"


def _money(outcome: Outcome) -> Iterator[str]:
    successes = sum(row["status"] == "success" for row in outcome.rows.values())
    spent = successes * PRICE
    expected = {"available": GRANT - spent, "held": 0, "spent": spent, "running": 0}
    if outcome.balance != expected:
        yield f"the account has {outcome.balance}, not {expected}"
    for task_id, row in outcome.rows.items():
        end = "capture" if row["status"] == "success" else "release"
        for kind, times in (("hold", 1), (end, 1)):
            if outcome.entries[task_id, kind] != times:
                yield f"{task_id} has {outcome.entries[task_id, kind]} entries {kind}"
    if sum(outcome.entries.values()) != 2 * len(outcome.rows):
        yield "there are entries too many"
    if "0 discrepancies" not in outcome.doctor:
        yield outcome.doctor


def _submits(outcome: Outcome, task_id: str) -> Iterator[str]:
    """One job at most, whoever was asked; and nothing sent again that may have arrived."""
    seen = outcome.upstream.get(task_id)
    if seen is None:
        return
    if sum(seen["made"].values()) > 1:
        yield f"{task_id} was made twice: {seen}"
    sent = seen["sent"].get("neither", [])
    if any(answer not in REFUSALS for answer in sent[:-1]):
        yield f"{task_id} was sent again to one who knows neither token nor lookup: {sent}"


def _made(outcome: Outcome, task_id: str) -> int:
    """How many jobs the upstream made for a task."""
    return sum(outcome.upstream.get(task_id, {"made": {}})["made"].values())
