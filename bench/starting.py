"""How soon things begin: the server, and a rendering after its task was created."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median, quantiles

import psycopg

from bench.servers import free_port, python, running, wait_for
from bench.tables import Table
from kinetoscope.cli.first_start import ensure_local
from kinetoscope.postgres.embedded import open_server
from kinetoscope.settings import load_settings
from kinetoscope.wiring import run_in

ROOT = Path(__file__).parent.parent

STARTS = 5
TASKS = 30

IMAGE = {"model": "gpt-image-2", "inputs": {"prompt": "A quiet lake"}}


def measure(folder: Path) -> list[Table]:
    """Measure an install, starts, and the time from createTask to the start of rendering."""
    rows: list[tuple[str, ...]] = [
        ("`./dev run` in a fresh clone to the first 200", *_installs(folder / "clone"))
    ]
    data = folder / "data"
    data.mkdir(mode=0o755)
    first_s = _start_s(data)
    later_s = [_start_s(data) for _ in range(STARTS)]
    rows.append(("first start to the first 200", f"{first_s:.2f} s", ""))
    rows.append(
        (
            "later start to the first 200",
            f"{median(later_s):.2f} s (worst {max(later_s):.2f})",
            "≤ 3 s",
        )
    )
    begun_ms = _begun_ms(data)
    rows.append(
        (
            "createTask to rendering begun, idle server",
            f"p50 {median(begun_ms):.1f} ms, p90 {quantiles(begun_ms, n=10)[-1]:.1f} ms",
            "p50 ≤ 30 ms",
        )
    )
    return [Table("How soon things begin", ("what", "took", "goal"), rows)]


def _environment(data: Path, port: int) -> dict[str, str]:
    return {"KINETOSCOPE_DATA_DIR": str(data), "KINETOSCOPE_PORT": str(port)}


def _start_s(data: Path) -> float:
    port = free_port()
    command = python("kinetoscope", "serve")
    with running(command, _environment(data, port), port, "/livez") as seconds:
        return seconds


def _installs(clone: Path) -> tuple[str, str]:
    """Clone the committed state and run the README's first command there."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    data = clone.parent / "clone-data"
    data.mkdir(mode=0o755)
    port = free_port()
    base = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}  # noqa: TID251
    started_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(clone / "dev"), "run"],
        env={**base, **_environment(data, port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", process)
        return f"{time.perf_counter() - started_s:.1f} s", "≤ 60 s"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(clone)


def _begun_ms(data: Path) -> list[float]:
    """Create tasks one after the other on an idle server and read what the rows say."""
    port = free_port()
    settings = load_settings(_environment(data, port))
    with (
        open_server(data / "postgres") as server,
        running(python("kinetoscope", "serve"), _environment(data, port), port, "/readyz"),
    ):
        key = asyncio.run(run_in(settings, server.conninfo, ensure_local))
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            for _ in range(TASKS + 1):
                task_id = _create(port, str(key))
                _wait_for_end(connection, task_id)
            rows = connection.execute(
                """
                select extract(epoch from started_at - created_at)::float8 * 1000
                from task order by created_at offset 1
                """
            ).fetchall()
    return [float(row[0]) for row in rows]


def _create(port: int, key: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/jobs/createTask",
        data=json.dumps(IMAGE).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - our own address
        return str(json.load(response)["taskId"])


def _wait_for_end(connection: psycopg.Connection[tuple[object, ...]], task_id: str) -> None:
    deadline_s = time.perf_counter() + 60
    query = "select status from task where id = %s and status in ('success', 'fail')"
    while (row := connection.execute(query, (task_id,)).fetchone()) is None:
        assert time.perf_counter() < deadline_s, "a task did not end"
        time.sleep(0.02)
    assert row == ("success",)
