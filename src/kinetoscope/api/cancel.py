"""cancelTask: an owner wants a task ended."""

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import read_object, read_task_id
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.schemas import TASK_ID
from kinetoscope.tasks.cancel import cancel
from kinetoscope.tasks.task import Status
from kinetoscope.wiring import lifetimes_of

CANCEL_TASK = Operation(
    summary="Cancel a task",
    tag="jobs",
    description=(
        "A task that has not been handed to its provider ends at once, as `fail` with the code "
        "`cancelled`, and its credits are back. One that has is asked to: `cancelRequested`. It "
        "may still succeed, and is charged then. A task that has ended stays as it is."
    ),
    body={"type": "object", "required": ["taskId"], "properties": {"taskId": TASK_ID}},
    answer={
        "type": "object",
        "required": ["taskId", "status", "cancelled", "cancelRequested"],
        "properties": {
            "taskId": TASK_ID,
            "status": {"enum": list(Status)},
            "cancelled": {"type": "boolean", "description": "Whether this request ended it"},
            "cancelRequested": {"type": "boolean"},
        },
    },
    answers={
        400: "The taskId is missing or malformed",
        403: "The task is somebody else's, a sample, or one of a key of the other mode",
        404: "There is no such task",
        413: "The body is too large",
    },
)


def mount(doors: Doors) -> None:
    """Add cancelTask."""
    runtime = doors.runtime
    lifetimes = lifetimes_of(runtime.settings)

    async def cancel_task(request: Request, caller: Caller) -> Response:
        """End a task, or ask for its end."""
        task_id = read_task_id((await read_object(request)).get("taskId"))
        done = await cancel(
            runtime.database,
            lifetimes,
            caller.account_id,
            task_id,
            runtime.clock(),
            mode=caller.mode,
        )
        return answer(
            {
                "taskId": task_id,
                "status": done.status,
                "cancelled": done.cancelled,
                "cancelRequested": done.requested,
            }
        )

    doors.guarded("POST", "/api/v1/jobs/cancelTask", "tasks:write", cancel_task, CANCEL_TASK)
