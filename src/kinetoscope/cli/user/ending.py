"""How a task ended, in words and as JSON; and what becomes of a wish to cancel it."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from kinetoscope.cli.user.written import Written, credits_text
from kinetoscope.client import ClientError, Kinetoscope, Task, WaitTimedOut

CANCEL_PATIENCE_S = 10.0


def charged(task: Task) -> Decimal:
    """Return what a task costs: nothing once it has failed, whatever was held for it."""
    return Decimal(0) if task.status == "fail" else task.credits


def reason_text(task: Task) -> str:
    """Say why a task failed, with the code; empty where no reason is known."""
    error = task.error
    if error is None:
        return ""
    detail = f" {error.detail}" if error.detail else ""
    return f"{error.message} ({error.code}){detail}"


def failure_text(task: Task) -> str:
    """Say that a task failed, and why."""
    reason = reason_text(task)
    why = f": {reason}" if reason else ""
    return f"{task.id} failed{why}; nothing was charged"


def cancelled(client: Kinetoscope, task_id: str) -> str:
    """Want a task's end, wait a moment for it, and say what became of it."""
    try:
        done = client.cancel(task_id)
        if done.cancelled:
            return f"{task_id} is cancelled; its credits are back"
        task = client.wait(task_id, timeout_s=CANCEL_PATIENCE_S, must_succeed=False)
    except WaitTimedOut:
        return (
            f"{task_id}: its provider was asked to stop. It may still finish, and is charged then; "
            f"`kinetoscope tasks show {task_id}`"
        )
    except ClientError as error:
        return f"{task_id} was not cancelled: {error}"
    if task.status == "success":
        charged = credits_text(task.credits)
        return (
            f"{task_id} was done before it could be cancelled; {charged} credits were charged. "
            f"Save it: `kinetoscope tasks download {task_id}`"
        )
    if task.error is not None and task.error.code == "cancelled":
        return f"{task_id} is cancelled; its credits are back"
    return failure_text(task)


def task_json(
    task: Task, paths: Sequence[Path] = (), left: Decimal | None = None
) -> dict[str, Written]:
    """Return a task for --json: the server's record, the saved files, and what credits are left."""
    data: dict[str, Written] = dict(task.raw)
    if paths:
        data["files"] = [str(path) for path in paths]
    if left is not None:
        data["creditsAvailable"] = left
    return data
