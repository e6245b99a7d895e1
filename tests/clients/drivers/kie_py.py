"""kie.ai publishes no client: this is the program that its documentation shows, over httpx.

https://docs.kie.ai/market/quickstart, https://docs.kie.ai/file-upload-api/quickstart,
https://docs.kie.ai/common-api/webhook-verification. An answer says 200 and has a `code`; what is
asked for without one (a gateway's answer) goes by its status.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx

BASE = os.environ["KINETOSCOPE_TEST_URL"] + "/kie"  # noqa: TID251 - elsewhere https://api.kie.ai
UPLOADS = BASE  # elsewhere https://kieai.redpandaai.co
FINE = 200
POLL_S = 0.5
ENDS = {"success", "fail"}

Values = dict[str, Any]


class KieError(Exception):
    """An answer whose code is not 200."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@cache
def client(key: str) -> httpx.Client:
    return httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60)


def data_of(response: httpx.Response) -> Any:  # noqa: ANN401 - as various as JSON
    response.raise_for_status()
    told = response.json()
    if told["code"] != FINE:
        raise KieError(told["code"], told.get("msg") or told.get("message"))
    return told["data"]


def create(key: str, values: Values) -> Values:
    body = {
        "model": values["model"],
        "input": {"prompt": values["prompt"], **values.get("inputs", {})},
        "callBackUrl": values.get("callback"),
    }
    headers = values.get("headers") or {}
    url = f"{BASE}/api/v1/jobs/createTask"
    made = data_of(client(key).post(url, json=body, headers=headers))
    return {"id": made["taskId"], "state": "waiting"}


def record(key: str, task_id: str) -> Values:
    url = f"{BASE}/api/v1/jobs/recordInfo"
    found: Values = data_of(client(key).get(url, params={"taskId": task_id}))
    return found


def get(key: str, values: Values) -> Values:
    found = record(key, values["id"])
    return {"state": found["state"], "error": found["failMsg"] or None}


def wait(key: str, values: Values) -> Values:
    while (found := record(key, values["id"]))["state"] not in ENDS:
        time.sleep(POLL_S)
    urls = json.loads(found["resultJson"])["resultUrls"] if found["resultJson"] else []
    return {"state": found["state"], "urls": urls, "error": found["failMsg"] or None}


def run(key: str, values: Values) -> Values:
    return {"urls": wait(key, create(key, values))["urls"]}


def upload(key: str, values: Values) -> Values:
    path = Path(values["path"])
    with path.open("rb") as file:
        response = client(key).post(
            f"{UPLOADS}/api/file-stream-upload",
            data={"uploadPath": "images", "fileName": path.name},
            files={"file": (path.name, file, "image/png")},
        )
    return {"reference": data_of(response)["downloadUrl"]}


def create_with(key: str, values: Values) -> Values:
    reference = values.get("reference") or upload(key, values)["reference"]
    inputs = {**values.get("inputs", {}), "image_urls": [reference]}
    return create(key, {**values, "inputs": inputs})


def download(key: str, values: Values) -> Values:
    url = wait(key, values)["urls"][0]
    address = data_of(client(key).post(f"{BASE}/api/v1/common/download-url", json={"url": url}))
    content = httpx.get(address).raise_for_status().content
    Path(values["to"]).write_bytes(content)
    return {"bytes": len(content)}


def credit(key: str, _values: Values) -> Values:
    return {"credits": data_of(client(key).get(f"{BASE}/api/v1/chat/credit"))}


def verify(_key: str, values: Values) -> Values:
    headers = {name.lower(): text for name, text in values["headers"].items()}
    data = json.loads(values["body"])["data"]
    signed = f"{data['task_id']}.{headers['x-webhook-timestamp']}"
    digest = hmac.new(values["secret"].encode(), signed.encode(), hashlib.sha256).digest()
    computed = base64.b64encode(digest).decode()
    if not hmac.compare_digest(computed, headers["x-webhook-signature"]):
        raise ValueError("Invalid signature")
    return {"verified": True, "id": data["task_id"], "type": data["state"]}


VERBS: dict[str, Callable[[str, Values], Values]] = {
    "create": create,
    "get": get,
    "wait": wait,
    "run": run,
    "upload": upload,
    "create_with": create_with,
    "download": download,
    "credit": credit,
    "verify": verify,
}


def answer(asked: Values) -> Values:
    try:
        return {"ok": VERBS[asked["verb"]](asked["key"], asked)}
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        status = None
        if isinstance(error, KieError):
            status = error.code
        elif isinstance(error, httpx.HTTPStatusError):
            status = error.response.status_code
        told = {"type": type(error).__name__, "status": status, "message": str(error)}
        return {"error": told}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201 - that is how it answers
