"""A task's whole life on the operator's own pipeline: model file, order, file, charge, a kill."""

import io
from collections.abc import Iterator

import httpx
import psutil
import pytest
from PIL import Image
from tests.engines.diffusion import build_pipelines, needs_torch
from tests.story.deployment import Deployment, data_folder, deployment, wait_until

pytestmark = needs_torch

MODEL = """\
family = "own"
kind = "image"
file_format = "png"
shape = "3:2"
[inputs.prompt]
type = "text"
title = "Prompt"
description = "What to show."
required = true
length_max = 1000
[inputs.aspectRatio]
type = "choice"
title = "Aspect ratio"
description = "The shape of the image."
options = ["3:2"]
default = "3:2"
[sizes.small]
"3:2" = [96, 64]
"""
ONE_MODEL = """
[[model]]
id = "{id}"
title = "{id}"
description = "Made here."
examples = ["A fox."]
[model.price]
unit = "task"
price = "3"
"""
PROVIDER = """\
adapter = "diffusers"
[options]
devices = ["cpu"]
keep = 2
[models.quick]
upstream = "{image}"
options = {{ steps = 2 }}
[models.slow]
upstream = "{image}"
options = {{ steps = 900 }}
[models.gone]
upstream = "{image}-that-is-not-there"
"""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    pipelines = build_pipelines(tmp_path_factory.mktemp("pipelines"))
    with data_folder() as config:
        for folder in ("models", "providers"):
            (config / folder).mkdir()
        models = "".join(ONE_MODEL.format(id=name) for name in ("quick", "slow", "gone"))
        (config / "models" / "own.toml").write_text(MODEL + models)
        (config / "providers" / "gpu.toml").write_text(PROVIDER.format(image=pipelines / "image"))
        with deployment(KINETOSCOPE_CONFIG_DIR=str(config), KINETOSCOPE_DEMO_KEY="off") as running:
            yield running


@pytest.fixture
def client(deployed: Deployment) -> Iterator[httpx.Client]:
    with deployed.client() as lent:
        yield lent


def spent(client: httpx.Client) -> float:
    account = client.get("/api/v1/account").json()
    return float(account["credits"]["spent"])


def engines(deployed: Deployment) -> list[psutil.Process]:
    return [each for each in deployed.processes() if "diffusers.child" in " ".join(each.cmdline())]


def test_an_order_becomes_a_picture_and_is_charged(deployed: Deployment, client: httpx.Client):
    before = spent(client)
    task = deployed.create(client, "quick", prompt="a fox")
    (record,) = deployed.wait(client, [task], 120)
    assert record["status"] == "success", (record, deployed.log[-3000:])
    assert record["aiGenerated"] is True
    assert not record.get("preview"), "no procedural picture stands in"
    address = record["output"][0]["url"]
    picture = Image.open(io.BytesIO(httpx.get(address).content))
    assert (picture.format, picture.size) == ("PNG", (96, 64))
    assert len(picture.convert("RGB").getcolors(96 * 64) or ()) > 100, "it is no plain colour"
    assert spent(client) == before + 3
    assert '"chosen": "gpu"' in deployed.run("tasks", "show", task, "--json")


def test_a_worker_that_is_killed_costs_nobody_a_task(deployed: Deployment, client: httpx.Client):
    before = spent(client)
    task = deployed.create(client, "slow", prompt="a fox")
    wait_until(lambda: deployed.record(client, task)["status"] == "generating", 60, "it is made")
    worker = deployed.part("worker")
    assert worker is not None
    worker.kill()
    wait_until(lambda: not worker.is_running() and not engines(deployed), 30, "its process ends")
    (record,) = deployed.wait(client, [task], 150)
    assert record["status"] == "success", deployed.log[-3000:]
    assert spent(client) == before + 3, "charged once"


def test_a_task_is_cancelled_in_its_process(deployed: Deployment, client: httpx.Client):
    before = spent(client)
    task = deployed.create(client, "slow", prompt="a fox")
    wait_until(lambda: deployed.record(client, task)["progress"], 60, "it has begun")
    answer = client.post("/api/v1/jobs/cancelTask", json={"taskId": task})
    assert answer.status_code in {200, 202}, answer.text
    (record,) = deployed.wait(client, [task], 30)
    assert (record["status"], record["error"]["code"]) == ("fail", "cancelled")
    assert spent(client) == before
    (quick,) = deployed.wait(client, [deployed.create(client, "quick", prompt="a fox")], 60)
    assert quick["status"] == "success", "the process goes on with the next"


def test_what_cannot_be_loaded_fails_unpaid(deployed: Deployment, client: httpx.Client):
    before = spent(client)
    (record,) = deployed.wait(client, [deployed.create(client, "gone", prompt="a fox")], 60)
    assert (record["status"], record["error"]["code"]) == ("fail", "500")
    assert str(deployed.folder) not in str(record), "nobody is told where things lie here"
    assert spent(client) == before
