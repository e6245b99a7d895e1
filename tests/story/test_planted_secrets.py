"""Unmistakable secrets go in by every door; none comes out by a log, a dump, an error or a crash.

What belongs to its owner stays where it belongs: a prompt in its task, an address that is to be
called in its task and its deliveries. Everything else is searched for all of them.
"""

import base64
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from tests.story.deployment import Deployment, deployment, wait_until

CREATE = "/api/v1/jobs/createTask"

OWNED = {
    "prompt": {("task", "inputs")},
    "reference": {("task", "inputs")},
    "callback": {("task", "callback_url"), ("webhook_delivery", "url")},
}
"""In which columns a secret of this name may stand."""


def planted(name: str) -> str:
    return f"PLANTED{name}{secrets.token_hex(12)}"


@dataclass
class Planted:
    """Every secret by its name, and every answer that refused something."""

    texts: dict[str, str] = field(default_factory=dict)
    refusals: list[httpx.Response] = field(default_factory=list)

    def new(self, name: str) -> str:
        return self.texts.setdefault(name, planted(name.upper()))

    def found_in(self, text: str) -> set[str]:
        """Name the secrets that a text holds, in any spelling."""
        return {
            name
            for name, secret in self.texts.items()
            if any(form in text for form in spellings(secret))
        }


def spellings(secret: str) -> set[str]:
    content = secret.encode()
    return {
        secret,
        content.hex(),
        base64.b64encode(content).decode().rstrip("="),
        base64.urlsafe_b64encode(content).decode().rstrip("="),
        quote(secret, safe=""),
    }


@contextmanager
def receiver() -> Iterator[int]:
    """Take any webhook, on a port of this machine."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(500 if "refuse" in self.path else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Taker) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


SETTINGS = {
    "KINETOSCOPE_LOG_LEVEL": "debug",
    "KINETOSCOPE_LOG_JSON": "1",
    "KINETOSCOPE_ALLOWED_NETWORKS": "127.0.0.0/8",
    "KINETOSCOPE_FIRST_GRANT": "400",
    "KINETOSCOPE_BODY_BYTES_MAX": "65536",
}


def test_no_planted_secret_comes_out_where_it_does_not_belong():
    plants = Planted()
    cloud = {"AWS_SECRET_ACCESS_KEY": plants.new("cloud")}
    with deployment(**SETTINGS, **cloud) as deployed, receiver() as port:
        keep_keys(deployed, plants)
        with deployed.client() as client:
            succeed(deployed, client, plants, port)
            fail(deployed, client, plants, port)
            be_refused(client, plants)
            break_the_database(deployed, client, plants)
            crash(deployed, client, plants)
            metrics = client.get("/metrics").text
        assert len(plants.texts) >= 12
        assert {response.status_code for response in plants.refusals} >= {
            *(400, 401, 402, 403, 404, 405, 413, 500),
        }
        for response in plants.refusals:
            found = plants.found_in(response.text + str(dict(response.headers)))
            assert found == set(), (response.request.url.path, response.text)
        assert plants.found_in(metrics) == set()
        assert_nothing_in_database(deployed, plants)
        for process in deployed.processes():
            assert plants.found_in(" ".join(process.cmdline())) == set()
        deployed.stop()
    # The folder is gone by now; what was written there was read before.


def keep_keys(deployed: Deployment, plants: Planted) -> None:
    """Note the secrets that the deployment makes itself."""
    plants.texts["key"] = secret_part(deployed.banner["key"])
    made = deployed.run("keys", "create", "--account", "local", "--name", "t", "--test", "--json")
    plants.texts["test key"] = secret_part(json.loads(made)["key"])
    plants.texts["signing key"] = (deployed.folder / "signing-key").read_bytes().decode("latin-1")
    with deployed.client() as client:
        made_secret = client.post("/api/v1/webhooks/secret", json={}).json()["secret"]
        plants.texts["webhook secret"] = made_secret.removeprefix("whsec_")
        client.post("/api/v1/webhooks/settings", json={"kieHeaders": True})


def secret_part(key: str) -> str:
    return key.rpartition("_")[2]
