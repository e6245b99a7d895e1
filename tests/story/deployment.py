"""A whole deployment in processes of its own, for stories that kill some of them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

SURROUNDINGS = dict(os.environ)  # noqa: TID251 - what any program started here would see

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def data_folder() -> Iterator[Path]:
    """Lend an empty data folder that the database's own user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="kinetoscope-story-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(
    condition: Callable[[], bool], timeout_s: float, what: str, *, every_s: float = 0.02
) -> None:
    """Poll until something holds; a bound, not a sleep."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(every_s)


def _answered(ask: Callable[[], httpx.Response]) -> dict[str, Any]:
    """Ask until the answer is 200; nothing but 503 or no server at all is excused."""
    deadline_s = time.monotonic() + 30
    while True:
        try:
            response = ask()
        except httpx.TransportError:
            assert time.monotonic() < deadline_s
        else:
            if response.status_code == 200:
                body: dict[str, Any] = response.json()
                return body
            assert response.status_code == 503, response.text
        time.sleep(0.1)


@dataclass
class Deployment:
    """`kinetoscope serve` over one data folder; it may be killed and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    banner: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in SURROUNDINGS.items() if "KINETOSCOPE" not in name},
            "KINETOSCOPE_DATA_DIR": str(self.folder),
            "KINETOSCOPE_PORT": str(self.port),
            "KINETOSCOPE_REQUESTS_PER_SECOND": "0",  # stories poll faster than clients may
            **self.extra,
        }

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    def start(self) -> None:
        """Start, and wait for the lines that say it is ready."""
        with (self.folder / "serve.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kinetoscope", "serve"],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.banner = {}
        while "then" not in self.banner:
            line = self.process.stdout.readline()
            assert line, f"serve ended before it was ready:\n{self.log[-3000:]}"
            name, _, rest = line.strip().partition(" ")
            self.banner[name] = rest.strip()

    def stop(self) -> int:
        """End it as an operator would; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        status = self.process.wait(STOP_TIMEOUT_S)
        self.process.stdout.close()
        return status

    def part(self, command: str) -> psutil.Process | None:
        """Find the process that runs a part of this deployment: api or worker."""
        return next(iter(self.parts(command)), None)

    def parts(self, command: str) -> list[psutil.Process]:
        """Find all processes that run a part."""
        assert self.process is not None
        found = []
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.Error):
                    if child.cmdline()[1:3] == ["-m", f"kinetoscope.cli.{command}"]:
                        found.append(child)
        return found

    def processes(self) -> list[psutil.Process]:
        """Find everything that runs for this deployment, whoever its parent is."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if str(self.folder) in " ".join(process.cmdline()) or (
                    process.environ().get("KINETOSCOPE_DATA_DIR") == str(self.folder)
                ):
                    found.append(process)
        return [process for process in found if process.pid != os.getpid()]

    def run(self, *arguments: str) -> str:
        """Run an operator's command and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "kinetoscope", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def client(self, key: str = "") -> httpx.Client:
        """Return an HTTP client with a key, this deployment's first one by default."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {key or self.banner['key']}"},
            timeout=30,
        )

    def create(self, client: httpx.Client, model: str, **inputs: object) -> str:
        """Create a task, trying again while the server is on its way up."""
        body = {"model": model, "inputs": inputs}
        answer = _answered(lambda: client.post("/api/v1/jobs/createTask", json=body))
        return str(answer["taskId"])

    def record(self, client: httpx.Client, task_id: str) -> dict[str, Any]:
        """Read a task, trying again while the server is on its way up."""
        query = {"taskId": task_id}
        return _answered(lambda: client.get("/api/v1/jobs/recordInfo", params=query))

    def wait(
        self, client: httpx.Client, task_ids: list[str], timeout_s: float
    ) -> list[dict[str, Any]]:
        """Wait until all tasks have ended."""
        records: dict[str, dict[str, Any]] = {}

        def all_ended() -> bool:
            for task_id in task_ids:
                if records.get(task_id, {}).get("status") not in {"success", "fail"}:
                    records[task_id] = self.record(client, task_id)
            return all(found["status"] in {"success", "fail"} for found in records.values())

        wait_until(all_ended, timeout_s, f"all tasks end; log:\n{self.log[-3000:]}")
        return [records[task_id] for task_id in task_ids]

    def stored_files(self) -> list[Path]:
        """List what the media store holds; drafts of a put that was killed are no part of it."""
        files = (path for path in (self.folder / "media").rglob("*") if path.is_file())
        return sorted(path for path in files if path.suffix != ".part")


@contextlib.contextmanager
def deployment(**extra: str) -> Iterator[Deployment]:
    """Run a deployment over an empty data folder, and see to it that nothing of it stays."""
    with data_folder() as folder:
        deployed = Deployment(folder, extra=extra)
        deployed.start()
        try:
            yield deployed
        finally:
            process = deployed.process
            if process is not None and process.poll() is None:
                deployed.stop()
            for left in deployed.processes():
                with contextlib.suppress(psutil.Error):
                    left.kill()
