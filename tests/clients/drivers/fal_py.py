"""fal's Python client, told where to go as a user tells it: by two environment variables."""

import base64
import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ADDRESS = os.environ["KINETOSCOPE_TEST_URL"]  # noqa: TID251 - a program of its own
os.environ["FAL_RUN_HOST"] = f"{ADDRESS.removeprefix('https://')}/fal/run"  # noqa: TID251
os.environ["FAL_QUEUE_RUN_HOST"] = f"{ADDRESS.removeprefix('https://')}/fal/queue"  # noqa: TID251

import fal_client  # noqa: E402 - reads them when it is imported
import httpx  # noqa: E402
from cryptography.exceptions import InvalidSignature  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: E402

JSON = dict[str, Any]

ANY_APP = "kinetoscope/gpt-image-2"
"""Requests are found by their ids, whatever model they are said to be for."""

LEEWAY_S = 300


@functools.cache
def client(key: str) -> fal_client.SyncClient:
    """Return the client of a key."""
    return fal_client.SyncClient(key=key)


def words(status: fal_client.Status) -> JSON:
    """Return a status as fal's API words it; the client has a class for each."""
    if isinstance(status, fal_client.Completed):
        return {"state": "COMPLETED", "error": status.error}
    queued = isinstance(status, fal_client.Queued)
    return {"state": "IN_QUEUE" if queued else "IN_PROGRESS"}


def urls(made: JSON) -> list[str]:
    """Return the addresses of what a model made."""
    found = made.get("images") or [made.get("video") or made.get("audio")]
    return [file["url"] for file in found]


def create(order: JSON) -> JSON:
    """Submit to the queue."""
    handle = client(order["key"]).submit(
        order["model"],
        {"prompt": order["prompt"], **order.get("inputs", {})},
        webhook_url=order.get("callback"),
        headers=order.get("headers") or {},
    )
    status = handle.status()
    return {"id": handle.request_id, **words(status)}


def get(order: JSON) -> JSON:
    """Ask how a request stands."""
    return words(client(order["key"]).status(ANY_APP, order["id"], with_logs=True))


def wait(order: JSON) -> JSON:
    """Poll until a request is completed, and fetch its result."""
    handle = client(order["key"]).get_handle(ANY_APP, order["id"])
    for _ in handle.iter_events(with_logs=True):
        pass
    return {"state": "COMPLETED", "urls": urls(handle.get())}


def run(order: JSON) -> JSON:
    """Make something in one call."""
    inputs = {"prompt": order["prompt"], **order.get("inputs", {})}
    return {"urls": urls(client(order["key"]).run(order["model"], inputs))}


def stream(order: JSON) -> JSON:
    """Follow one run by its events; the last one is the result."""
    inputs = {"prompt": order["prompt"], **order.get("inputs", {})}
    events = list(client(order["key"]).stream(order["model"], inputs))
    return {"events": events, "urls": urls(events[-1])}


def cancel(order: JSON) -> JSON:
    """Cancel a request."""
    client(order["key"]).cancel(ANY_APP, order["id"])
    return get(order)


def upload(order: JSON) -> JSON:
    """Turn a file into a data URI: uploads would go to fal's own hosts."""
    return {"reference": fal_client.encode_file(order["path"])}


def create_with(order: JSON) -> JSON:
    """Submit with a picture."""
    inputs = {**order.get("inputs", {}), "image_urls": [order["reference"]]}
    return create({**order, "inputs": inputs})


def download(order: JSON) -> JSON:
    """Fetch a result's first file; the client leaves that to its users."""
    (first, *_) = wait(order)["urls"]
    body = httpx.get(first).raise_for_status().content
    return {"bytes": Path(order["to"]).write_bytes(body)}


def verify(order: JSON) -> JSON:
    """Check a webhook as fal's documentation says; the client has nothing for it."""
    headers = {name.lower(): value for name, value in order["headers"].items()}
    body = order["body"].encode()
    timestamp = headers["x-fal-webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > LEEWAY_S:  # noqa: TID251 - the receiver's own clock
        raise ValueError("too old")
    signed = "\n".join(
        (
            headers["x-fal-webhook-request-id"],
            headers["x-fal-webhook-user-id"],
            timestamp,
            hashlib.sha256(body).hexdigest(),
        )
    )
    signature = bytes.fromhex(headers["x-fal-webhook-signature"])
    for key in httpx.get(f"{ADDRESS}/fal/.well-known/jwks.json").json()["keys"]:
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
        try:
            public.verify(signature, signed.encode())
        except InvalidSignature:
            continue
        return {"verified": True, "id": json.loads(body)["request_id"]}
    raise ValueError("no key verifies this")


VERBS: dict[str, Callable[[JSON], JSON]] = {
    "create": create,
    "get": get,
    "wait": wait,
    "run": run,
    "stream": stream,
    "cancel": cancel,
    "upload": upload,
    "create_with": create_with,
    "download": download,
    "verify": verify,
}


def answer(order: JSON) -> JSON:
    """Do what an order says, or tell what the client raised."""
    try:
        return {"ok": VERBS[order["verb"]](order)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
        status = getattr(error, "status_code", None)
        if isinstance(error, httpx.HTTPStatusError):
            status = error.response.status_code
        told = {"type": type(error).__name__, "status": status, "message": str(error)}
        return {"error": told}


for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    sys.stdout.flush()
