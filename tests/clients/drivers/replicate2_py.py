"""Replicate's client for Python, 2.0 beta, which has the name of 1.x; its address ends in /v1."""

import base64
import hashlib
import hmac
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ["REPLICATE_BASE_URL"] = os.environ["KINETOSCOPE_TEST_URL"] + "/replicate/v1"  # noqa: TID251
os.environ["REPLICATE_POLL_INTERVAL"] = "0.1"  # noqa: TID251

replicate: Any = import_module("replicate")
FileOutput: Any = import_module("replicate.lib._files").FileOutput

CLIENTS: dict[str, Any] = {}


def client(key: str) -> Any:  # noqa: ANN401 - not the version that is installed here
    if key not in CLIENTS:
        CLIENTS[key] = replicate.Replicate(bearer_token=key)
    return CLIENTS[key]


def listed(output: object) -> list[str]:
    if output is None:
        return []
    return [str(each) for each in output] if isinstance(output, list) else [str(output)]


def told(prediction: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "state": prediction.status,
        "urls": listed(prediction.output),
        "error": prediction.error,
    }


def create(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    owner, _, name = asked["model"].partition("/")
    further = {"webhook": asked["callback"]} if asked.get("callback") else {}
    made = client(key).models.predictions.create(
        model_owner=owner,
        model_name=name,
        input={"prompt": asked["prompt"], **(asked.get("inputs") or {})},
        extra_headers=asked.get("headers") or None,
        **further,
    )
    return {"id": made.id, "state": made.status}


def get(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(client(key).predictions.get(prediction_id=asked["id"]))


def wait(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return told(client(key).predictions.wait(asked["id"]))


def run(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    inputs = {"prompt": asked["prompt"], **(asked.get("inputs") or {})}
    output = client(key).run(asked["model"], input=inputs)
    files = output if isinstance(output, list) else [output]
    if not all(isinstance(file, FileOutput) for file in files):
        raise TypeError(f"Expected files, got {output!r}")
    return {"urls": [file.url for file in files], "bytes": sum(len(file.read()) for file in files)}


def stream(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Iterate over the output as it comes: a single text comes letter by letter."""
    os.environ["REPLICATE_API_TOKEN"] = key  # noqa: TID251 - all that `use` goes by
    inputs = {"prompt": asked["prompt"], **(asked.get("inputs") or {})}
    chunks = [str(chunk) for chunk in replicate.use(asked["model"], streaming=True)(**inputs)]
    is_text = all(len(chunk) == 1 for chunk in chunks)
    return {"events": chunks, "urls": ["".join(chunks)] if is_text else chunks}


def cancel(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"state": client(key).predictions.cancel(prediction_id=asked["id"]).status}


def upload(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    made = client(key).files.create(content=Path(asked["path"]))
    return {"reference": made.urls.get}


def create_with(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    inputs = asked.get("inputs") or {}
    if not asked.get("path"):
        return create(key, {**asked, "inputs": {**inputs, "image": asked["reference"]}})
    # An open file is what the client uploads by itself.
    with Path(asked["path"]).open("rb") as image:
        return create(key, {**asked, "inputs": {**inputs, "image": image}})


def download(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    prediction = client(key).predictions.get(prediction_id=asked["id"])
    content = FileOutput(listed(prediction.output)[0], client(key)).read()
    return {"bytes": Path(asked["to"]).write_bytes(content)}


def list_all(key: str, _asked: dict[str, Any]) -> dict[str, Any]:
    return {"ids": [prediction.id for prediction in client(key).predictions.list()]}


def verify(_key: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Verify as its documentation says; the beta brings no verifier."""
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{asked['body']}"
    key = base64.b64decode(asked["secret"].removeprefix("whsec_"))
    made = base64.b64encode(hmac.digest(key, said.encode(), hashlib.sha256)).decode()
    signatures = [each.partition(",")[2] for each in headers["webhook-signature"].split()]
    if not any(hmac.compare_digest(made, each) for each in signatures):
        raise ValueError("The signature is not valid")
    return {"verified": True, "id": json.loads(asked["body"])["id"]}


def secret(key: str, _asked: dict[str, Any]) -> dict[str, Any]:
    return {"secret": client(key).webhooks.default.secret.get().key}


def model(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    owner, _, name = asked["model"].partition("/")
    found = client(key).models.get(model_owner=owner, model_name=name)
    return {
        "id": f"{found.owner}/{found.name}",
        "version": found.latest_version.id,
        "schema": found.latest_version.openapi_schema,
    }


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
        status = getattr(error, "status_code", None)
        return {
            "error": {"type": type(error).__name__, "status": status, "message": str(error)},
        }


for order in sys.stdin:
    sys.stdout.write(json.dumps(answer(order)) + "\n")
    sys.stdout.flush()
