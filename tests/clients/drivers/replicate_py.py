"""Replicate's client for Python, 1.x, told by one environment variable where to go."""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["REPLICATE_BASE_URL"] = os.environ["KINETOSCOPE_TEST_URL"] + "/replicate"  # noqa: TID251
os.environ["REPLICATE_POLL_INTERVAL"] = "0.1"  # noqa: TID251

from replicate.client import Client
from replicate.helpers import FileOutput
from replicate.prediction import Prediction
from replicate.webhook import Webhooks, WebhookSigningSecret

CLIENTS: dict[str, Client] = {}


def client(key: str) -> Client:
    return CLIENTS.setdefault(key, Client(key))


def listed(output: object) -> list[str]:
    if output is None:
        return []
    return [str(each) for each in output] if isinstance(output, list) else [str(output)]


def told(prediction: Prediction) -> dict[str, Any]:
    return {
        "state": prediction.status,
        "urls": listed(prediction.output),
        "error": prediction.error,
    }


def create(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    headers = asked.get("headers")
    speaker = Client(key, headers=dict(headers)) if headers else client(key)
    further = {"webhook": asked["callback"]} if asked.get("callback") else {}
    made = speaker.models.predictions.create(
        asked["model"],
        input={"prompt": asked["prompt"], **(asked.get("inputs") or {})},
        **further,
    )
    return {"id": made.id, "state": made.status}


def get(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    prediction = client(key).predictions.get(asked["id"])
    progress = prediction.progress
    return told(prediction) | {"progress": None if progress is None else progress.percentage}


def wait(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    prediction = client(key).predictions.get(asked["id"])
    prediction.wait()
    return told(prediction)


def run(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    inputs = {"prompt": asked["prompt"], **(asked.get("inputs") or {})}
    output = client(key).run(asked["model"], input=inputs)
    files: list[Any] = output if isinstance(output, list) else [output]
    if not all(isinstance(file, FileOutput) for file in files):
        raise TypeError(f"Expected files, got {output!r}")
    return {"urls": [file.url for file in files], "bytes": sum(len(file.read()) for file in files)}


def stream(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    inputs = {"prompt": asked["prompt"], **(asked.get("inputs") or {})}
    events = list(client(key).stream(asked["model"], input=inputs))
    urls = [str(event.data) for event in events if event.event.value == "output"]
    return {"events": [event.event.value for event in events], "urls": urls}


def cancel(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    prediction = client(key).predictions.get(asked["id"])
    prediction.cancel()
    return {"state": prediction.status}


def upload(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"reference": client(key).files.create(asked["path"]).urls["get"]}


def create_with(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    inputs = asked.get("inputs") or {}
    if not asked.get("path"):
        return create(key, {**asked, "inputs": {**inputs, "image": asked["reference"]}})
    # An open file is what the client uploads by itself.
    with Path(asked["path"]).open("rb") as image:
        return create(key, {**asked, "inputs": {**inputs, "image": image}})


def download(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    prediction = client(key).predictions.get(asked["id"])
    content = FileOutput(listed(prediction.output)[0], client(key)).read()
    return {"bytes": Path(asked["to"]).write_bytes(content)}


def list_all(key: str, _asked: dict[str, Any]) -> dict[str, Any]:
    return {"ids": [prediction.id for prediction in client(key).predictions.list()]}


def verify(_key: str, asked: dict[str, Any]) -> dict[str, Any]:
    secret = WebhookSigningSecret(key=asked["secret"])
    Webhooks.validate(headers=asked["headers"], body=asked["body"], secret=secret)
    return {"verified": True, "id": json.loads(asked["body"])["id"]}


def secret(key: str, _asked: dict[str, Any]) -> dict[str, Any]:
    return {"secret": client(key).webhooks.default.secret().key}


def model(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    found = client(key).models.get(asked["model"])
    assert found.latest_version is not None
    schema = found.latest_version.openapi_schema
    return {"id": found.id, "version": found.latest_version.id, "schema": schema}


VERBS = {
    "create": create,
    "get": get,
    "wait": wait,
    "run": run,
    "stream": stream,
    "cancel": cancel,
    "upload": upload,
    "create_with": create_with,
    "download": download,
    "list": list_all,
    "verify": verify,
    "secret": secret,
    "model": model,
}


def answer(line: str) -> dict[str, Any]:
    asked = json.loads(line)
    try:
        return {"ok": VERBS[asked["verb"]](asked["key"], asked)}
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        status = getattr(error, "status", None)
        return {
            "error": {"type": type(error).__name__, "status": status, "message": str(error)},
        }


for order in sys.stdin:
    sys.stdout.write(json.dumps(answer(order)) + "\n")
    sys.stdout.flush()
