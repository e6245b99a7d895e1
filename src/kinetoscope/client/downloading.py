"""Downloads: written under another name, continued after breaks, renamed when whole."""

import errno
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

from kinetoscope.client.asking import (
    UNSENDABLE,
    backoff_s,
    origin,
    refused_stream,
    worth_repeating,
)
from kinetoscope.client.errors import DownloadFailed, Misconfigured, about
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

PART_NAME_BYTES = 100

HTTP_PARTIAL = 206
HTTP_NO_SUCH_RANGE = 416


def targets(outputs: Sequence[Output], to: Path, *, as_folder: bool) -> tuple[Path, ...]:
    """Return where each file goes: into a folder under the server's names, or as `to` says.

    Several files become `name-1.mp4`, `name-2.mp4`.
    """
    if as_folder:
        return tuple(to / name_of(output.url) for output in outputs)
    return numbered(to, len(outputs))


def numbered(to: Path, count: int) -> tuple[Path, ...]:
    """Return the names of so many files, of which one is called as it is said."""
    if count == 1:
        return (to,)
    return tuple(to.with_name(f"{to.stem}-{number}{to.suffix}") for number in range(1, count + 1))


def name_of(url: str) -> str:
    """Return a file's name from its address; never a path."""
    try:
        name = PurePosixPath(unquote(urlsplit(url).path)).name
    except ValueError:  # no address, as asking for it will say
        name = ""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "output"


def download_all(
    server: Server,
    source: Task | Submitted | Output | str,
    to: str | os.PathLike[str],
    *,
    overwrite: bool,
) -> Steps[tuple[Path, ...]]:
    """Save all files; `to` is a folder if it is there as one, or ends as one."""
    with about(_task_id(source)):
        outputs = yield from _outputs(server, source)
        return (yield from _saved(server, outputs, to, overwrite=overwrite))


def _saved(
    server: Server, outputs: Sequence[Output], to: str | os.PathLike[str], *, overwrite: bool
) -> Steps[tuple[Path, ...]]:
    path = Path(to)
    as_folder = path.is_dir() or os.fspath(to).endswith(("/", os.sep))
    if as_folder:
        path.mkdir(parents=True, exist_ok=True)
    places = targets(outputs, path, as_folder=as_folder)
    for place in places:
        _require_free(place, overwrite=overwrite)
    for output, place in zip(outputs, places, strict=True):
        yield from download(server, output.url, place, overwrite=overwrite)
    return places


def _task_id(source: Task | Submitted | Output | str) -> str | None:
    match source:
        case Task() | Submitted():
            return source.id
        case str() if "://" not in source:
            return source
        case _:
            return None


def _require_free(path: Path, *, overwrite: bool) -> None:
    """Raise FileExistsError where something is that is not to be, or cannot be, replaced."""
    if os.path.lexists(path) and not (overwrite and (path.is_file() or path.is_symlink())):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


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


def download(server: Server, url: str, path: Path, *, overwrite: bool) -> Steps[Path]:
    """Save a file; its name shows only a whole one. Raises Refused, DownloadFailed or OSError."""
    # A name has at most 255 bytes, whatever its characters.
    begin = os.fsencode(path.name)[:PART_NAME_BYTES].decode(errors="ignore")
    part = path.with_name(f".{begin}.{secrets.token_hex(4)}.part")
    with _temporary(part):
        with part.open("wb") as file:
            yield from _fill(server, url, Arriving(file))
        if overwrite:
            part.replace(path)
        else:
            _name(part, path)
    return path


def _name(part: Path, path: Path) -> None:
    """Give a file its name if nothing else has it; raises FileExistsError."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        _require_free(path, overwrite=False)
        raise
    except OSError:  # a file system without links
        with path.open("xb"):
            pass
        part.replace(path)


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
    most = 0
    while True:
        broken = yield from _went_on(server, url, arriving)
        if broken is None:
            return
        failures = 0 if arriving.at > most else failures + 1
        most = max(most, arriving.at)
        if failures > server.retries:
            whole = "" if arriving.size is None else f" of {arriving.size}"
            raise DownloadFailed(
                f"{arriving.at}{whole} bytes came from {origin(url)}; then: {broken}"
            )
        yield Pause(backoff_s(failures))


def _went_on(server: Server, url: str, arriving: Arriving) -> Steps[str | None]:
    """Ask for what is missing; return why that broke off, or None where the file is whole."""
    request = Request(
        method="GET",
        url=url,
        headers=arriving.headers(),
        read_s=server.timeout_s,
        follow=True,
    )
    stream = None
    try:
        stream = yield from opened(request)
        if not stream.response.is_success:
            return (yield from _refused(stream, arriving))
        arriving.begin(stream.response)
        while (chunk := (yield from read(stream))) is not None:
            arriving.add(chunk)
        broken = "the connection ended early"
    except UNSENDABLE as error:
        raise Misconfigured(f"{origin(url)} cannot be asked: {error}") from error
    except httpx.HTTPError as error:
        broken = str(error) or type(error).__name__
    else:
        if arriving.size is None or arriving.at == arriving.size:
            yield Close(stream)
            return None
    if stream is not None:
        yield Close(stream)
    return broken


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
