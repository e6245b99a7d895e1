"""Calling upstreams: HTTP to addresses the operator chose, and what is known where a call fails.

    KinetoscopeError
    └── CallFailed     no whole answer came; says whether the request may have arrived

Strangers' addresses are fetched by `outbound`, which checks where they lead. Here the operator
has decided that already: an engine in his own network is what he means.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON

CONNECT_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 64
PIECE_BYTES = 256 * 1024
MEBIBYTE = 1024 * 1024


class CallFailed(KinetoscopeError):
    """No whole answer came. Its text names no path, query or header.

    `may_have_arrived` is False only where the request certainly never reached the other side.
    """

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


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


class Caller:
    """Makes calls. What may be repeated shares connections; what may not gets one of its own.

    A kept connection may have been closed by the other side in the moment it is used, and then
    nobody knows whether the request arrived. A fresh one cannot.
    """

    def __init__(self) -> None:
        self._keeping: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let every connection go."""
        for session in (self._keeping, self._fresh):
            if session is not None:
                await session.close()
        self._keeping = self._fresh = None

    async def call(self, call: Call) -> Answer:
        """Send a request and read the whole answer, whatever its status; raises CallFailed."""
        with _told():
            async with asyncio.timeout(call.timeout_s), self._sent(call) as response:
                body = await _body(response, call.bytes_max)
                return Answer(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=body,
                )

    async def download(self, call: Call, path: Path) -> Answer:
        """GET into a file; of an answer other than 200 the body is dropped. Raises CallFailed."""
        with _told():
            async with asyncio.timeout(call.timeout_s), self._sent(call) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if response.status == 200:  # noqa: PLR2004 - RFC 9110
                    await _store(response, path, call.bytes_max)
                return Answer(status=response.status, headers=headers, body=b"")

    async def messages(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[str]:
        """Read the texts that come on a websocket until it closes; raises CallFailed."""
        with _told():
            async with self._session(fresh=False).ws_connect(
                url, headers=dict(headers), heartbeat=20
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        yield str(message.data)

    def _sent(self, call: Call) -> "aiohttp.client._RequestContextManager":
        session = self._session(fresh=call.method not in {"GET", "HEAD"})
        return session.request(
            call.method,
            call.url,
            headers=dict(call.headers),
            params=list(call.query) or None,
            data=_data(call),
            allow_redirects=False,
        )

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        kept = self._fresh if fresh else self._keeping
        if kept is not None and not kept.closed:
            return kept
        made = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, force_close=fresh),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Kinetoscope", "Accept-Encoding": "identity"},
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        )
        if fresh:
            self._fresh = made
        else:
            self._keeping = made
        return made


class _told:  # noqa: N801 - used as a function is
    """Turn what goes wrong underneath into CallFailed, without the address in its text."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        match error:
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                raise CallFailed("No connection could be made", may_have_arrived=False) from None
            case aiohttp.InvalidURL():
                raise CallFailed("The address cannot be read", may_have_arrived=False) from None
            case TimeoutError():
                raise CallFailed("The answer took too long", may_have_arrived=True) from None
            case aiohttp.ClientError() | OSError():
                raise CallFailed("The connection broke", may_have_arrived=True) from None
            case _:
                return


def _data(call: Call) -> bytes | aiohttp.FormData | aiohttp.Payload | None:
    if isinstance(call.content, Path):
        return call.content.read_bytes()
    if call.content is not None:
        return call.content
    if call.fields or call.files:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in call.fields:
            form.add_field(name, value)
        for part in call.files:
            source = part.source
            content = source.read_bytes() if isinstance(source, Path) else source
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
    with path.open("wb") as file:
        async for piece in response.content.iter_chunked(PIECE_BYTES):
            written += len(piece)
            if written > bytes_max:
                raise CallFailed(f"The file is over {bytes_max} bytes", may_have_arrived=True)
            await asyncio.to_thread(file.write, piece)
