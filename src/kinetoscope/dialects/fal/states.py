"""Where a request stands, in fal's words: in the queue, in progress, or completed.

There is no word for a failure: it is completed too, with an `error`, and its result says which.
Python's client takes for granted that a place in the queue and logs are there.
https://docs.fal.ai/model-apis/model-endpoints/queue
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kinetoscope.dialects.fal.results import ending
from kinetoscope.kernel.ids import TaskId
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.watch import Seen
from kinetoscope.tasks.whole import Whole

NAMED_PARTS = 2
"""Of a model's path, as fal's own addresses have it: whose it is, and its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A moment of a task, which is known as a whole where it has ended or its logs are wanted."""

    seen: Seen
    whole: Whole | None
    app: str
    now: datetime


def addresses(public_url: str, app: str, task_id: TaskId) -> dict[str, str]:
    """Return where a request can be asked about, below the model it was made for."""
    model = "/".join(quote(part) for part in app.strip("/").split("/")[:NAMED_PARTS])
    base = f"{public_url}/fal/queue/{model}/requests/{task_id}"
    return {
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
    }


def state(shown: Shown, public_url: str, signer: Signer) -> dict[str, Any]:
    """Return a request's state, as fal tells it, without logs."""
    record = shown.seen.record
    told: dict[str, Any] = {
        "status": state_word(record.status),
        "request_id": record.id,
        **addresses(public_url, shown.app, record.id),
        "logs": [],
    }
    match record.status:
        case Status.WAITING:
            told["queue_position"] = shown.seen.position or 0
        case Status.GENERATING:
            pass
        case Status.SUCCESS | Status.FAIL:
            if shown.whole is not None:
                told |= _ended(shown.whole, signer)
    return told


def _ended(found: Whole, signer: Signer) -> dict[str, Any]:
    told: dict[str, Any] = {"metrics": metrics(found)}
    ended = ending(found, signer)
    if ended.error_type:
        told |= {"error": ended.error, "error_type": ended.error_type}
    return told


def state_word(status: Status) -> str:
    """Return fal's word for a state."""
    match status:
        case Status.WAITING:
            return "IN_QUEUE"
        case Status.GENERATING:
            return "IN_PROGRESS"
        case Status.SUCCESS | Status.FAIL:
            return "COMPLETED"


def metrics(found: Whole) -> dict[str, float]:
    """Return how long an ended task was worked on, in seconds, if it was."""
    began, ended = found.started_at, found.record.completed_at
    if began is None or ended is None:
        return {}
    return {"inference_time": (ended - began).total_seconds()}


def logs(shown: Shown) -> list[dict[str, str]]:
    """Return what is known of a task's course, oldest first."""
    found, record = shown.whole, shown.seen.record
    lines: list[dict[str, str]] = []
    if found is not None and found.started_at is not None:
        lines.append(_line("Started", found.started_at))
    if record.completed_at is None:
        if record.progress_percent is not None:
            lines.append(_line(f"Progress: {record.progress_percent}%", shown.now))
    elif record.failure is None:
        lines.append(_line("Finished", record.completed_at))
    else:
        lines.append(_line(record.failure.message, record.completed_at, "ERROR"))
    return lines


def _line(message: str, moment: datetime, level: str = "INFO") -> dict[str, str]:
    return {
        "message": message,
        "level": level,
        "source": "kinetoscope",
        "timestamp": moment.isoformat(),
    }
