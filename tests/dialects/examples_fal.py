"""A good request to each route of fal's dialect."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.dialects.examples import Example, Make, Things
from tests.scripted import paint

MODEL = "kinetoscope/gpt-image-2"
CLIP = "bytedance/seedance-2.0/mini/text-to-video"
REQUESTS = "/fal/queue/{app:path}/requests/{request_id}"
INPUTS: dict[str, Any] = {"prompt": "a sunset"}
FILE = {"content_type": "image/png", "file_name": "a.png"}


def _picture() -> bytes:
    with TemporaryDirectory() as folder:
        return paint(Path(folder) / "a.png", 320, 320).read_bytes()


PICTURE = _picture()


def _ended(tail: str = "") -> Make:
    return lambda things: Example(
        path=f"/fal/queue/{MODEL}/requests/{things.ended}{tail}", names_something=True
    )


def _cancel(things: Things) -> Example:
    path = f"/fal/queue/{MODEL}/requests/{things.running}/cancel"
    return Example(path=path, names_something=True)


def _proxied(path: str, json: object = None) -> Make:
    def make(things: Things) -> Example:
        target = "https://queue.fal.run/" + path.format(things=things)
        return Example(
            headers={"x-fal-target-url": target}, json=json, names_something="{things" in path
        )

    return make


PROXIED = {
    "GET": _proxied(MODEL + "/requests/{things.ended}/status?logs=1"),
    "POST": _proxied(CLIP, INPUTS),
    "PUT": _proxied(MODEL + "/requests/{things.running}/cancel"),
}

EXAMPLES: dict[tuple[str, str], Make] = {
    ("POST", "/fal/queue/{app:path}"): lambda _things: Example(
        path=f"/fal/queue/{CLIP}", json=INPUTS
    ),
    ("GET", f"{REQUESTS}/status"): _ended("/status"),
    ("GET", f"{REQUESTS}/status/stream"): _ended("/status/stream"),
    ("GET", f"{REQUESTS}/response"): _ended("/response"),
    ("GET", REQUESTS): _ended(),
    ("PUT", f"{REQUESTS}/cancel"): _cancel,
    ("POST", "/fal/run/{app:path}"): lambda _things: Example(path=f"/fal/run/{MODEL}", json=INPUTS),
    ("POST", "/fal/run/{app:path}/stream"): lambda _things: Example(
        path=f"/fal/run/{MODEL}/stream", json=INPUTS
    ),
    ("POST", "/fal/storage/upload/initiate"): lambda _things: Example(json=FILE),
    ("POST", "/fal/storage/auth/token"): lambda _things: Example(json={}),
    ("POST", "/fal/files/upload"): lambda _things: Example(content=PICTURE),
    **{
        (method, f"{place}/proxy"): make
        for method, make in PROXIED.items()
        for place in ("/fal", "/api/fal")
    },
}
