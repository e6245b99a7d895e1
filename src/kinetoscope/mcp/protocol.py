"""The protocol's server: our tools behind the SDK's transport, one request at a time."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import CallToolResult, InputRequiredResult
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from kinetoscope import __version__
from kinetoscope.api.body import invalid, issue
from kinetoscope.kernel.errors import InvalidRequest
from kinetoscope.mcp.calls import refused
from kinetoscope.mcp.tools import add_tools
from kinetoscope.wiring import Runtime

INSTRUCTIONS = (
    "Makes videos, images and audio. Choose a model with list_models and get_model, ask estimate "
    "for the price, and start with generate, which spends credits. Then call wait_for_task until "
    "status is success or fail, or give generate a wait_s. Finished files come as links, which can "
    "be downloaded without a key until they expire, with a small picture to look at beside."
)


class Server(MCPServer):
    """The SDK's, which tells of every refusal as the native contract does."""

    @override
    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool, with arguments that it has: another might spend what it should not."""
        tool = self._tool_manager.get_tool(name)
        known = arguments if tool is None else tool.parameters["properties"]
        unknown = [
            issue("unrecognized_keys", f"Expected only {', '.join(known)}", argument)
            for argument in arguments
            if argument not in known
        ]
        if unknown:
            raise refused(invalid(*unknown))
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            match error.__cause__:
                case ValidationError() as misfit:
                    raise refused(_told(misfit)) from None
                case ToolError() as ours:
                    raise ours from None  # without the SDK's words before it, it is JSON
                case _:
                    raise


def _told(misfit: ValidationError) -> InvalidRequest:
    """Return the contract's error for arguments that do not fit a tool's schema."""
    return invalid(
        *(
            issue("invalid_type", found["msg"], *map(str, found["loc"]))
            for found in misfit.errors(include_url=False, include_input=False)
        )
    )


def app(runtime: Runtime) -> ASGIApp:
    """Return an ASGI app that answers each request by itself."""
    server = Server(
        "kinetoscope",
        title="Kinetoscope",
        version=__version__,
        instructions=INSTRUCTIONS,
        subscriptions=False,  # nothing here changes while the server runs
    )
    add_tools(server, runtime)
    low_level = server._lowlevel_server  # noqa: SLF001 - the SDK's own apps are made from it

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        # No host or origin list: every request needs a key, which no page of another site has.
        # No JSON answers either: only a stream can tell of progress before the end.
        manager = StreamableHTTPSessionManager(low_level, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    return handle
