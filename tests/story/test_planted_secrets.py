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
from typing_extensions import override

CREATE = "/api/v1/jobs/createTask"

OWNED = {
    "prompt": {("task", "inputs")},
    "reference": {("task", "inputs")},
    "callback": {("task", "callback_url"), ("webhook_delivery", "url")},
}
"""In which columns a secret of this name may stand."""


@dataclass
class Planted:
    """Every secret by its name, and every answer that refused something."""

    secrets: dict[str, bytes] = field(default_factory=dict)
    refusals: list[httpx.Response] = field(default_factory=list)

    def new(self, name: str) -> str:
        made = f"PLANTED{name.upper()}{secrets.token_hex(12)}"
        return self.secrets.setdefault(name, made.encode()).decode()

    def found_in(self, text: str) -> set[str]:
        """Name the secrets that a text holds, in any spelling."""
        return {
            name
            for name, secret in self.secrets.items()
            if any(form in text for form in spellings(secret))
        }


def spellings(secret: bytes) -> set[str]:
    return {
        secret.decode("latin-1"),
        secret.hex(),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
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

        @override
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
    "KINETOSCOPE_DEMO_KEY": "off",
}


Patient = tuple["Planted", "subprocess.Popen[str]"]


@pytest.fixture(scope="module", autouse=True)
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """Start one that looks for its database for twenty seconds; meanwhile others are tested."""
    folder = tmp_path_factory.mktemp("patient")
    plants, process = start_with(folder, "DATABASE_URL", "postgresql://kino:{}@127.0.0.1:1/kino")
    yield plants, process
    process.kill()
    process.communicate()


def test_no_planted_secret_comes_out_where_it_does_not_belong():
    plants = Planted()
    master = plants.secrets["secrets key"] = secrets.token_bytes(32)
    cloud = {
        "AWS_SECRET_ACCESS_KEY": plants.new("cloud"),
        "KINETOSCOPE_PROVIDER_NOBODY_KEY": plants.new("provider"),
        "KINETOSCOPE_SECRETS_KEY": master.hex(),
    }
    with deployment(**SETTINGS, **cloud) as deployed, receiver() as port:
        keep_keys(deployed, plants)
        with deployed.client() as client:
            succeed(deployed, client, plants, port)
            fail(deployed, client, plants, port)
            be_refused(client, plants)
            break_the_database(deployed, client, plants)
            crash(deployed, client, plants)
            metrics = client.get("/metrics").text
        commands = " ".join(word for process in deployed.processes() for word in process.cmdline())
        rows = rows_of(deployed)
        deployed.stop()
        logs = {path: path.read_text(errors="replace") for path in deployed.folder.rglob("*.log")}

    assert len(plants.secrets) >= 12
    assert plants.found_in(metrics + commands) == set()
    statuses = {response.status_code for response in plants.refusals}
    assert statuses >= {400, 401, 402, 403, 404, 405, 413, 500}
    for response in plants.refusals:
        found = plants.found_in(response.text + str(response.headers))
        assert found == set(), (response.request.url.path, response.text)
    for place, text in rows:
        found = {name for name in plants.found_in(text) if place not in OWNED.get(name, ())}
        assert found == set(), place
    assert {"task", "api_key", "webhook_attempt"} <= {table for (table, _), _ in rows}
    assert any("task.step_failed" in text for text in logs.values())
    assert any("request.broke" in text for text in logs.values())
    assert any("database system" in text for text in logs.values())
    for path, text in logs.items():
        assert plants.found_in(text) == set(), path


def keep_keys(deployed: Deployment, plants: Planted) -> None:
    """Note the secrets that the deployment makes itself."""
    made = deployed.run("keys", "create", "--account", "local", "--name", "t", "--test", "--json")
    with deployed.client() as client:
        issued = client.post("/api/v1/webhooks/secret", json={}).json()["secret"]
        client.post("/api/v1/webhooks/settings", json={"kieHeaders": True})
    plants.secrets |= {
        "key": deployed.banner["key"].rpartition("_")[2].encode(),
        "test key": json.loads(made)["key"].rpartition("_")[2].encode(),
        "webhook secret": issued.removeprefix("whsec_").encode(),
        "webhook secret, raw": base64.b64decode(issued.removeprefix("whsec_")),
        "signing key": (deployed.folder / "signing-key").read_bytes(),
    }


def succeed(deployed: Deployment, client: httpx.Client, plants: Planted, port: int) -> None:
    """Make something, have it told, and download it."""
    hook = f"http://127.0.0.1:{port}/hook?token={plants.new('callback')}"
    body = {
        "model": "kinetoscope-soundscape",
        "inputs": {"prompt": plants.new("prompt"), "duration": 1},
        "callBackUrl": hook,
    }
    task_id = client.post(CREATE, json=body).json()["taskId"]
    (record,) = deployed.wait(client, [task_id], 60)
    assert record["status"] == "success"
    signed = record["output"][0]["url"]
    plants.secrets["signature"] = signed.rpartition("signature=")[2].encode()
    assert client.get(signed).status_code == 200
    plants.refusals.append(client.get(signed[:-3] + "abc"))
    delivered(client, task_id, "delivered")


def fail(deployed: Deployment, client: httpx.Client, plants: Planted, port: int) -> None:
    """Have tasks fail: unreachable references, bad callbacks."""
    for hook in (f"http://127.0.0.1:{port}/refuse", "http://127.0.0.1:9/hook"):
        body = {
            "model": "nanobanana2",
            "inputs": {
                "prompt": plants.new("prompt"),
                "uploadedUrls": [f"http://u:{plants.new('reference')}@127.0.0.1:9/a.png"],
            },
            "callBackUrl": f"{hook}?token={plants.new('callback')}",
        }
        task_id = client.post(CREATE, json=body).json()["taskId"]
        (record,) = deployed.wait(client, [task_id], 60)
        assert record["error"]["code"] == "asset_review_failed"
        delivered(client, task_id, "pending")


def delivered(client: httpx.Client, task_id: str, state: str) -> None:
    """Wait until a task's delivery was tried."""

    def tried() -> bool:
        query = {"taskId": task_id}
        found = client.get("/api/v1/webhooks/deliveries", params=query).json()["deliveries"]
        return bool(found) and found[0]["attemptCount"] > 0 and found[0]["state"] == state

    wait_until(tried, 30, "the webhook is tried")


def be_refused(client: httpx.Client, plants: Planted) -> None:
    """Be turned away at every door, with a secret in hand."""
    prompt = plants.new("prompt")
    good = {"model": "kinetoscope-soundscape", "inputs": {"prompt": prompt}}
    stranger = plants.new("stranger")
    for scheme in ("Bearer ", "Basic ", "Bearer kino_live_000000000000_", ""):
        headers = {"Authorization": scheme + stranger}
        plants.refusals.append(client.post(CREATE, json=good, headers=headers))
        plants.refusals.append(client.get("/api/v1/webhooks/settings", headers=headers))
    dear = {"model": "seedance-20", "inputs": {"prompt": prompt, "duration": 15}}
    wrong = {"model": "seedance-20", "inputs": {"prompt": prompt, "duration": 99}}
    body = plants.new("body")
    hidden = plants.new("path")
    uploaded = client.post("/api/v1/uploads", json={"fileName": plants.new("file name") + ".png"})
    put = {"Content-Type": uploaded.json()["contentType"]}
    plants.refusals += [
        client.post(CREATE, json=dear),
        client.post(CREATE, json=wrong),
        client.post(CREATE, json={**good, "model": body}),
        client.post(CREATE, json={**good, "callBackUrl": f"ftp://u:{body}@example.com"}),
        client.post(CREATE, content=f"not json, {body}".encode()),
        client.post(CREATE, content=body.encode() * 4000),
        client.post(CREATE, json=good, headers={"X-Test-Outcome": body}),
        client.get("/api/v1/jobs/recordInfo", params={"taskId": hidden}),
        client.get("/api/v1/jobs/listTasks", params={"cursor": hidden}),
        client.get(f"/{hidden}"),
        client.get(f"/media/{hidden}", params={"expires": "1", "signature": hidden}),
        client.delete(f"/media/{hidden}"),
        client.get(f"/models/{hidden}"),
        client.post("/api/v1/uploads", json={"fileUrl": f"http://u:{hidden}@127.0.0.1:9/a.png"}),
        client.put(uploaded.json()["uploadUrl"], content=plants.new("bytes"), headers=put),
    ]
    assert all(response.status_code >= 400 for response in plants.refusals)


def address_of(deployed: Deployment) -> str:
    api = deployed.part("api")
    assert api is not None
    return api.environ()["KINETOSCOPE_DATABASE_URL"]


def break_the_database(deployed: Deployment, client: httpx.Client, plants: Planted) -> None:
    """Have statements refused with the row that they wanted to write quoted in the error."""
    body = {"model": "kinetoscope-soundscape", "inputs": {"prompt": plants.new("prompt")}}
    body["callBackUrl"] = f"https://example.com/?token={plants.new('callback')}"
    change = "alter table task {} constraint planted"
    with psycopg.connect(address_of(deployed), autocommit=True) as connection:
        connection.execute(change.format("add") + " check (status <> 'waiting') not valid")
        plants.refusals.append(client.post(CREATE, json=body))
        assert plants.refusals[-1].status_code == 500
        connection.execute(change.format("drop"))
        connection.execute(change.format("add") + " check (status <> 'success') not valid")
        task_id = client.post(CREATE, json=body).json()["taskId"]
        wait_until(lambda: "task.step_failed" in deployed.log, 60, "a step fails")
        connection.execute(change.format("drop"))
    deployed.wait(client, [task_id], 60)


def crash(deployed: Deployment, client: httpx.Client, plants: Planted) -> None:
    """Kill every part in the middle of work."""
    body = {"model": "kinetoscope-soundscape", "inputs": {"prompt": plants.new("prompt")}}
    task_ids = [client.post(CREATE, json=body).json()["taskId"] for _ in range(4)]
    pid_file = deployed.folder / "postgres" / "data" / "postmaster.pid"
    worker = deployed.part("worker")
    assert worker is not None
    worker.kill()
    psutil.Process(int(pid_file.read_text().split()[0])).kill()
    deployed.wait(client, task_ids, 90)


def rows_of(deployed: Deployment) -> list[tuple[tuple[str, str], str]]:
    """Return every value of every table as text, the engine's included, and where it stood."""
    found = []
    with psycopg.connect(address_of(deployed)) as connection:
        columns = connection.execute(
            """
            select table_schema, table_name, column_name from information_schema.columns
            where table_schema not in ('pg_catalog', 'information_schema')
            """
        ).fetchall()
        for schema, table, column in columns:
            query = SQL("select {}::text from {} where {} is not null").format(
                Identifier(column), Identifier(schema, table), Identifier(column)
            )
            found += [((table, column), value) for (value,) in connection.execute(query)]
    assert len({place for place, _ in found}) > 50
    return found


def start_with(folder: Path, variable: str, value: str) -> tuple[Planted, subprocess.Popen[str]]:
    """Start a deployment with a setting that is no good, and has a secret in it."""
    plants = Planted()
    deployed = Deployment(folder, extra={f"KINETOSCOPE_{variable}": ""})
    deployed.extra[f"KINETOSCOPE_{variable}"] = value.replace("{}", plants.new("setting"))
    process = subprocess.Popen(
        [sys.executable, "-m", "kinetoscope", "serve"],
        env=deployed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return plants, process


def require_silence(plants: Planted, process: subprocess.Popen[str]) -> str:
    """See a start fail, and say why without the secret; return what it says."""
    try:
        output, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode != 0
    assert errors
    assert plants.found_in(output + errors) == set(), errors[-600:]
    return errors


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "host=127.0.0.1 port=1 password={} {}"),
        ("DATABASE_URL", "{}"),
        ("MEDIA_URL", "https://user:{}@store.example/bucket"),
        ("PUBLIC_URL", "ftp://user:{}@store.example"),
        ("DEMO_KEY", "{}"),
        ("UPSTREAM_KEY", "{}"),
        ("SIGNING_KEY", "{}"),
        ("SECRETS_KEY", "{}"),
        ("PROVIDER_NOBODY_KEY", "{}\n{}"),
    ],
)
def test_a_start_that_fails_says_why_without_the_secret(tmp_path: Path, variable: str, value: str):
    require_silence(*start_with(tmp_path, variable, value))


def test_a_start_that_finds_no_database_does_not_say_its_password(patient: Patient):
    assert "no connection within" in require_silence(*patient)
