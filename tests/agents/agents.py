"""Agents for tests: the official client in front of the app, and one that leaves when told to."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import orjson
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from mcp_types.version import LATEST_MODERN_VERSION
from tests.conftest import Person, World

URL = "http://kinetoscope.test/api/mcp"

ORDER = {"model": "seedance-20", "inputs": {"prompt": "a sunset"}}
"""200 credits."""

MODES = ("legacy", "auto")
"""With the handshake that nearly all agents have, and without."""


@contextmanager
def plainly() -> Iterator[None]:
    """Raise what went wrong inside, without the groups that sessions wrap it in."""
    try:
        yield
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


@asynccontextmanager
async def agent(world: World, person: Person, mode: str = "auto") -> AsyncIterator[Client]:
    """Connect the official client to the app in this process."""
    transport = httpx2.ASGITransport(app=world.app)
    with plainly():
        async with (
            httpx2.AsyncClient(transport=transport, headers=person.headers) as http,
            Client(streamable_http_client(URL, http_client=http), mode=mode) as client,
        ):
            yield client


def answered(result: CallToolResult) -> dict[str, Any]:
    """Return what a tool said, which it says twice: structured and as text."""
    assert not result.is_error, result.content
    answer: dict[str, Any] | None = result.structured_content
    assert answer is not None
    first = result.content[0]
    assert first.type == "text"
    assert orjson.loads(first.text) == answer
    return answer


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    return answered(await client.call_tool(tool, arguments))


async def refusal(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """Call a tool that refuses, and return the contract's words for it."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    (content,) = result.content
    assert content.type == "text"
    told: dict[str, Any] = orjson.loads(content.text)
    return told


class Leaving:
    """One call of a tool, straight to the app; its client hears every piece, and may leave."""

    def __init__(self, world: World, person: Person, *, modern: bool) -> None:
        self.world = world
        self.left = asyncio.Event()
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.headers = {
            **person.headers,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        self.meta: dict[str, Any] = {"progressToken": "token"}
        if modern:
            self.headers |= {
                "mcp-protocol-version": LATEST_MODERN_VERSION,
                "mcp-method": "tools/call",
            }
            self.meta |= {
                "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            }

    async def call(self, tool: str, **arguments: object) -> None:
        """Call a tool; returns when the app is done with the request."""
        if "mcp-method" in self.headers:
            self.headers["mcp-name"] = tool
        params = {"name": tool, "arguments": arguments, "_meta": self.meta}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        coming = [{"type": "http.request", "body": orjson.dumps(message), "more_body": False}]

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop()
            await self.left.wait()
            return {"type": "http.disconnect"}

        async def send(sent: MutableMapping[str, Any]) -> None:
            if sent.get("body"):
                self.pieces.put_nowait(sent["body"])

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "headers": [
                (name.lower().encode(), text.encode()) for name, text in self.headers.items()
            ],
            "scheme": "http",
            "path": "/api/mcp",
            "raw_path": b"/api/mcp",
            "query_string": b"",
            "server": ("kinetoscope.test", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        await self.world.app(scope, receive, send)

    async def heard(self) -> dict[str, Any]:
        """Return the next message of the stream."""
        while True:
            async with asyncio.timeout(20):
                piece = await self.pieces.get()
            for line in piece.decode().splitlines():
                if line.startswith("data: ") and line != "data: ":
                    message: dict[str, Any] = orjson.loads(line[6:])
                    return message
