"""OpenAI's Python client, as its makers publish it: one order a line, one answer."""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ["OPENAI_BASE_URL"] = os.environ["KINETOSCOPE_TEST_URL"] + "/openai/v1"  # noqa: TID251
warnings.filterwarnings("ignore", message="The Sora API")

from openai import APIStatusError, OpenAI  # noqa: E402 - it reads where to speak to

CLIENTS: dict[str, OpenAI] = {}


def client_of(order: dict[str, Any]) -> OpenAI:
    key = str(order["key"])
    return CLIENTS.setdefault(key, OpenAI(api_key=key))


def create(client: OpenAI, order: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ANN401
    inputs = dict(order.get("inputs") or {})
    typed = {name: inputs.pop(name) for name in ("seconds", "size") if name in inputs}
    if "callback" in order:
        inputs["callBackUrl"] = order["callback"]
    video = client.videos.create(
        model=order["model"],
        prompt=order["prompt"],
        extra_body=inputs or None,
        extra_headers=order.get("headers"),
        **typed,
        **further,
    )
    return {"id": video.id, "state": video.status}


def shown(video: Any) -> dict[str, Any]:  # noqa: ANN401
    error = None if video.error is None else f"{video.error.code}: {video.error.message}"
    return {"state": video.status, "urls": [], "error": error}


def create_with(client: OpenAI, order: dict[str, Any]) -> dict[str, Any]:
    """As a file of the client's, by its id."""
    reference = {"input_reference": {"file_id": order["reference"]}}
    return create(client, {**order, "inputs": {**(order.get("inputs") or {}), **reference}})


def run(client: OpenAI, order: dict[str, Any]) -> dict[str, Any]:
    made = client.images.generate(
        model=order["model"], prompt=order["prompt"], **(order.get("inputs") or {})
    )
    images = made.data or []
    return {
        "urls": [image.url for image in images],
        "bytes": sum(len(image.b64_json or "") * 3 // 4 for image in images),
    }


def upload(client: OpenAI, order: dict[str, Any]) -> dict[str, Any]:
    with Path(order["path"]).open("rb") as file:
        return {"reference": client.files.create(file=file, purpose="vision").id}


def download(client: OpenAI, order: dict[str, Any]) -> dict[str, Any]:
    path = Path(order["to"])
    client.videos.download_content(order["id"]).write_to_file(path)
    return {"bytes": path.stat().st_size}


def verify(client: OpenAI, order: dict[str, Any]) -> dict[str, Any]:
    event: Any = client.webhooks.unwrap(order["body"], order["headers"], secret=order["secret"])
    return {"verified": True, "id": event.data.id, "type": event.type}


def cancel(client: OpenAI, order: dict[str, Any]) -> dict[str, Any]:
    return {"state": "deleted" if client.videos.delete(order["id"]).deleted else "cancelling"}


VERBS = {
    "create": create,
    "create_with": create_with,
    "get": lambda client, order: shown(client.videos.retrieve(order["id"])),
    "wait": lambda client, order: shown(client.videos.poll(order["id"])),
    "run": run,
    "cancel": cancel,
    "upload": upload,
    "download": download,
    "list": lambda client, _order: {"ids": [video.id for video in client.videos.list()]},
    "verify": verify,
}


def answer(order: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": VERBS[order["verb"]](client_of(order), order)}
    except Exception as error:  # noqa: BLE001 - it is told, whatever it is
        status = error.status_code if isinstance(error, APIStatusError) else None
        return {"error": {"type": type(error).__name__, "status": status, "message": str(error)}}


for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    sys.stdout.flush()
