"""What a task is, and which state may follow which."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.kernel.order import JSON, Usage

NEWS_CHANNEL = "kinetoscope_task"
"""Where it is told that a task's state or progress changed; its id is the message."""


class Status(StrEnum):
    """The public states.

    https://kinovi.ai/docs/common/reference/get-task-status
    """

    WAITING = "waiting"
    GENERATING = "generating"
    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One row: everything a step needs to take up where another left off.

    `events` are those that its receiver wants to be told of; None is its end, as ever.
    """

    id: TaskId
    account_id: AccountId
    model: str
    inputs: dict[str, JSON]
    seed: int
    provider: str
    price: Credits
    status: str
    epoch: int
    submits: int
    submit_started_at: datetime | None
    upstream_id: str | None
    upstream_model: str | None
    reference_video_s: int | None
    media_name: str
    rehearsal: str | None
    is_sample: bool
    cancel_requested_at: datetime | None
    search: JSON
    accepted_by: str | None
    events: list[str] | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task ends in `fail`: shown to the client as `error`.

    Code and message are the contract's; `detail` says more, where many reasons share them. The
    operator alone sees `bill`: what the upstream takes nevertheless.
    """

    code: str
    message: str
    detail: str = ""
    bill: "Bill | None" = None

    @property
    def cost_usd_micros(self) -> int | None:
        """What the upstream took, where that is known."""
        return None if self.bill is None else self.bill.cost_usd_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What an upstream takes for a job that came to nothing here.

    `cost_usd_micros` is its own word, if it gave one. Else the operator's list tells, where the
    job `is_made` or will be.
    """

    cost_usd_micros: int | None
    is_made: bool
    usage: Usage = field(default_factory=Usage)


GENERATION_FAILED = Failure(code="500", message="Generation failed. Please try again.")
"""The contract's word for whatever is nobody's fault outside."""


CANCELLED = Failure(code="cancelled", message="The task was cancelled.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutput:
    """One finished file as the task row keeps it; `name` and `last_frame_name` are media names.

    `signed` says whether it carries Content Credentials of ours; None where nothing signs.
    """

    name: str
    width: int
    height: int
    media_type: str
    seed: int
    duration_ms: int
    bytes_size: int
    has_audio: bool
    last_frame_name: str | None
    signed: bool | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return the form that is stored."""
        return {
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "mediaType": self.media_type,
            "seed": self.seed,
            "durationMs": self.duration_ms,
            "bytes": self.bytes_size,
            "hasAudio": self.has_audio,
            "lastFrameName": self.last_frame_name,
            "signed": self.signed,
        }


def stored_output(stored: dict[str, Any]) -> StoredOutput:
    """Read the stored form."""
    return StoredOutput(
        name=stored["name"],
        width=stored["width"],
        height=stored["height"],
        media_type=stored["mediaType"],
        seed=stored["seed"],
        duration_ms=stored["durationMs"],
        bytes_size=stored["bytes"],
        has_audio=stored["hasAudio"],
        last_frame_name=stored["lastFrameName"],
        signed=stored.get("signed"),
    )
