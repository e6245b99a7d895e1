"""What agents can do: the native contract's verbs, with its JSON and its words for refusals."""

from typing import Any

import orjson
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from starlette.requests import Request as HttpRequest

from kinetoscope.accounts import accounts, opening
from kinetoscope.accounts.opening import Caller
from kinetoscope.api.auth import presented
from kinetoscope.api.envelope import credits_json, error_body
from kinetoscope.api.estimate import estimate_json
from kinetoscope.api.jobs import created_json, parse_request
from kinetoscope.api.record import record_json
from kinetoscope.catalog.price import price_table
from kinetoscope.catalog.schema import json_schema
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.outbound import Egress
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.mcp.needs import NEEDS
from kinetoscope.tasks import create, read
from kinetoscope.tasks.estimate import estimate
from kinetoscope.tasks.request import Request
from kinetoscope.wiring import Runtime

Answer = dict[str, Any]

NOWHERE = Egress()
"""Agents give no addresses to call; they ask get_task."""

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
SPENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)


def add_tools(server: MCPServer, runtime: Runtime) -> None:
    """Give a server its tools over one runtime."""
    _add_models(server, runtime)
    _add_tasks(server, runtime)

    @server.tool(name="credits", annotations=READS)
    async def balance(ctx: Context) -> Answer:
        """Tell how many credits the account has: available, held by running tasks, spent."""
        with Told():
            caller = await _caller(runtime, ctx, NEEDS["credits"])
            account = await accounts.by_id(runtime.database, caller.account_id)
            return _plain(
                {
                    "available": credits_json(account.available),
                    "held": credits_json(account.held),
                    "spent": credits_json(account.spent),
                }
            )


def _add_models(server: MCPServer, runtime: Runtime) -> None:
    @server.tool(annotations=READS)
    async def list_models() -> Answer:
        """List the models: id, title, kind of media, what each is good for."""
        return {
            "models": [
                {
                    "id": model.id,
                    "title": model.title,
                    "kind": model.kind.value,
                    "description": model.description,
                }
                for model in runtime.catalog.models
            ]
        }

    @server.tool(annotations=READS)
    async def get_model(model: str) -> Answer:
        """Describe a model: the JSON Schema of its inputs, its prices in credits."""
        with Told():
            found = runtime.catalog.find(model)
            prices = [
                {"for": list(row.words), "credits": credits_json(row.price), "per": row.unit}
                for row in price_table(found)
            ]
            return _plain({"id": found.id, "inputs": json_schema(found), "prices": prices})


def _add_tasks(server: MCPServer, runtime: Runtime) -> None:
    database, catalog, routes = runtime.database, runtime.catalog, runtime.routes

    @server.tool(name="estimate", annotations=READS)
    async def estimate_task(ctx: Context, model: str, inputs: dict[str, Any]) -> Answer:
        """Tell what a task would cost and whether it would be taken, without starting it."""
        with Told():
            caller = await _caller(runtime, ctx, NEEDS["estimate"])
            asked = _asked({"model": model, "inputs": inputs})
            found = await estimate(database, catalog, routes, caller, asked, runtime.clock())
            return _plain(estimate_json(found))

    @server.tool(annotations=SPENDS)
    async def generate(
        ctx: Context, model: str, inputs: dict[str, Any], idempotency_key: str | None = None
    ) -> Answer:
        """Start a task and hold its price; returns its taskId at once.

        Give an idempotency_key of your own to make calling again safe.
        """
        with Told():
            asked = _asked({"model": model, "inputs": inputs}, idempotency_key)
            key = _key(runtime, ctx)
            created = await create.create(database, catalog, routes, key, asked, runtime.clock())
            return _plain(created_json(created, asked))

    @server.tool(annotations=READS)
    async def get_task(ctx: Context, task_id: str) -> Answer:
        """Tell how a task stands: status, progress, output addresses or error."""
        with Told():
            key = _key(runtime, ctx)
            found = await read.record(database, key, task_id, runtime.clock())
            return _plain(record_json(found, runtime.signer))


class Told:
    """Tells the agent what was refused and why, in the native contract's words."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn errors of ours into errors of the protocol."""
        if isinstance(error, KinetoscopeError):
            raise ToolError(orjson.dumps(error_body(error)).decode()) from None


def _asked(stated: Answer, idempotency_key: str | None = None) -> Request:
    headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
    return parse_request(orjson.dumps(stated), headers, NOWHERE)


def _key(runtime: Runtime, ctx: Context) -> PresentedKey:
    request = ctx.request_context.request
    assert isinstance(request, HttpRequest)  # noqa: S101 - we speak HTTP only
    return presented(request, runtime.settings.trusted_proxies)


async def _caller(runtime: Runtime, ctx: Context, scopes: tuple[str, ...]) -> Caller:
    caller = await opening.authenticate(runtime.database, _key(runtime, ctx), runtime.clock())
    for scope in scopes:
        opening.require(caller, scope)
    return caller


def _plain(body: object) -> Answer:
    """Return what the wire would carry; the SDK cannot write our exact credits itself."""
    plain: Answer = orjson.loads(orjson.dumps(body))
    return plain
