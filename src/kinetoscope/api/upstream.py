"""Where upstreams say that there is news of a task. They only wake us: see tasks/callbacks.py."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.body import parse_object, read_body
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.kernel.errors import InvalidRequest, NotFound
from kinetoscope.kernel.ids import TaskId, is_task_id
from kinetoscope.kernel.order import JSON
from kinetoscope.tasks import callbacks

BYTES_MAX = 4 * 1024 * 1024
"""Some upstreams send the whole job along."""

HEARD = Operation(
    summary="Tell that there is news of a task",
    tag="upstream",
    description="For the providers behind this server; the address is the permission.",
    parameters=tuple(
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("provider", "taskId", "token")
    ),
    body={"type": "object"},
    body_required=False,
    answers={
        404: "There is no such address",
        413: "The body is too large",
        503: "The service is unavailable for a moment",
    },
)

Claim = Callable[[Mapping[str, JSON]], str | None]


def mount(doors: Doors) -> None:
    """Add /api/v1/upstream."""
    runtime = doors.runtime

    async def heard(request: Request) -> Response:
        """Wake who follows the task."""
        path = request.path_params
        task_id = path["taskId"]
        # Looked at first, so that strangers cost nobody anything.
        known = is_task_id(task_id) and callbacks.is_token(
            runtime.signing_key, task_id, path["token"]
        )
        if not known:
            raise NotFound("There is no such address")
        body = await read_body(request, BYTES_MAX)
        claim = _claim(runtime.claims.get(path["provider"]), body)
        await callbacks.heard(runtime.database, TaskId(task_id), claim)
        return answer({})

    doors.open("POST", callbacks.PATH + "/{provider}/{taskId}/{token}", heard, HEARD)


def _claim(read: Claim | None, body: bytes) -> str | None:
    if read is None:
        return None
    with suppress(InvalidRequest):
        return read(parse_object(body))
    return None
