"""Calls to upstreams: none keeps another waiting, and it is known which may have arrived."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from kinetoscope.kernel.calling import POLLS_MAX, Answer, Call, Caller, CallFailed, FilePart

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    made = Caller()
    yield made
    await made.close()


class Server:
    """Counts what reaches it, and answers when it is let."""

    def __init__(self) -> None:
        self.url = ""
        self.requests = 0
        self.answering = asyncio.Event()

    async def handle(self, _request: web.Request) -> web.StreamResponse:
        self.requests += 1
        await self.answering.wait()
        return web.json_response({})

    async def reached_by(self, count: int) -> None:
        for _ in range(1000):
            if self.requests >= count:
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"{self.requests} of {count} came")


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[str]:
    app = web.Application(client_max_size=1)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/x"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with serving(made.handle) as made.url:
        try:
            yield made
        finally:
            made.answering.set()


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Take connections, and never say a word on them."""
    streams = []
    listening = await asyncio.start_server(lambda *both: streams.append(both), "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        for _, writer in streams:
            writer.transport.abort()
        listening.close()
        await listening.wait_closed()


async def failing(caller: Caller, call: Call) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        await caller.call(call)
    return failed.value


async def end(calls: list[asyncio.Task[Answer]], server: Server) -> None:
    server.answering.set()
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * len(calls)


@pytest.mark.parametrize(("method", "count"), [("POST", 200), ("GET", POLLS_MAX)])
async def test_who_is_slow_keeps_nobody_else_waiting(caller: Caller, method: str, count: int):
    async with server() as slow, server() as quick:
        quick.answering.set()
        waiting = [
            asyncio.create_task(caller.call(Call(method=method, url=slow.url)))
            for _ in range(count)
        ]
        await slow.reached_by(count)
        answer = await caller.call(Call(method=method, url=quick.url, timeout_s=5))
        assert (answer.status, quick.requests) == (200, 1)
        await end(waiting, slow)


async def test_downloads_keep_no_poll_of_their_own_upstream_waiting(caller: Caller, tmp_path: Path):
    async with server() as slow:
        call = Call(method="GET", url=slow.url)
        bringing = [
            asyncio.create_task(caller.download(call, tmp_path / str(number)))
            for number in range(POLLS_MAX + 1)
        ]
        await slow.reached_by(len(bringing))
        asking = asyncio.create_task(caller.call(call))
        await slow.reached_by(len(bringing) + 1)
        await end([*bringing, asking], slow)


async def test_what_waited_for_its_turn_has_not_arrived(caller: Caller):
    async with server() as slow:
        polls = [
            asyncio.create_task(caller.call(Call(method="GET", url=slow.url)))
            for _ in range(POLLS_MAX)
        ]
        await slow.reached_by(POLLS_MAX)
        failed = await failing(caller, Call(method="GET", url=slow.url, timeout_s=0.2))
        assert not failed.may_have_arrived
        assert slow.requests == POLLS_MAX
        await end(polls, slow)


async def test_what_was_sent_and_not_answered_may_have_arrived(caller: Caller):
    async with server() as slow:
        failed = await failing(caller, Call(method="POST", url=slow.url, timeout_s=0.3))
        assert failed.may_have_arrived
        assert str(failed) == "The answer took too long"


async def test_what_was_sent_on_a_connection_that_broke_may_have_arrived(caller: Caller):
    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(handle) as url:
        failed = await failing(caller, Call(method="POST", url=url))
        assert failed.may_have_arrived
        assert str(failed) == "The connection broke"


async def test_where_nobody_listens_nothing_arrives(caller: Caller):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x?token=secret"
        failed = await failing(caller, Call(method="POST", url=url))
    assert not failed.may_have_arrived
    assert str(failed) == "No connection could be made"


async def test_without_a_handshake_nothing_arrives(caller: Caller):
    async with silent() as port:
        call = Call(method="POST", url=f"https://127.0.0.1:{port}/x", timeout_s=0.3)
        assert not (await failing(caller, call)).may_have_arrived


class Forever(AbstractResolver):
    """Looks names up, and never finds an end."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.Event().wait()
        return []

    @override
    async def close(self) -> None:
        """Nothing to let go."""


async def test_while_a_name_is_looked_up_nothing_arrives():
    caller = Caller(Forever())
    call = Call(method="POST", url="http://upstream.example/x", timeout_s=0.2)
    failed = await failing(caller, call)
    await caller.close()
    assert not failed.may_have_arrived
    assert str(failed) == "No connection could be made"


async def test_a_submit_has_a_connection_of_its_own(caller: Caller):
    peers = []

    async def handle(request: web.Request) -> web.StreamResponse:
        peers.append(request.transport.get_extra_info("peername") if request.transport else None)
        return web.json_response({})

    async with serving(handle) as url:
        for method in ("GET", "GET", "POST", "POST"):
            await caller.call(Call(method=method, url=url))
    assert peers[0] == peers[1]
    assert len(set(peers)) == 3


@pytest.mark.parametrize("form", [False, True])
async def test_a_file_is_read_while_it_is_sent(caller: Caller, tmp_path: Path, *, form: bool):
    size = 64 * MEBIBYTE
    path = tmp_path / "reference-secret-name"
    with path.open("wb") as file:
        file.truncate(size)
    seen: list[tuple[web.Request, int]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        count = 0
        async for piece in request.content.iter_any():
            count += len(piece)
        seen.append((request, count))
        return web.json_response({})

    part = FilePart(name="file", filename="image-1", media_type="image/png", source=path)
    async with serving(handle) as url:
        tracemalloc.start()
        answer = await caller.call(
            Call(method="POST", url=url, files=(part,), timeout_s=60)
            if form
            else Call(method="PUT", url=url, content=path, timeout_s=60)
        )
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    ((request, count),) = seen
    assert answer.status == 200
    assert count == request.content_length, "a place in a store takes no chunks"
    assert size <= count <= size + 1000
    assert "secret-name" not in str(request.headers)
    assert peak_bytes < size / 4


async def test_a_file_goes_with_the_type_it_is_said_to_have(caller: Caller, tmp_path: Path):
    path = tmp_path / "reference.png"
    path.write_bytes(b"bytes")
    headers: list[tuple[str | None, ...]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        body = (await request.content.read()).decode()
        headers.append((request.headers.get("Content-Type"), body))
        return web.json_response({})

    async with serving(handle) as url:
        given = {"Content-Type": "image/webp"}
        await caller.call(Call(method="PUT", url=url, content=path, headers=given))
        await caller.call(Call(method="PUT", url=url, content=path))
    assert headers == [("image/webp", "bytes"), ("application/octet-stream", "bytes")]
