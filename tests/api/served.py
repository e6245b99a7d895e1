"""The API over a real socket, in a process of its own, for what no client in this process sees."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.story.deployment import SURROUNDINGS, free_port

START = """
import importlib, sys
from kinetoscope.cli import api
{changes}
api.main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back over a connection."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server, how to talk to it, and what it has logged."""

    port: int
    client: httpx.AsyncClient
    log_path: Path
    connections: list["Connection"] = field(default_factory=list)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    async def begin(self, head: str, body: bytes = b"") -> "Connection":
        """Open a connection and send a request's beginning."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = head.strip().replace("\n", "\r\n") + "\r\nHost: kinetoscope.test\r\n\r\n"
        writer.write(lines.encode() + body)
        await writer.drain()
        self.connections.append(Connection(reader, writer))
        return self.connections[-1]


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection, with no client library in between."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, timeout_s: float = 30) -> Answered:
        """Read one answer with a Content-Length."""
        async with asyncio.timeout(timeout_s):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines)
            headers = {name.lower(): value for name, value in pairs}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answered(status=int(first.split()[1]), headers=headers, body=body)

    async def leave(self) -> None:
        """Close it, whatever is still to come."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def serving(
    data_dir: Path, conninfo: str, *, changes: Mapping[str, float] | None = None, **extra: str
) -> AsyncIterator[Served]:
    """Run the API over a database; `changes` are constants, as `module.NAME`, made small."""
    port = free_port()
    lines = "\n".join(
        f"importlib.import_module({name.rpartition('.')[0]!r}).{name.rpartition('.')[2]} = {value}"
        for name, value in (changes or {}).items()
    )
    environment = {
        **{name: value for name, value in SURROUNDINGS.items() if "KINETOSCOPE" not in name},
        "KINETOSCOPE_DATA_DIR": str(data_dir),
        "KINETOSCOPE_DATABASE_URL": conninfo,
        "KINETOSCOPE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "KINETOSCOPE_PORT": str(port),
        "KINETOSCOPE_LOG_LEVEL": "debug",
        "KINETOSCOPE_REQUESTS_PER_SECOND": "0",
        **extra,
    }
    log_path = data_dir / "api.log"
    process = _started(START.format(changes=lines), environment, log_path)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            served = Served(port=port, client=client, log_path=log_path)
            await _until_up(served, process)
            try:
                yield served
            finally:
                for connection in served.connections:
                    await connection.leave()
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 5)
        # Who waits for a client is not waited for.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _started(
    program: str, environment: dict[str, str], log_path: Path
) -> "subprocess.Popen[bytes]":
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def _until_up(served: Served, process: "subprocess.Popen[bytes]") -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.poll() is None, served.log
            with suppress(httpx.TransportError):
                if (await served.client.get("/livez")).is_success:
                    return
            await asyncio.sleep(0.05)
