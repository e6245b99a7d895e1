"""createTask and recordInfo through HTTP, each beside its floor, in alternating rounds."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench import load
from bench.database import Payer, bare_transactions, make_payers, make_task
from bench.load import Figures, request_bytes
from bench.servers import bare_app, free_port, python, running
from bench.tables import Table
from kinetoscope.kernel.order import JSON
from kinetoscope.ledger import book
from kinetoscope.postgres.embedded import open_server
from kinetoscope.postgres.pool import Connection
from kinetoscope.settings import load_settings
from kinetoscope.tasks import store
from kinetoscope.tasks.task import StoredOutput
from kinetoscope.wiring import Runtime, build_runtime, migrate_database

ROUNDS = 5
ROUND_S = 2.0
CONNECTIONS = (1, 16)
PROCESSES = (1, 2)

CREATE_GOAL = 0.6
RECORD_GOAL = 0.4

BODY = json.dumps(
    {
        "model": "seedance-20",
        "inputs": {
            "prompt": "A beautiful sunset over the ocean",
            "duration": "5",
            "aspectRatio": "16:9",
        },
    }
).encode()

CREATE_COLUMNS = (
    "processes",
    "connections",
    "bare transaction /s",
    "bare statement of ours /s",
    "ours through HTTP /s",
    "to the transaction",
    "to the statement",
    "goal",
    "p50 ms",
    "p99 ms",
)
COLUMNS = ("processes", "connections", "floor /s", "ours /s", "ratio", "goal", "p50 ms", "p99 ms")


def measure(folder: Path) -> list[Table]:
    """Measure both routes over a database of their own, with no worker running."""
    with open_server(folder / "postgres") as server:
        migrate_database(server.conninfo)
        environment = {
            "KINETOSCOPE_DATA_DIR": str(folder),
            # Every request is counted, and none refused.
            "KINETOSCOPE_REQUESTS_PER_SECOND": "1000000",
            "KINETOSCOPE_REQUESTS_BURST": "1000000",
        }
        runtime = build_runtime(load_settings(environment), server.conninfo, patience_s=5)
        payers, task_id = asyncio.run(_prepare(runtime))
        environment["KINETOSCOPE_DATABASE_URL"] = server.conninfo
        creates, records = [], []
        for processes in PROCESSES:
            port, bare_port = free_port(), free_port()
            environment |= {
                "KINETOSCOPE_PORT": str(port),
                "KINETOSCOPE_API_PROCESSES": str(processes),
            }
            with (
                running(python("kinetoscope.cli.api"), environment, port, "/readyz"),
                running(bare_app(bare_port, processes), {}, bare_port, "/document?taskId=x"),
            ):
                for connections in CONNECTIONS:
                    chosen = payers[:connections]
                    creates.append(_create_row(server.conninfo, port, processes, chosen))
                    ports = (bare_port, port)
                    records.append(_record_row(ports, processes, chosen[0], task_id, connections))
    return [
        Table("createTask through HTTP, against its transaction alone", CREATE_COLUMNS, creates),
        Table("recordInfo, against a bare FastAPI route with the same document", COLUMNS, records),
    ]


async def _prepare(runtime: Runtime) -> tuple[list[Payer], str]:
    """Make payers, and one finished task to read."""
    await runtime.database.open()
    payers = await make_payers(runtime.database, max(CONNECTIONS))
    task_id = await make_task(runtime, payers[0])
    task = await store.claim(runtime.database, task_id)
    assert task is not None
    now = runtime.clock()
    output: list[JSON] = [
        StoredOutput(
            name=f"{task.media_name}-1.mp4",
            width=1280,
            height=720,
            media_type="video/mp4",
            seed=1313150473,
            duration_ms=5000,
            bytes_size=800_000,
            has_audio=True,
            last_frame_name=f"{task.media_name}-1-last.png",
        ).as_json()
    ]

    async def steps(connection: Connection) -> None:
        await store.end_success(
            connection,
            task,
            output=output,
            preview=True,
            media_expires_at=now + timedelta(days=14),
            now=now,
        )
        await book.capture(
            connection, task.account_id, task.id, held=task.price, charged=task.price, now=now
        )

    await runtime.database.transact(steps)
    await runtime.database.close()
    return payers, task_id


def _ratio(floors: list[Figures], ours: list[Figures]) -> float:
    return median(mine.rate / floor.rate for mine, floor in zip(ours, floors, strict=True))


def _row(
    processes: int, connections: int, floors: list[Figures], ours: list[Figures], goal: float
) -> tuple[str, ...]:
    assert all(figures.failures == 0 for figures in ours), "a request failed"
    return (
        str(processes),
        str(connections),
        f"{median(figures.rate for figures in floors):,.0f}",
        f"{median(figures.rate for figures in ours):,.0f}",
        f"{_ratio(floors, ours):.2f}",
        f"≥ {goal}",
        f"{median(figures.p50_ms for figures in ours):.2f}",
        f"{median(figures.p99_ms for figures in ours):.2f}",
    )


def _create_row(conninfo: str, port: int, processes: int, payers: list[Payer]) -> tuple[str, ...]:
    requests = [
        request_bytes("POST", "/api/v1/jobs/createTask", payer.key, BODY) for payer in payers
    ]
    load.run(port, requests, 0.5)
    plain, floors, ours = [], [], []
    for _ in range(ROUNDS):
        plain.append(bare_transactions(conninfo, payers, ROUND_S, plain=True))
        floors.append(bare_transactions(conninfo, payers, ROUND_S, plain=False))
        ours.append(load.run(port, requests, ROUND_S))
    row = _row(processes, len(payers), plain, ours, CREATE_GOAL)
    statement_rate = f"{median(figures.rate for figures in floors):,.0f}"
    return (*row[:3], statement_rate, *row[3:5], f"{_ratio(floors, ours):.2f}", *row[5:])


def _record_row(
    ports: tuple[int, int], processes: int, payer: Payer, task_id: str, connections: int
) -> tuple[str, ...]:
    bare_port, port = ports
    bare = [request_bytes("GET", f"/document?taskId={task_id}")] * connections
    path = f"/api/v1/jobs/recordInfo?taskId={task_id}"
    requests = [request_bytes("GET", path, payer.key)] * connections
    load.run(port, requests, 0.5)
    floors, ours = [], []
    for _ in range(ROUNDS):
        floors.append(load.run(bare_port, bare, ROUND_S))
        ours.append(load.run(port, requests, ROUND_S))
    return _row(processes, connections, floors, ours, RECORD_GOAL)
