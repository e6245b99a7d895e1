"""Workers on other machines: one database, one store, each serves its own queues."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image
from tests.providers.upstream import KEY
from tests.story.deployment import (
    SURROUNDINGS,
    Deployment,
    data_folder,
    deployment,
    free_port,
    wait_until,
)
from tests.story.gate_upstream import WAYS

from kinetoscope.kernel.secrets import load_signing_key

ROOT = Path(__file__).parents[2]
BUCKET = "kinetoscope-scale"


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """Run an S3 server, and return the settings that lead to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    assert httpx.put(f"http://{host}:{port}/{BUCKET}").is_success
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "KINETOSCOPE_MEDIA_URL": f"s3://{BUCKET}/media",
    }
    server.stop()


@contextlib.contextmanager
def gate_upstream() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.story.gate_upstream", str(port), "1", "0"],
        cwd=ROOT,
        env={**SURROUNDINGS, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def worker(queues: str, environment: dict[str, str]) -> Iterator[Path]:
    """Run a worker as on a machine of its own: another data folder, nothing else in common."""
    with data_folder() as folder:
        given = {**environment, "KINETOSCOPE_DATA_DIR": str(folder)}
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "kinetoscope", "worker", "--queues", queues],
                env=given,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(
                lambda: "worker.started" in (folder / "log").read_text(), 30, "a worker starts"
            )
            yield folder
        finally:
            process.terminate()
            process.wait(30)


@dataclass
class Fleet:
    """A machine in the middle that does no work itself, and what others need to join it."""

    deployed: Deployment
    elsewhere: dict[str, str]


@pytest.fixture(scope="module")
def joined(store: dict[str, str]) -> Iterator[Fleet]:
    with gate_upstream() as address, data_folder() as config:
        (config / "providers").mkdir()
        for way, queue, order in ((WAYS[0], "gpu-a", 1), (WAYS[1], "hosted", 2)):
            (config / "providers" / f"{way}.toml").write_text(
                f'adapter = "{way}"\nbase_url = "{address}/{way}"\nkey_name = "faulty"\n'
                f'queue = "{queue}"\norder = {order}\n'
            )
        extra = {
            **store,
            "PYTHONPATH": str(ROOT),
            "KINETOSCOPE_CONFIG_DIR": str(config),
            "KINETOSCOPE_ADAPTERS": "tests.providers.wire_faulty",
            "KINETOSCOPE_DEMO_KEY": "off",
            "KINETOSCOPE_QUEUES": "none",
            "KINETOSCOPE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "KINETOSCOPE_PROVIDER_FAULTY_KEY": KEY,
        }
        with deployment(**extra) as deployed:
            part = deployed.part("api")
            assert part is not None
            key = load_signing_key(deployed.folder / "signing-key").hex()
            elsewhere = {
                **{name: text for name, text in SURROUNDINGS.items() if "KINETO" not in name},
                **extra,
                "KINETOSCOPE_DATABASE_URL": part.environ()["KINETOSCOPE_DATABASE_URL"],
                "KINETOSCOPE_SIGNING_KEY": key,
                "KINETOSCOPE_PUBLIC_URL": f"http://127.0.0.1:{deployed.port}",
            }
            elsewhere.pop("KINETOSCOPE_QUEUES")
            yield Fleet(deployed, elsewhere)


def upload(client: httpx.Client) -> str:
    place = client.post("/api/v1/uploads", json={"fileName": "fox.png"}).json()
    path = Image.new("RGB", (320, 320), (200, 90, 30))
    content = io.BytesIO()
    path.save(content, "PNG")
    put = httpx.put(place["uploadUrl"], content=content.getvalue(), headers=place.get("headers"))
    assert put.is_success, put.text
    return str(place["url"])


def test_doctor_names_queues_that_nobody_works_on_and_asks_no_provider_of_theirs(joined: Fleet):
    """Comes first: later somebody has worked on them."""
    with joined.deployed.client() as client:
        joined.deployed.create(client, "gpt-image-2", prompt="a fox")
        said = joined.deployed.run("doctor")
        assert "queue        gpu-a: no worker ever, 1 tasks wait" in said
        assert f"provider     {WAYS[0]}: is for the workers of gpu-a" in said


def test_workers_elsewhere_do_all_the_work(joined: Fleet):
    """Each serves its own queues; uploads, results and webhooks go by way of store and database."""
    with joined.deployed.client() as client:
        deployed = joined.deployed
        with (
            worker("gpu-a", joined.elsewhere) as gpu,
            worker("embedded,webhooks", joined.elsewhere) as embedded,
        ):
            order = {"prompt": "a fox", "uploadedUrls": [upload(client)]}
            picture = deployed.create(client, "gpt-image-2", **order)
            preview = deployed.create(client, "midjourney-v8", prompt="a fox")
            records = deployed.wait(client, [picture, preview], timeout_s=60)
            told = {"gpu": (gpu / "log").read_text(), "embedded": (embedded / "log").read_text()}
        assert [record["status"] for record in records] == ["success", "success"], told
        assert [record["preview"] for record in records] == [False, True]
        for record in records:
            for output in record["output"]:
                assert httpx.get(output["url"]).is_success
        assert picture in told["gpu"]
        assert picture not in told["embedded"]
        assert preview in told["embedded"]
        assert not any(deployed.stored_files()), "nothing stays on a machine"
        shown = deployed.run("tasks", "show", picture, "--json")
        assert f'"chosen": "{WAYS[0]}"' in shown


@pytest.mark.parametrize(
    ("queues", "changes", "says"),
    [
        ("gpu-b", {}, "there is no queue 'gpu-b'; there are embedded, gpu-a, hosted, test"),
        ("hosted", {"KINETOSCOPE_PUBLIC_URL": "http://127.0.0.1:9"}, "KINETOSCOPE_PUBLIC_URL"),
    ],
)
def test_a_worker_that_would_not_fit_in_does_not_start(
    joined: Fleet, queues: str, changes: dict[str, str], says: str
):
    with data_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "kinetoscope", "worker", "--queues", queues],
            env={**joined.elsewhere, **changes, "KINETOSCOPE_DATA_DIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_a_worker_with_another_signing_key_does_not_start():
    with deployment(KINETOSCOPE_DEMO_KEY="off") as deployed, data_folder() as folder:
        part = deployed.part("api")
        assert part is not None
        done = subprocess.run(
            [sys.executable, "-m", "kinetoscope", "worker"],
            env={
                **{name: text for name, text in SURROUNDINGS.items() if "KINETO" not in name},
                "KINETOSCOPE_DATA_DIR": str(folder),
                "KINETOSCOPE_DATABASE_URL": part.environ()["KINETOSCOPE_DATABASE_URL"],
                "KINETOSCOPE_SIGNING_KEY": os.urandom(32).hex(),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "signing" in done.stderr
        assert "Traceback" not in done.stderr
