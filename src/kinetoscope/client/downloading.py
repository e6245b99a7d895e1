"""Downloads: written under another name, continued after breaks, renamed when whole."""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import httpx

from kinetoscope.client.asking import backoff_s, origin, refused_stream, worth_repeating
from kinetoscope.client.errors import DownloadFailed, Misconfigured
from kinetoscope.client.jobs import get, succeeded
from kinetoscope.client.steps import (
    Close,
    Pause,
    Request,
    Server,
    Steps,
    Stream,
    opened,
    read,
)
from kinetoscope.client.values import Output, Submitted, Task, task_id_of

CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")

HTTP_PARTIAL = 206
HTTP_NO_SUCH_RANGE = 416


def targets(outputs: Sequence[Output], to: Path, *, as_folder: bool) -> tuple[Path, ...]:
    """Return where each file goes: into a folder under the server's names, or as `to` says.

    Several files become `name-1.mp4`, `name-2.mp4`.
    """
    if as_folder:
        return tuple(to / name_of(output.url) for output in outputs)
    if len(outputs) == 1:
        return (to,)
    return tuple(
        to.with_name(f"{to.stem}-{number}{to.suffix}") for number in range(1, len(outputs) + 1)
    )


def name_of(url: str) -> str:
    """Return a file's name from its address; never a path."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "output"


def download_all(
    server: Server, source: Task | Submitted | Output | str, to: str | os.PathLike[str]
) -> Steps[tuple[Path, ...]]:
    """Save all files; `to` is a folder if it is there as one, or ends as one."""
    outputs = yield from _outputs(server, source)
    path = Path(to)
    as_folder = path.is_dir() or os.fspath(to).endswith(("/", os.sep))
    if as_folder:
        path.mkdir(parents=True, exist_ok=True)
    places = targets(outputs, path, as_folder=as_folder)
    for output, place in zip(outputs, places, strict=True):
        yield from download(server, output.url, place)
    return places


def _outputs(server: Server, source: Task | Submitted | Output | str) -> Steps[Sequence[Output]]:
    """Return the files that are meant; raises TaskFailed, or DownloadFailed while it goes on."""
    if isinstance(source, Output):
        return (source,)
    if isinstance(source, str) and "://" in source:
        return (Output(url=source, media_type=""),)
    task = source if isinstance(source, Task) else (yield from get(server, task_id_of(source)))
    if not task.has_ended:
        raise DownloadFailed(f"{task.id} has not ended: {task.status}")
    return succeeded(task).outputs


def download(server: Server, url: str, path: Path) -> Steps[Path]:
    """Save a file; its name shows only a whole one. Raises Refused, DownloadFailed or OSError."""
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    with _temporary(part):
        with part.open("wb") as file:
            yield from _fill(server, url, Arriving(file))
        part.replace(path)
    return path


@contextmanager
def _temporary(part: Path) -> Iterator[None]:
    try:
        yield
    finally:
        part.unlink(missing_ok=True)


@dataclass(slots=True)
class Arriving:
    """A file on its way: how far it is, how long it will be, and which version of it this is."""

    file: BinaryIO
    at: int = 0
    size: int | None = None
    tag: str = ""

    def headers(self) -> dict[str, str]:
        """Ask for what is missing, or for all of it."""
        plain = {"Accept-Encoding": "identity"}
        if self.at == 0:
            return plain
        tag = {"If-Range": self.tag} if self.tag else {}
        return plain | tag | {"Range": f"bytes={self.at}-"}

    def begin(self, response: httpx.Response) -> None:
        """Take an answer's headers in: it goes on where we are, or begins anew."""
        if response.status_code == HTTP_PARTIAL:
            match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if match is not None and int(match[1]) == self.at and match[2] in {"*", str(self.size)}:
                return
            raise httpx.RemoteProtocolError("another part than the one that was asked for")
        self.restart()
        tag = response.headers.get("etag", "")
        self.tag = "" if tag.startswith("W/") else tag
        length = response.headers.get("content-length", "")
        is_plain = response.headers.get("content-encoding", "identity") == "identity"
        self.size = int(length) if is_plain and length.isdigit() else None

    def restart(self) -> None:
        """Forget what came."""
        self.file.seek(0)
        self.file.truncate()
        self.at, self.size, self.tag = 0, None, ""

    def add(self, chunk: bytes) -> None:
        """Keep what came."""
        self.file.write(chunk)
        self.at += len(chunk)


def _fill(server: Server, url: str, arriving: Arriving) -> Steps[None]:
    failures = 0
    while True:
        before = arriving.at
        try:
            stream = yield from opened(
                Request(
                    method="GET",
                    url=url,
                    headers=arriving.headers(),
                    read_s=server.timeout_s,
                    follow=True,
                )
            )
            if stream.response.is_success:
                arriving.begin(stream.response)
                while (chunk := (yield from read(stream))) is not None:
                    arriving.add(chunk)
                yield Close(stream)
                if arriving.size is None or arriving.at == arriving.size:
                    return
                broken = "the connection ended early"
            else:
                broken = yield from _refused(stream, arriving)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise Misconfigured(f"{origin(url)} cannot be asked: {error}") from error
        except httpx.HTTPError as error:
            broken = str(error) or type(error).__name__
        failures = 0 if arriving.at > before else failures + 1
        if failures > server.retries:
            whole = "" if arriving.size is None else f" of {arriving.size}"
            raise DownloadFailed(
                f"{arriving.at}{whole} bytes came from {origin(url)}; then: {broken}"
            )
        yield Pause(backoff_s(failures))


def _refused(stream: Stream, arriving: Arriving) -> Steps[str]:
    """Say what is wrong where trying again may help; raises Refused where not."""
    status = stream.response.status_code
    refused = yield from refused_stream(stream)
    if status == HTTP_NO_SUCH_RANGE and arriving.at:
        arriving.restart()
        return "the file has changed"
    if not worth_repeating(refused):
        raise refused
    return refused.message
