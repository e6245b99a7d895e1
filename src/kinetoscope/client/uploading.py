"""Uploads: a file's bytes to the server, and its address into the inputs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from kinetoscope.client.asking import asked, asked_for, request_for
from kinetoscope.client.errors import Answer, Misconfigured, TooLarge
from kinetoscope.client.steps import Request, Server, Steps
from kinetoscope.client.values import text_of

PUT_TIMEOUT_S = 300.0

TOO_LARGE = 413


def upload(server: Server, file: Path | bytes, name: str) -> Steps[str]:
    """Upload a file; return the address that inputs take for a day.

    Raises TooLarge before anything is sent, and InvalidRequest where the bytes are no media of the
    kind that the name's ending says.
    """
    size = len(file) if isinstance(file, bytes) else _size(file)
    content = json.dumps({"fileName": name}).encode()
    request = request_for(server, "POST", "/api/v1/uploads", content=content)
    place = yield from asked_for(server, request, _place)
    if size > place.bytes_max:
        message = f"{name} has {size} bytes, and {place.bytes_max} are taken"
        raise TooLarge(Answer(status=TOO_LARGE, message=message))
    yield from asked(
        server,
        Request(
            method="PUT",
            url=place.upload_url,
            headers={"Content-Type": place.content_type},  # the address is the permission
            content=file,
            read_s=max(PUT_TIMEOUT_S, server.timeout_s),
        ),
    )
    return place.url


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    url: str
    upload_url: str = field(repr=False)
    content_type: str
    bytes_max: int


def _place(data: Mapping[str, Any]) -> _Place:
    return _Place(
        url=text_of(data, "url"),
        upload_url=text_of(data, "uploadUrl"),
        content_type=text_of(data, "contentType"),
        bytes_max=int(data["bytesMax"]),
    )


def _size(path: Path) -> int:
    if not path.is_file():
        raise Misconfigured(f"There is no file {path}")
    return path.stat().st_size


def uploaded(server: Server, inputs: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """Return inputs with files uploaded: each path replaced by an address, each file sent once.

    A path in the place of a list stands for a list of one.
    """
    known: dict[Path, str] = {}
    done: dict[str, Any] = {}
    for name, value in inputs.items():
        found = yield from _replaced(server, value, known)
        done[name] = [found] if isinstance(value, PathLike) else found
    return done


def _replaced(server: Server, value: object, known: dict[Path, str]) -> Steps[object]:
    if isinstance(value, PathLike):
        path = Path(value)
        if path not in known:
            known[path] = yield from upload(server, path, path.name)
        return known[path]
    if isinstance(value, list | tuple):
        items = list(value)
        for place, item in enumerate(items):
            items[place] = yield from _replaced(server, item, known)
        return items
    return value
