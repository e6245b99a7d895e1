"""Processes that are measured: the API alone, a bare FastAPI app, the whole of `serve`."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], port: int, path: str
) -> Iterator[float]:
    """Run a server; yields the seconds until its first 200."""
    started_s = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},  # noqa: TID251 - not part of the product
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{path}", process)
        yield time.perf_counter() - started_s
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.perf_counter() + START_TIMEOUT_S
    while time.perf_counter() < deadline_s:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, f"a server ended with {process.returncode}"
            time.sleep(0.01)
    raise AssertionError(f"{url} did not answer within {START_TIMEOUT_S} s")


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def bare_app(port: int, processes: int) -> list[str]:
    options = ["--interface", "asgi", "--loop", "uvloop", "--no-ws", "--log-level", "warning"]
    granian = str(Path(sys.executable).parent / "granian")
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(processes)]
    return [granian, *options, *where, "bench.floor_app:app"]
