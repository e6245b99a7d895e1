"""Workers on other machines: one database, one store, each serves its own queues."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from tests.providers.upstream import KEY
from tests.story.deployment import (
    SURROUNDINGS,
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


def test_two_workers_elsewhere_share_the_queues(store: dict[str, str]):
    with gate_upstream() as address, data_folder() as config:
        (config / "providers").mkdir()
        for way in WAYS[:1]:
            (config / "providers" / f"{way}.toml").write_text(
                f'adapter = "{way}"\nbase_url = "{address}/{way}"\nkey_name = "faulty"\n'
            )
        extra = {
            **store,
            "PYTHONPATH": str(ROOT),
            "KINETOSCOPE_CONFIG_DIR": str(config),
            "KINETOSCOPE_ADAPTERS": "tests.providers.wire_faulty",
            "KINETOSCOPE_DEMO_KEY": "off",
        }
        with deployment(**extra) as deployed, deployed.client() as client:
            part = deployed.part("api")
            assert part is not None
            conninfo = part.environ()["KINETOSCOPE_DATABASE_URL"]
            own = deployed.part("worker")
            assert own is not None
            signing_key = load_signing_key(deployed.folder / "signing-key").hex()
            elsewhere = {
                **{name: text for name, text in SURROUNDINGS.items() if "KINETO" not in name},
                **extra,
                "KINETOSCOPE_DATABASE_URL": conninfo,
                "KINETOSCOPE_SIGNING_KEY": signing_key,
                "KINETOSCOPE_PROVIDER_FAULTY_KEY": KEY,
            }
            with (
                worker("hosted", elsewhere) as hosted,
                worker("embedded,webhooks", elsewhere) as embedded,
            ):
                own.suspend()  # the machine in the middle has other things to do
                picture = deployed.create(client, "gpt-image-2", prompt="a fox")
                preview = deployed.create(client, "midjourney-v8", prompt="a fox")
                records = deployed.wait(client, [picture, preview], timeout_s=60)
                own.resume()
                told = {
                    "hosted": (hosted / "log").read_text(),
                    "embedded": (embedded / "log").read_text(),
                }
            assert [record["status"] for record in records] == ["success", "success"]
            assert [record["preview"] for record in records] == [False, True]
            for record in records:
                for output in record["output"]:
                    assert httpx.get(output["url"]).is_success
            assert picture in told["hosted"]
            assert picture not in told["embedded"]
            assert preview in told["embedded"]
            assert not any(deployed.stored_files()), "nothing stays on a machine"


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
