"""Scripts, styles, fonts and icons: ours from `static/`, others' from `vendor/`, read once."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from kinetoscope.kernel.errors import SettingInvalid

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "woff2": "font/woff2",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
"""What is served; everything else in the folders stays here."""

SQUEEZED = frozenset({"css", "js", "svg"})

PACKAGE = "kinetoscope.dashboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that pages load. `version` changes with its content."""

    name: str
    content: bytes
    squeezed: bytes | None
    media_type: str
    version: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file that is served, by name."""
    found: dict[str, Asset] = {}
    for folder in ("vendor", "static"):
        for file in sorted((files(PACKAGE) / folder).iterdir(), key=lambda entry: entry.name):
            ending = file.name.rpartition(".")[2]
            if file.is_file() and ending in TYPES:
                found[file.name] = _asset(file, ending)
    if "htmx.js" not in found:
        raise SettingInvalid("The dashboard's files are missing: install the package anew")
    return found


def _asset(file: Traversable, ending: str) -> Asset:
    content = file.read_bytes()
    return Asset(
        name=file.name,
        content=content,
        squeezed=gzip.compress(content, 9, mtime=0) if ending in SQUEEZED else None,
        media_type=TYPES[ending],
        version=hashlib.sha256(content).hexdigest()[:10],
    )


def asset_url(name: str) -> str:
    """Return where pages load a file from: another address whenever its content is another."""
    return f"/static/{name}?v={assets()[name].version}"


@cache
def icons() -> Mapping[str, str]:
    """Return the drawings of all icons, by their names, older ones too (https://lucide.dev)."""
    stated = json.loads((files(PACKAGE) / "vendor" / "lucide.json").read_bytes())
    drawn = {name: icon["body"] for name, icon in stated["icons"].items()}
    older = {name: drawn[alias["parent"]] for name, alias in stated["aliases"].items()}
    return older | drawn
