"""Making media: start a task, wait for it, look at it."""

from typing import Annotated, Any

import orjson
import structlog
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import Field

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import read_task_id
from kinetoscope.api.jobs import created_json, parse_request
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.mcp.calls import (
    READS,
    SPENDS,
    Answer,
    Inputs,
    ModelId,
    TheTaskId,
    Told,
    caller_of,
    http_request,
    key_of,
    plain,
)
from kinetoscope.mcp.needs import NEEDS
from kinetoscope.mcp.shown import task_result, text
from kinetoscope.mcp.waiting import WAIT_S_MAX, ended
from kinetoscope.tasks import create, read
from kinetoscope.tasks.request import Request
from kinetoscope.wiring import Runtime

log = structlog.get_logger(__name__)

NOWHERE = Egress()
"""Agents give no addresses to call; they ask get_task."""

HANDED_ON = ("x-test-outcome",)
"""Headers of a client's connection that count for each of its tasks."""

Shown = Annotated[CallToolResult, Answer]

Wait = Annotated[
    int,
    Field(
        ge=0,
        le=WAIT_S_MAX,
        description="For how many seconds to wait for the task's end; 0 returns at once. The task "
        "goes on if the time is over, or if nobody waits any more",
    ),
]
Look = Annotated[
    bool, Field(description="Whether small pictures of finished images and videos come along")
]
Name = Annotated[
    str | None,
    Field(
        description="A name of your own for this request. Calling again with the same name and the "
        "same inputs, within 24 hours, returns the same task instead of paying for another"
    ),
]


def add_making(server: MCPServer, runtime: Runtime) -> None:
    """Give a server the tools that start tasks and tell how they go."""
    _add_generate(server, runtime)

    @server.tool(annotations=READS, title="Look at a task")
    async def get_task(ctx: Context, task_id: TheTaskId, *, thumbnails: Look = True) -> Shown:
        """Tell how a task stands: status, progress, the files it made, or why it failed.

        The status is waiting, generating, success or fail; the last two are final. Files come as
        links that can be downloaded without a key until they expire.
        """
        with Told():
            key = key_of(runtime, ctx)
            found = await read.record(runtime.database, key, task_id, runtime.clock())
            return await task_result(runtime, found, thumbnails=thumbnails)

    @server.tool(annotations=READS, title="Wait for a task")
    async def wait_for_task(
        ctx: Context,
        task_id: TheTaskId,
        wait_s: Wait = 60,
        *,
        thumbnails: Look = True,
    ) -> Shown:
        """Wait until a task has ended, then tell what get_task tells.

        If the time is over first it tells how the task stands; call it again then.
        """
        with Told():
            caller = await caller_of(runtime, ctx, NEEDS["wait_for_task"])
            asked = read_task_id(task_id)
            found = await ended(runtime.watch, ctx, caller.account_id, asked, wait_s)
            return await task_result(runtime, found, thumbnails=thumbnails)


def _add_generate(server: MCPServer, runtime: Runtime) -> None:
    @server.tool(annotations=SPENDS, title="Make media")
    async def generate(
        ctx: Context,
        model: ModelId,
        inputs: Inputs,
        idempotency_key: Name = None,
        wait_s: Wait = 0,
        *,
        thumbnails: Look = True,
    ) -> Shown:
        """Start a task that makes a video, images or audio, and hold its price in credits.

        Returns its taskId at once; ask wait_for_task or get_task for the result. With wait_s it
        waits for the end and tells what get_task tells. A task that fails costs nothing.
        """
        with Told():
            asked = _asked(ctx, {"model": model, "inputs": inputs}, idempotency_key)
            # Who is to wait must be known before there is anything to pay for.
            caller = await caller_of(runtime, ctx, NEEDS["generate"]) if wait_s else None
            key, now = key_of(runtime, ctx), runtime.clock()
            created = await create.create(
                runtime.database, runtime.catalog, runtime.routes, key, asked, now
            )
            body = plain(created_json(created, asked))
            if caller is not None:
                task_id = created.task_id
                shown = await _shown(
                    runtime, ctx, caller, task_id, wait_s=wait_s, thumbnails=thumbnails
                )
                if shown is not None:
                    return shown
            return CallToolResult(content=[text(body)], structured_content=body)


async def _shown(
    runtime: Runtime,
    ctx: Context,
    caller: Caller,
    task_id: TaskId,
    *,
    wait_s: int,
    thumbnails: bool,
) -> CallToolResult | None:
    """Wait for a task that was just made, and show it; None where that is not possible.

    There is a task by now, and its owner must hear of it whatever happens.
    """
    try:
        record = await ended(runtime.watch, ctx, caller.account_id, task_id, wait_s)
        return await task_result(runtime, record, thumbnails=thumbnails)
    except Exception as error:  # noqa: BLE001 - whatever it is, the task is there and paid for
        log.warning("mcp.not_waited_for", task_id=task_id, error=repr(error))
        return None


def _asked(ctx: Context, stated: dict[str, Any], idempotency_key: str | None) -> Request:
    given = http_request(ctx).headers
    headers = {name: given[name] for name in HANDED_ON if name in given}
    if idempotency_key is not None:
        headers["idempotency-key"] = idempotency_key
    return parse_request(orjson.dumps(stated), headers, NOWHERE)
