"""deleteTask: an owner has a task's data removed."""

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import read_object, read_task_id
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.schemas import TASK_ID
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.tasks.delete import delete
from kinetoscope.wiring import reaper_of

DELETE_TASK = Operation(
    summary="Delete a task's data",
    tag="jobs",
    description=(
        "Removes the inputs, the files and whatever else a finished task knows; only what it cost "
        "stays, in the ledger. From then on the task and its files are not found. Tasks that show "
        "its files by `useCache` lose them too. Doing it again changes nothing."
    ),
    body={
        "type": "object",
        "required": ["taskId"],
        "properties": {"taskId": TASK_ID},
    },
    answer={
        "type": "object",
        "required": ["taskId", "deleted", "deletedAt"],
        "properties": {
            "taskId": TASK_ID,
            "deleted": {"type": "boolean", "const": True},
            "deletedAt": {"type": "integer", "description": "Unix time in milliseconds"},
        },
    },
    answers={
        400: "The taskId is missing or malformed",
        403: "The task is somebody else's, of a key of the other mode, a sample, or held",
        404: "There is no such task",
        409: "The task has not ended yet",
        413: "The body is too large",
    },
)


def mount(doors: Doors) -> None:
    """Add deleteTask."""
    reaper = reaper_of(doors.runtime)

    async def delete_task(request: Request, caller: Caller) -> Response:
        """Delete a task's data."""
        task_id = read_task_id((await read_object(request)).get("taskId"))
        deleted_at = await delete(reaper, caller.account_id, task_id, mode=caller.mode)
        return answer({"taskId": task_id, "deleted": True, "deletedAt": unix_ms(deleted_at)})

    doors.guarded("POST", "/api/v1/jobs/deleteTask", "tasks:write", delete_task, DELETE_TASK)
