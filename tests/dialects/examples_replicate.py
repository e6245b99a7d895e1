"""Good requests to each route of Replicate's dialect."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.dialects.examples import Example, Make
from tests.scripted import paint

from kinetoscope.catalog.spec import builtin
from kinetoscope.dialects.replicate.versions import version_of

BASE = "/replicate/v1"
MODEL = "/models/kinetoscope/gpt-image-2"
VERSION = version_of(builtin().models_by_id["gpt-image-2"])
BODY = {"input": {"prompt": "a sunset"}}


def picture() -> bytes:
    with TemporaryDirectory() as folder:
        return paint(Path(folder) / "a.png", 320, 320).read_bytes()


def at(path: str) -> Make:
    return lambda _things: Example(path=BASE + path)


EXAMPLES: dict[tuple[str, str], Make] = {
    ("POST", f"{BASE}/predictions"): lambda _things: Example(json={**BODY, "version": VERSION}),
    ("POST", BASE + "/models/{owner}/{name}/predictions"): lambda _things: Example(
        path=f"{BASE}{MODEL}/predictions", json=BODY, headers={"Prefer": "wait"}
    ),
    ("POST", BASE + "/deployments/{owner}/{name}/predictions"): lambda _things: Example(
        path=f"{BASE}/deployments/kinetoscope/gpt-image-2/predictions", json=BODY
    ),
    ("GET", f"{BASE}/predictions"): at("/predictions"),
    ("GET", BASE + "/predictions/{id}"): lambda things: Example(
        path=f"{BASE}/predictions/{things.ended}", names_something=True
    ),
    ("POST", BASE + "/predictions/{id}/cancel"): lambda things: Example(
        path=f"{BASE}/predictions/{things.running}/cancel", names_something=True
    ),
    ("GET", BASE + "/predictions/{id}/stream"): lambda things: Example(
        path=f"{BASE}/predictions/{things.ended}/stream", names_something=True
    ),
    ("GET", f"{BASE}/models"): at("/models"),
    ("QUERY", f"{BASE}/models"): lambda _things: Example(json="seedance"),
    ("GET", BASE + "/models/{owner}/{name}"): at(MODEL),
    ("GET", BASE + "/models/{owner}/{name}/readme"): at(f"{MODEL}/readme"),
    ("GET", BASE + "/models/{owner}/{name}/examples"): at(f"{MODEL}/examples"),
    ("GET", BASE + "/models/{owner}/{name}/versions"): at(f"{MODEL}/versions"),
    ("GET", BASE + "/models/{owner}/{name}/versions/{version}"): at(f"{MODEL}/versions/{VERSION}"),
    ("GET", f"{BASE}/deployments"): at("/deployments"),
    ("GET", BASE + "/deployments/{owner}/{name}"): at("/deployments/kinetoscope/gpt-image-2"),
    ("GET", f"{BASE}/collections"): at("/collections"),
    ("GET", f"{BASE}/hardware"): at("/hardware"),
    ("GET", f"{BASE}/account"): at("/account"),
    ("GET", f"{BASE}/webhooks/default/secret"): at("/webhooks/default/secret"),
    ("POST", f"{BASE}/files"): lambda _things: Example(
        files={"content": ("a.png", picture(), "image/png")}
    ),
    ("GET", f"{BASE}/files"): at("/files"),
    ("GET", BASE + "/files/{id}"): lambda things: Example(
        path=f"{BASE}/files/{things.upload}", names_something=True
    ),
    ("GET", BASE + "/files/{id}/download"): lambda things: Example(
        path=f"{BASE}/files/{things.upload}/download", names_something=True
    ),
    ("DELETE", BASE + "/files/{id}"): lambda things: Example(
        path=f"{BASE}/files/{things.upload}", names_something=True
    ),
}
