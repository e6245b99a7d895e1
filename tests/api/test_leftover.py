"""A refusal leaves the connection fit for the next request, or says that it does not."""

import asyncio

import pytest
from starlette.types import Message
from tests.conftest import Person, World

from kinetoscope.api import leftover

pytestmark = pytest.mark.anyio

CREATE = "/api/v1/jobs/createTask"


class Wire:
    """A connection as the server sees it: pieces of a body that come when asked for."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        last = len(pieces) - 1
        self.coming: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": not ends or at != last}
            for at, piece in enumerate(pieces)
        ]
        self.left_at_the_answer = -1
        self.headers: dict[bytes, bytes] = {}
        self.status = 0

    async def receive(self) -> Message:
        if not self.coming:
            await asyncio.Event().wait()
        return self.coming.pop(0)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.left_at_the_answer = len(self.coming)
            self.status = message["status"]
            self.headers = dict(message["headers"])

    async def ask(self, world: World, key: str, path: str = CREATE, length: int = 1000) -> None:
        headers = [
            (b"host", b"kinetoscope.test"),
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 5000),
            "server": ("kinetoscope.test", 80),
        }
        await world.app(scope, self.receive, self.send)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.mark.parametrize("path", [CREATE, "/api/v1/uploads", "/nowhere", "/api/v1/models"])
async def test_a_body_nobody_needs_is_taken_before_the_refusal(world: World, path: str):
    wire = Wire(b"x" * 600, b"x" * 400)
    await wire.ask(world, "nobody", path)
    assert wire.status in (401, 404, 405)
    assert wire.left_at_the_answer == 0
    assert b"connection" not in wire.headers


async def test_a_body_that_is_a_little_too_long_is_taken_too(world: World, alice: Person):
    long = world.runtime.settings.body_bytes_max + 1
    wire = Wire(*[b"x" * 1000] * 20)
    await wire.ask(world, alice.key, length=long)
    assert (wire.status, wire.left_at_the_answer) == (413, 0)
    assert b"connection" not in wire.headers


async def test_a_connection_is_given_up_for_a_body_that_goes_on(world: World):
    wire = Wire(*[b"x" * 100_000] * 100)
    await wire.ask(world, "nobody", length=10_000_000)
    assert wire.status == 401
    assert 90 < wire.left_at_the_answer < 100, "some of it is taken, and not all"
    assert wire.headers[b"connection"] == b"close"


async def test_nobody_holds_a_refusal_up(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leftover, "LEFTOVER_S_MAX", 0.05)
    wire = Wire(b"x", ends=False)
    await wire.ask(world, "nobody")
    assert (wire.status, wire.headers[b"connection"]) == (401, b"close")


async def test_a_body_that_was_read_is_not_asked_for_again(world: World, alice: Person):
    wire = Wire(b'{"model": "nothing"}')
    await wire.ask(world, alice.key, length=20)
    assert wire.status in (400, 404)
    assert b"connection" not in wire.headers
