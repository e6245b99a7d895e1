"""The steps of a call, written once for both clients: what to do, not how.

A call is a generator. It yields effects (send this, read on, pause, tell this) and is sent what
came of each; what went wrong on the network is thrown into it. `perform_sync.py` and
`perform_async.py` do the effects, with httpx's two clients.
"""

import math
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

Result = TypeVar("Result")

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to ask, with which key, how long for one answer, and how often again.

    After `deadline_s`, a moment of `time.monotonic`, nothing is tried again.
    """

    url: str = field(repr=False)  # it may hold a password
    key: str = field(repr=False)
    timeout_s: float
    retries: int
    deadline_s: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `content` may be a file's path; `read_s` is how long to wait for bytes."""

    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | Path | None = field(default=None, repr=False)
    read_s: float
    follow: bool = False


def timeout_for(usual: httpx.Timeout, request: Request) -> httpx.Timeout:
    """Return how long httpx waits for a request: no longer for a connection than for bytes."""
    connect_s = request.read_s if usual.connect is None else min(usual.connect, request.read_s)
    return httpx.Timeout(connect_s, read=request.read_s)


@dataclass(slots=True)
class Stream:
    """An answer whose body is read piece by piece."""

    response: httpx.Response
    chunks: Iterator[bytes] | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and read its answer; gives an httpx.Response."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and leave its answer's body for later; gives a Stream."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read on; gives bytes, and None at the end."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of a stream, read or not."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Give this to whoever iterates."""

    value: object


Effect = Send | Open | Read | Close | Pause | Emit

Steps = Generator[Effect, Any, Result]


def send(request: Request) -> Steps[httpx.Response]:
    """Send a request and read its answer."""
    response: httpx.Response = yield Send(request)
    return response


def opened(request: Request) -> Steps[Stream]:
    """Send a request and leave its answer's body for later."""
    stream: Stream = yield Open(request)
    return stream


def read(stream: Stream) -> Steps[bytes | None]:
    """Read on."""
    chunk: bytes | None = yield Read(stream)
    return chunk


def read_all(stream: Stream) -> Steps[bytes]:
    """Read what is left, and close."""
    chunks = []
    while (chunk := (yield from read(stream))) is not None:
        chunks.append(chunk)
    yield Close(stream)
    return b"".join(chunks)
