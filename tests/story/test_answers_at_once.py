"""An upstream that answers with the result makes it once, whatever happens while we wait."""

import base64
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from tests.providers.upstream import media_of
from tests.story.deployment import Deployment, data_folder, wait_until
from typing_extensions import override

from kinetoscope.kernel.order import MediaKind

MODEL = "gpt-image-2"
MAKING_S = 9.0
"""More than a worker gives other steps when it is told to stop."""
MAKING_BRIEFLY_S = 4.0
"""More than a database takes to come back."""


class Studio(ThreadingHTTPServer):
    """Makes a picture while one waits, as vLLM-Omni does."""

    daemon_threads = True

    def __init__(self, making_s: float) -> None:
        super().__init__(("127.0.0.1", 0), Making)
        self.making_s = making_s
        self.asked = 0
        self.answered = 0


class Making(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the names are the library's
        """Tell which models there are."""
        self._answer({"data": [{"id": "painter"}]})

    def do_POST(self) -> None:
        """Take long, then answer with the picture."""
        assert isinstance(self.server, Studio)
        self.server.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.making_s)
        picture = base64.b64encode(media_of(MediaKind.IMAGE)[1]).decode()
        self._answer({"data": [{"b64_json": picture}]})
        self.server.answered += 1

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def studio(making_s: float) -> Iterator[Studio]:
    media_of(MediaKind.IMAGE)
    with Studio(making_s) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def deployed_with(server: Studio) -> Iterator[Deployment]:
    with data_folder() as folder:
        providers = folder / "config" / "providers"
        providers.mkdir(parents=True)
        (providers / "studio.toml").write_text(
            'adapter = "openai_media"\n'
            f'base_url = "http://127.0.0.1:{server.server_address[1]}/v1"\n'
            f'[models."{MODEL}"]\nupstream = "painter"\n'
        )
        deployed = Deployment(folder, extra={"KINETOSCOPE_DEMO_KEY": "off"})
        deployed.start()
        try:
            yield deployed
        finally:
            deployed.kill()
            for left in deployed.processes():
                left.kill()


def _kill_database(deployed: Deployment) -> None:
    pid_file: Path = deployed.folder / "postgres" / "data" / "postmaster.pid"
    psutil.Process(int(pid_file.read_text().split()[0])).kill()


def _stop_worker(deployed: Deployment) -> None:
    worker = deployed.part("worker")
    assert worker is not None
    worker.send_signal(signal.SIGTERM)


def _stop_all(deployed: Deployment) -> None:
    assert deployed.stop() == 0
    deployed.start()


@pytest.mark.parametrize(
    ("disturb", "making_s"),
    [(_kill_database, MAKING_BRIEFLY_S), (_stop_worker, MAKING_S), (_stop_all, MAKING_S)],
)
def test_what_is_being_made_is_not_thrown_away(disturb: object, making_s: float):
    assert callable(disturb)
    with studio(making_s) as server, deployed_with(server) as deployed:
        with deployed.client() as client:
            task_id = deployed.create(client, MODEL, prompt="A lighthouse at night")
            wait_until(lambda: server.asked == 1, 30, "the upstream is at it")
            disturb(deployed)
            (record,) = deployed.wait(client, [task_id], timeout_s=60)
        assert record["status"] == "success", record
        assert (server.asked, server.answered) == (1, 1)
        balance = json.loads(deployed.run("credits", "show", "--account", "local", "--json"))
        assert (balance["held"], balance["spent"]) == ("0", "2.17")
        assert "0 discrepancies" in deployed.run("doctor")
