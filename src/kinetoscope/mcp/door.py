"""/api/mcp: streamable HTTP without sessions, so that any process may answer any request.

https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#streamable-http
"""

import asyncio
import importlib
from functools import cache

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinetoscope.api.body import invalid, issue, read_body
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer_error, answer_gone
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.mcp.needs import DOOR, told

PATH = "/api/mcp"

BODY_BYTES_MAX = 4 * 1024 * 1024
"""What the SDK takes as well; its own refusals are no JSON."""

AGENTS = Operation(
    summary="Speak the Model Context Protocol",
    tag="mcp",
    description="Streamable HTTP without sessions, with the same keys. The tools:\n\n" + told(),
    described=False,  # its messages are JSON-RPC, which OpenAPI cannot say
)


class Agents:
    """Takes the requests of agents, if they bring a key; the tools look at its scopes again.

    The SDK is loaded at the first request: that takes longer than to load all the rest of the
    server, and many deployments never need it.
    """

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.loaded = cache(self._load)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            await self.doors.admit(request, DOOR)
            require_json(request)
            body = await read_body(request, BODY_BYTES_MAX)
        except KinetoscopeError as error:
            await (await answer_error(request, error))(scope, receive, send)
            return
        except ClientDisconnect as error:
            await (await answer_gone(request, error))(scope, receive, send)
            return
        app = await asyncio.to_thread(self.loaded)
        await app(scope, given_again(body, receive), send)

    def _load(self) -> ASGIApp:
        app: ASGIApp = importlib.import_module("kinetoscope.mcp.protocol").app(self.doors.runtime)
        return app


def mount(doors: Doors) -> None:
    """Add /api/mcp."""
    doors.app_at("POST", PATH, DOOR, Agents(doors), AGENTS)


def require_json(request: Request) -> None:
    """Refuse a body of another type, as the protocol says; raises InvalidRequest."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated != "application/json":
        raise invalid(issue("invalid_value", "Expected application/json", "Content-Type"))


def given_again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body which was read already, and then what comes next."""
    coming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return coming.pop() if coming else await receive()

    return receive_again
