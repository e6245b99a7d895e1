"""Processes that have the embedded server open, to be killed by the tests beside this file."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

import psycopg

from kinetoscope.postgres.cluster import cluster_in
from kinetoscope.postgres.leftovers import processes

# Whoever runs the holder finds our source and our libraries.
MODULES = f"{Path(__file__).parents[2] / 'src'}:{Path(psycopg.__file__).parents[1]}"
ROOT = os.geteuid() == 0
_ANSWER_TIMEOUT_S = 40
# Measured: 0.1 to 0.4. Other work shares the machine, so the tests do not insist.
_RECOVERY_TIMEOUT_S = 10

# Opens the server, says how that went, then takes a command a line and says how things stand.
_PROGRAM = """
import json, os, sys, time
from pathlib import Path
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.postgres.embedded import open_server
folder, *binaries = map(Path, sys.argv[1:])
began = time.monotonic()
try:
    server = open_server(folder, binaries_folder=binaries[0] if binaries else None)
except KinetoscopeError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}), flush=True)
    sys.exit(1)
opened_s, child = time.monotonic() - began, None
while True:
    state = {"owner": server.owner, "pid": server.postmaster_pid(), "child": child}
    print(json.dumps(state | {"conninfo": server.conninfo, "opened_s": opened_s}), flush=True)
    command = sys.stdin.readline().strip()
    if command == "close":
        break
    if command == "fork":
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
server.close()
"""


class State(TypedDict, total=False):
    """What a holder says: how the server stands, or why it could not be opened."""

    owner: bool
    pid: int | None
    child: int | None
    conninfo: str
    opened_s: float
    error: str
    text: str


class Holder:
    """A process that opens the server of a folder."""

    def __init__(
        self, folder: Path, *extra: Path, interpreter: str, path: str, user: tuple[int, int] | None
    ) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [interpreter, "-c", _PROGRAM, str(folder), *map(str, extra)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path},
            user=user[0] if user else None,
            group=user[1] if user else None,
            extra_groups=[] if user else None,
        )

    def read(self) -> State:
        """Return the next answer: at first how the start went."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], _ANSWER_TIMEOUT_S)
        assert readable, "no answer"
        state: State = json.loads(self.process.stdout.readline())
        return state

    def ask(self, command: str = "state") -> State:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        return self.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> int:
        self.process.communicate(b"close\n", timeout=_ANSWER_TIMEOUT_S)
        return self.process.returncode


Start = Callable[..., Holder]


@contextlib.contextmanager
def holders() -> Iterator[Start]:
    """Give a function that starts holders; at the end kill them, and wait for their servers."""
    started: list[Holder] = []

    def start(
        folder: Path,
        *extra: Path,
        interpreter: str = sys.executable,
        path: str = MODULES,
        user: tuple[int, int] | None = None,
    ) -> Holder:
        started.append(Holder(folder, *extra, interpreter=interpreter, path=path, user=user))
        return started[-1]

    try:
        yield start
    finally:
        for holder in started:
            holder.kill()
            for pipe in (holder.process.stdin, holder.process.stdout):
                assert pipe is not None
                pipe.close()
        for folder in {holder.folder for holder in started}:
            if (folder / "data").exists():
                _await_end(folder)


def _await_end(folder: Path) -> None:
    cluster = cluster_in(folder)
    if sys.platform != "linux":
        # There a server outlives a killed owner, until the next one ends it.
        for pid, is_postmaster in processes(cluster).items():
            if is_postmaster:
                os.kill(pid, signal.SIGINT)
    until(lambda: not processes(cluster))


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that user nobody can reach, unlike those of `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="kinetoscope-test-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def until(condition: Callable[[], object]) -> float:
    """Poll until the condition holds; return after how many seconds it did."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < _RECOVERY_TIMEOUT_S, "did not come true in time"
        time.sleep(0.01)
    return time.monotonic() - began


def write(state: State) -> int:
    """Commit a new row; return its number."""
    with psycopg.connect(state["conninfo"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS rows (number serial)")
        row = connection.execute("INSERT INTO rows DEFAULT VALUES RETURNING number").fetchone()
        assert row is not None
        return int(row[0])


def kept(state: State, number: int) -> bool:
    """Tell whether the server can be reached and still has the row."""
    try:
        with psycopg.connect(state["conninfo"], connect_timeout=2) as connection:
            query = "SELECT count(*) = 1 FROM rows WHERE number = %s"
            return connection.execute(query, [number]).fetchone() == (True,)
    except psycopg.OperationalError:
        return False
