"""A TLS proxy on localhost between clients and a deployment: it writes down, and plays faults."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from tests.clients.authority import server_files

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}

BODY_BYTES_MAX = 64 * 1024 * 1024

SESSION = web.AppKey("session", aiohttp.ClientSession)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came by, and what was answered; None where the answer was swallowed."""

    method: str
    path: str
    status: int | None


@dataclass
class Proxy:
    """`answers` are statuses that the next creating requests get instead of reaching the server;
    of the next `swallowed` ones the server's answer is thrown away with the connection."""

    port: int = 0
    upstream: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    swallowed: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def posts(self, since: int = 0) -> list[Seen]:
        """Return the POSTs that came by after a number of requests."""
        return [seen for seen in self.seen[since:] if seen.method == "POST"]

    async def take(self, request: web.Request) -> web.StreamResponse:
        is_creating = request.method == "POST" and "upload" not in request.path
        if is_creating and self.answers:
            status = self.answers.pop(0)
            self.seen.append(Seen(method=request.method, path=request.path_qs, status=status))
            return web.json_response({"message": "played by the test"}, status=status)
        body = await request.read()
        passed = request.headers.items()
        headers = {name: value for name, value in passed if name.lower() not in HOP_BY_HOP}
        session = request.app[SESSION]
        address = f"{self.upstream}{request.path_qs}"
        async with session.request(
            request.method, address, data=body, headers=headers, allow_redirects=False
        ) as answered:
            if is_creating and self.swallowed:
                self.swallowed -= 1
                await answered.read()
                self.seen.append(Seen(method=request.method, path=request.path_qs, status=None))
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            self.seen.append(
                Seen(method=request.method, path=request.path_qs, status=answered.status)
            )
            response = web.StreamResponse(status=answered.status)
            for name, value in answered.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in answered.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


@contextmanager
def proxying(folder: Path) -> Iterator[Proxy]:
    """Run a proxy in a thread of its own; `folder` gets `authority.pem`, which clients trust."""
    proxy = Proxy()
    ready, loop = threading.Event(), asyncio.new_event_loop()
    certificate, key = server_files(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve() -> None:
        stop = asyncio.Event()
        proxy_stop.append(stop)
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        timeout = aiohttp.ClientTimeout(total=120)
        app[SESSION] = session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        app.router.add_route("*", "/{path:.*}", proxy.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
        proxy.port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        await runner.cleanup()
        await session.close()

    proxy_stop: list[asyncio.Event] = []
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(proxy_stop[0].set)
        thread.join(10)
        loop.close()
