"""What all tools share: who calls, what is told of refusals, and JSON as the contract has it."""

from typing import Annotated, Any

import orjson
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field
from starlette.requests import Request as HttpRequest

from kinetoscope.accounts import opening
from kinetoscope.accounts.opening import Caller
from kinetoscope.api.auth import presented
from kinetoscope.api.envelope import error_body
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.wiring import Runtime

Answer = dict[str, Any]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
SPENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
ENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)

ModelId = Annotated[str, Field(description="A model's id, as list_models tells it")]
TheTaskId = Annotated[str, Field(description="The taskId that generate returned")]
Inputs = Annotated[
    dict[str, Any],
    Field(description="The model's inputs; get_model has their JSON Schema"),
]


class Told:
    """Tells the agent what was refused and why, in the native contract's words."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn errors of ours into errors of the protocol."""
        if isinstance(error, KinetoscopeError):
            raise refused(error) from None


def refused(error: KinetoscopeError) -> ToolError:
    """Return the protocol's error for one of ours."""
    return ToolError(orjson.dumps(error_body(error)).decode())


def http_request(ctx: Context) -> HttpRequest:
    """Return the HTTP request that the call came by."""
    request = ctx.request_context.request
    assert isinstance(request, HttpRequest)  # noqa: S101 - we speak HTTP only
    return request


def key_of(runtime: Runtime, ctx: Context) -> PresentedKey:
    """Return the key that the call brings."""
    return presented(http_request(ctx), runtime.settings.trusted_proxies)


async def caller_of(runtime: Runtime, ctx: Context, scopes: tuple[str, ...]) -> Caller:
    """Return who calls; raises Unauthenticated, or Forbidden where a scope is missing."""
    caller = await opening.authenticate(runtime.database, key_of(runtime, ctx), runtime.clock())
    for scope in scopes:
        opening.require(caller, scope)
    return caller


def plain(body: object) -> Answer:
    """Return what the wire would carry; the SDK cannot write our exact credits itself."""
    carried: Answer = orjson.loads(orjson.dumps(body))
    return carried
