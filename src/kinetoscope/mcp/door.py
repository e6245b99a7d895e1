"""/api/mcp: streamable HTTP without sessions, so that any process may answer any request.

https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#streamable-http
"""

import asyncio
import importlib
from functools import cache

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer_error
from kinetoscope.kernel.errors import KinetoscopeError

SCOPE = "tasks:read"

PATH = "/api/mcp"

AGENTS = Operation(
    summary="Speak the Model Context Protocol",
    tag="mcp",
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
            await self.doors.admit(request, SCOPE)
        except KinetoscopeError as error:
            await (await answer_error(request, error))(scope, receive, send)
            return
        app = await asyncio.to_thread(self.loaded)
        await app(scope, receive, send)

    def _load(self) -> ASGIApp:
        app: ASGIApp = importlib.import_module("kinetoscope.mcp.protocol").app(self.doors.runtime)
        return app


def mount(doors: Doors) -> None:
    """Add /api/mcp."""
    doors.app_at("POST", PATH, SCOPE, Agents(doors), AGENTS)
