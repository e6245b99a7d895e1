"""A client of another service, unmodified, in a process of its own: one order a line, one answer.

The programs are in `drivers/`. Each runs for as long as the tests of a file do, since loading an
SDK takes longer than most of what it is asked for.
"""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.installed import node_modules, replicate_beta
from tests.story.deployment import SURROUNDINGS

DRIVERS = Path(__file__).parent / "drivers"

ANSWER_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Failed(Exception):
    """What the SDK raised: the class's name, the status it saw, its message."""

    type: str
    status: int | None
    message: str


@dataclass
class Driver:
    """A running client."""

    name: str
    process: "subprocess.Popen[str]"
    log: Path
    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def ask(self, verb: str, key: str, **values: object) -> dict[str, Any]:
        """Have the client do something; raises Failed with what it raised."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"verb": verb, "key": key, **values}) + "\n")
        self.process.stdin.flush()
        line = self.lines.get(timeout=ANSWER_TIMEOUT_S)
        assert line, f"{self.name} ended: {self.log.read_text()[-3000:]}"
        told = json.loads(line)
        if "error" in told:
            error = told["error"]
            raise Failed(error["type"], error.get("status"), error["message"])
        answer: dict[str, Any] = told["ok"]
        return answer

    def stop(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


def start(name: str, folder: Path, url: str, further: Mapping[str, str]) -> Driver:
    """Start the client of a name, which trusts the authority in a folder."""
    path = next(DRIVERS.glob(f"{name}.*"))
    authority = str(folder / "authority.pem")
    environment = {
        **{key: value for key, value in SURROUNDINGS.items() if "KINETOSCOPE" not in key},
        "KINETOSCOPE_TEST_URL": url,
        "SSL_CERT_FILE": authority,
        "NODE_EXTRA_CA_CERTS": authority,
        **further,
    }
    if path.suffix == ".mjs":
        modules, node = node_modules()
        program = modules / path.name
        program.write_text(path.read_text())
        command = [str(node), str(program)]
    else:
        command = [sys.executable, str(path)]
        if name == "replicate2_py":
            environment["PYTHONPATH"] = str(replicate_beta())
    log = folder / f"{name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    return Driver(name, process, log)
