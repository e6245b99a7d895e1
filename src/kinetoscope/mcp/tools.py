"""What agents can do: the native contract's verbs, with its JSON and its words for refusals."""

from typing import Annotated

import orjson
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import Field

from kinetoscope.accounts import accounts
from kinetoscope.api.body import invalid, issue, read_task_id
from kinetoscope.api.envelope import credits_json
from kinetoscope.api.estimate import estimate_json
from kinetoscope.api.jobs import parse_request
from kinetoscope.api.listing import LIMIT_DEFAULT, LIMIT_MAX, read_place, write_place
from kinetoscope.api.record import record_json
from kinetoscope.kernel.outbound import Egress
from kinetoscope.mcp.calls import (
    ENDS,
    READS,
    Answer,
    Inputs,
    ModelId,
    TheTaskId,
    Told,
    caller_of,
    plain,
)
from kinetoscope.mcp.making import add_making
from kinetoscope.mcp.models import add_models
from kinetoscope.mcp.needs import NEEDS
from kinetoscope.tasks import cancel as cancelling
from kinetoscope.tasks import listing
from kinetoscope.tasks.estimate import estimate
from kinetoscope.tasks.task import Status
from kinetoscope.wiring import Runtime, lifetimes_of

State = Annotated[Status | None, Field(description="Only tasks in this state")]
OfModel = Annotated[str | None, Field(description="Only tasks of this model", max_length=100)]
Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="How many at most")]
Cursor = Annotated[
    str | None, Field(description="An earlier answer's nextCursor, for what comes behind it")
]


def add_tools(server: MCPServer, runtime: Runtime) -> None:
    """Give a server its tools over one runtime."""
    add_models(server, runtime)
    add_making(server, runtime)
    _add_estimate(server, runtime)
    _add_list_tasks(server, runtime)
    _add_cancel(server, runtime)

    @server.tool(name="credits", annotations=READS, title="Count the credits")
    async def balance(ctx: Context) -> Answer:
        """Tell how many credits the account has: available, held by running tasks, spent."""
        with Told():
            caller = await caller_of(runtime, ctx, NEEDS["credits"])
            account = await accounts.by_id(runtime.database, caller.account_id)
            return plain(
                {
                    "available": credits_json(account.available),
                    "held": credits_json(account.held),
                    "spent": credits_json(account.spent),
                }
            )


def _add_estimate(server: MCPServer, runtime: Runtime) -> None:
    @server.tool(name="estimate", annotations=READS, title="Ask for the price")
    async def estimate_task(ctx: Context, model: ModelId, inputs: Inputs) -> Answer:
        """Tell what a task would cost and whether it would be taken, without starting it."""
        with Told():
            caller = await caller_of(runtime, ctx, NEEDS["estimate"])
            stated = orjson.dumps({"model": model, "inputs": inputs})
            asked = parse_request(stated, {}, Egress())
            found = await estimate(
                runtime.database, runtime.catalog, runtime.routes, caller, asked, runtime.clock()
            )
            return plain(estimate_json(found))


def _add_list_tasks(server: MCPServer, runtime: Runtime) -> None:
    @server.tool(annotations=READS, title="List the tasks")
    async def list_tasks(
        ctx: Context,
        status: State = None,
        model: OfModel = None,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Answer:
        """List the account's tasks, newest first, each as get_task tells it."""
        with Told():
            caller = await caller_of(runtime, ctx, NEEDS["list_tasks"])
            place = None if cursor is None else read_place(cursor)
            if cursor is not None and place is None:
                raise invalid(issue("invalid_type", "Expected an earlier nextCursor", "cursor"))
            wanted = listing.Wanted(statuses=None if status is None else (status,), model=model)
            records, behind = await listing.page(
                runtime.database, caller.account_id, wanted, place, limit, runtime.clock()
            )
            return plain(
                {
                    "tasks": [record_json(record, runtime.signer) for record in records],
                    "nextCursor": None if behind is None else write_place(behind),
                }
            )


def _add_cancel(server: MCPServer, runtime: Runtime) -> None:
    @server.tool(name="cancel", annotations=ENDS, title="Cancel a task")
    async def cancel_task(ctx: Context, task_id: TheTaskId) -> Answer:
        """End a task before it is done.

        One that nobody has begun ends at once and costs nothing (cancelled). One that its provider
        has is asked to end (cancelRequested); it may still succeed, and is charged then.
        """
        with Told():
            caller = await caller_of(runtime, ctx, NEEDS["cancel"])
            asked = read_task_id(task_id)
            done = await cancelling.cancel(
                runtime.database,
                lifetimes_of(runtime.settings),
                caller.account_id,
                asked,
                runtime.clock(),
                mode=caller.mode,
            )
            return plain(
                {
                    "taskId": asked,
                    "status": done.status,
                    "cancelled": done.cancelled,
                    "cancelRequested": done.requested,
                }
            )
