"""Calling upstreams: HTTP to addresses the operator chose, and what is known where a call fails.

    KinetoscopeError
    ├── CallFailed     no whole answer came; says whether the request may have arrived
    └── NotWritten     an answer came, and could not be written to a file here

Strangers' addresses are fetched by `outbound`, which checks where they lead. Here the operator
has decided that already: an engine in his own network is what he means.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON

SOCKET_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 10.0
"""With the lookup of the name, which has no limit of its own."""
POLLS_MAX = 64
"""Kept connections to one origin: who is slow keeps only those waiting that ask him."""
PIECE_BYTES = 256 * 1024
MEBIBYTE = 1024 * 1024


class CallFailed(KinetoscopeError):
    """No whole answer came. Its text names no path, query or header.

    `may_have_arrived` is False only where the request certainly never reached the other side.
    """

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


class NotWritten(KinetoscopeError):
    """This machine could not keep an answer, as on a full disk: no fault of the other side's."""


class Malformed(KinetoscopeError):
    """An answer is not what the upstream documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """One file of a form: bytes, or a file on this machine."""

    name: str
    filename: str
    media_type: str
    source: Path | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Its body is `content`, else a form of `fields` and `files`, else `json`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    json: JSON = None
    fields: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()
    content: bytes | Path | None = None
    timeout_s: float = 30.0
    bytes_max: int = MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_fine(self) -> bool:
        """Whether the status is one of the 200s."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110

    def value(self) -> JSON:
        """Read the body as JSON; raises Malformed."""
        try:
            read: JSON = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Malformed("The answer is not JSON") from None
        return read

    def table(self) -> dict[str, JSON]:
        """Read the body as a JSON object; raises Malformed."""
        value = self.value()
        if not isinstance(value, dict):
            raise Malformed("The answer is not a JSON object")
        return value


class _Way(Enum):
    """How a request travels. None of them shares a limit with another origin."""

    ONCE = auto()
    """A connection of its own."""
    POLL = auto()
    """A kept connection."""
    STREAM = auto()
    """Takes long; must not keep polls waiting."""


class Caller:
    """Makes calls. What may be repeated shares connections; what may not gets one of its own.

    A kept connection may have been closed by the other side in the moment it is used, and then
    nobody knows whether the request arrived. A fresh one cannot.
    """

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._sessions: dict[_Way, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Let every connection go."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def call(self, call: Call) -> Answer:
        """Send a request and read the whole answer, whatever its status; raises CallFailed."""
        way = _Way.POLL if call.method in {"GET", "HEAD"} else _Way.ONCE
        async with self._sent(call, way) as response:
            body = await _body(response, call.bytes_max)
            return Answer(status=response.status, headers=_headers(response), body=body)

    async def download(self, call: Call, path: Path) -> Answer:
        """GET into a file; of an answer other than 200 the body is dropped.

        Raises CallFailed, and NotWritten.
        """
        async with self._sent(call, _Way.STREAM) as response:
            if response.status == 200:  # noqa: PLR2004 - RFC 9110
                await _store(response, path, call.bytes_max)
            return Answer(status=response.status, headers=_headers(response), body=b"")

    async def messages(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[str]:
        """Read the texts that come on a websocket until it closes; raises CallFailed."""
        with _Trip():
            async with self._session(_Way.STREAM).ws_connect(
                url, headers=dict(headers), heartbeat=20
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        yield str(message.data)

    @asynccontextmanager
    async def _sent(self, call: Call, way: _Way) -> AsyncIterator[aiohttp.ClientResponse]:
        trip = _Trip()
        with trip, ExitStack() as files:
            async with (
                asyncio.timeout(call.timeout_s),
                self._session(way).request(
                    call.method,
                    call.url,
                    headers=dict(call.headers),
                    params=list(call.query) or None,
                    data=_data(call, files),
                    allow_redirects=False,
                    trace_request_ctx=trip,
                ) as response,
            ):
                yield response

    def _session(self, way: _Way) -> aiohttp.ClientSession:
        kept = self._sessions.get(way)
        if kept is not None and not kept.closed:
            return kept
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_sent)
        self._sessions[way] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=POLLS_MAX if way is _Way.POLL else 0,
                force_close=way is _Way.ONCE,
                resolver=self._resolver,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Kinetoscope", "Accept-Encoding": "identity"},
            trust_env=False,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_TIMEOUT_S, sock_connect=SOCKET_TIMEOUT_S
            ),
            trace_configs=[trace],
        )
        return self._sessions[way]


class _Trip:
    """One request on its way: what goes wrong becomes CallFailed, without the address in its text.

    It may have arrived from the moment its first byte is about to be written, and not before.
    """

    def __init__(self) -> None:
        self.is_sent = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        match error:
            case aiohttp.InvalidURL():
                message = "The address cannot be read"
            case aiohttp.ClientError() | OSError() if not self.is_sent:  # TimeoutError is one
                message = "No connection could be made"
            case TimeoutError():
                message = "The answer took too long"
            case aiohttp.ClientError() | OSError():
                message = "The connection broke"
            case _:
                return
        raise CallFailed(message, may_have_arrived=self.is_sent) from None


async def _note_sent(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    sent: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    """Called before the first byte is written: https://docs.aiohttp.org/en/stable/tracing_reference.html."""
    del session, sent
    if isinstance(context.trace_request_ctx, _Trip):
        context.trace_request_ctx.is_sent = True


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _data(call: Call, files: ExitStack) -> aiohttp.FormData | aiohttp.Payload | None:
    """Return the body. Files are read while they are sent, and closed after it."""
    if isinstance(call.content, Path):
        # Without a name: it would go along in a header.
        file = files.enter_context(call.content.open("rb"))
        return aiohttp.payload.BufferedReaderPayload(file, filename=None)
    if call.content is not None:
        return aiohttp.BytesPayload(call.content)
    if call.fields or call.files:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in call.fields:
            form.add_field(name, value)
        for part in call.files:
            source = part.source
            content = files.enter_context(source.open("rb")) if isinstance(source, Path) else source
            form.add_field(part.name, content, filename=part.filename, content_type=part.media_type)
        return form
    if call.json is not None:
        return aiohttp.BytesPayload(orjson.dumps(call.json), content_type="application/json")
    return None


async def _body(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    read = bytearray()
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        read += piece
        if len(read) > bytes_max:
            raise CallFailed(f"The answer is over {bytes_max} bytes", may_have_arrived=True)
    return bytes(read)


async def _store(response: aiohttp.ClientResponse, path: Path, bytes_max: int) -> None:
    written = 0
    with _written(), path.open("wb") as file:
        async for piece in response.content.iter_chunked(PIECE_BYTES):
            written += len(piece)
            if written > bytes_max:
                raise CallFailed(f"The file is over {bytes_max} bytes", may_have_arrived=True)
            await asyncio.to_thread(file.write, piece)


@contextmanager
def _written() -> Iterator[None]:
    """Tell what goes wrong with a file from what goes wrong on the way."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        raise
    except OSError as error:
        raise NotWritten(f"The file could not be written: {error.strerror}") from None
