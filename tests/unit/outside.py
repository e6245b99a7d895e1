"""The outside world as fetches meet it: a server, a bare listener and a resolver, all local."""

import asyncio
import gzip
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web

from kinetoscope.kernel.connecting import Resolve
from kinetoscope.kernel.outbound import Egress, FetchLimits, OutboundFailed, OutboundRefused, fetch

BODY = b"\x89PNG\r\n\x1a\n" + bytes(1000)
LOOPBACK = Egress(allowed_networks=(ip_network("127.0.0.1/32"),), connect_timeout_s=2)
LIMITS = FetchLimits(bytes_max=100_000, total_timeout_s=5)


@dataclass
class Server:
    """A real server on 127.0.0.1 that notes every request."""

    port: int = 0
    body: bytes = BODY
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


async def redirect(request: web.Request) -> web.Response:
    response = web.Response(status=int(request.query.get("status", "302")))
    response.headers["Location"] = request.query["to"]
    response.set_cookie("kept", "no")
    return response


async def chain(request: web.Request) -> web.Response:
    left = int(request.match_info["left"])
    return web.Response(status=307, headers={"Location": f"/chain/{left - 1}" if left else "/ok"})


async def status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["status"]))


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(bytes(65536))
    return response


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b"x")
        await asyncio.sleep(0.05)
    return response


async def encoded(request: web.Request) -> web.Response:
    bomb = gzip.compress(bytes(10_000_000))
    return web.Response(body=bomb, headers={"Content-Encoding": request.match_info["encoding"]})


async def announced(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(LIMITS.bytes_max + 1))


async def broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        request.transport.close()
    return web.Response()


async def odd_type(_request: web.Request) -> web.Response:
    return web.Response(body=b"x", headers={"Content-Type": "<script>/x"})


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    noted = Server()

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        noted.paths.append(request.path_qs)
        noted.headers.append(dict(request.headers))
        return await handler(request)

    async def ok(_request: web.Request) -> web.Response:
        return web.Response(body=noted.body, headers={"Content-Type": "Image/PNG; charset=x"})

    app = web.Application(middlewares=[note])
    routes = {
        "/ok": ok,
        "/redirect": redirect,
        "/chain/{left}": chain,
        "/status/{status}": status,
        "/endless": endless,
        "/drip": drip,
        "/encoded/{encoding}": encoded,
        "/announced": announced,
        "/broken": broken,
        "/odd-type": odd_type,
    }
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    noted.port = runner.addresses[0][1]
    yield noted
    await runner.cleanup()


@dataclass
class Canary:
    """A bare listener on 127.0.0.1 that counts connections."""

    port: int = 0
    connections: int = 0


_connecting: list[object] = []


def _note_connect(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        _connecting.append(arguments[1])


@cache
def _watch() -> None:
    """Hook in once; a hook stays for as long as the process lives."""
    sys.addaudithook(_note_connect)


@contextmanager
def watching() -> Iterator[list[object]]:
    """Note every address that this process connects to, to whatever machine that may be.

    A listener on 127.0.0.1 sees nothing of 169.254.169.254 or [::1]; this does, before a packet
    leaves. Databases are not seen: their library makes its own connections.
    """
    _watch()
    _connecting.clear()
    yield _connecting


@asynccontextmanager
async def listening() -> AsyncIterator[Canary]:
    counted = Canary()

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted.connections += 1
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    counted.port = listener.sockets[0].getsockname()[1]
    yield counted
    listener.close()
    await listener.wait_closed()


def answers(*rounds: tuple[str, ...]) -> Resolve:
    """Resolve any name, each time to the next of the answers; the last one stays."""
    upcoming = itertools.chain(rounds, itertools.repeat(rounds[-1]))

    async def resolve(_host: str) -> tuple[str, ...]:
        return next(upcoming)

    return resolve


def exists(path: Path) -> bool:
    return path.exists()


async def refused(
    egress: Egress, url: str, path: Path, resolve: Resolve | None = None
) -> OutboundRefused:
    with pytest.raises(OutboundRefused) as caught:
        await fetch(egress, url, path, LIMITS, resolve=resolve or answers(("127.0.0.1",)))
    assert not exists(path)
    return caught.value


async def failed(url: str, path: Path, limits: FetchLimits = LIMITS) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as caught:
        await fetch(LOOPBACK, url, path, limits)
    assert not exists(path)
    return caught.value
