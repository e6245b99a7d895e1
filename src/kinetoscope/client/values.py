"""What answers become: frozen values. Credits are exact Decimals, moments are aware and in UTC."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from os import PathLike
from typing import Any, Literal, cast

Status = Literal["waiting", "generating", "success", "fail"]

File = str | PathLike[str]
"""In inputs: a URL as text, or the path of a file, which is uploaded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that is wrong with a request; `path` leads to it, as in ("imageUrls", 0)."""

    code: str
    message: str
    path: tuple[str | int, ...]

    @property
    def text(self) -> str:
        """Where, and what."""
        place = ".".join(str(part) for part in self.path)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One finished file. Its `url` needs no key and holds until the task's `expires_at`.

    Pixels are None for audio, seconds for images; `expired` once the file is gone.
    """

    url: str
    media_type: str
    width: int | None = None
    height: int | None = None
    duration_s: Decimal | None = None
    seed: int | None = None
    last_frame_url: str | None = None
    expired: bool = False
    content_credentials: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed; docs/errors.md lists the codes."""

    code: str
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the server tells of it; `raw` is the whole answer.

    `credits` is held while it runs, charged when it succeeds, given back when it fails. `preview`
    says that the embedded renderer drew it, not the model itself.
    """

    id: str
    model: str
    status: Status
    credits: Decimal
    outputs: tuple[Output, ...] = ()
    error: TaskError | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    progress_percent: int | None = None
    preview: bool = False
    ai_generated: bool | None = None
    expires_at: datetime | None = None
    metadata_expires_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in {"success", "fail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A task that was made, by its id; give it to `wait`, `subscribe`, `get` or `cancel`.

    `replayed` if an equal request made it before, `cached` if it shows an earlier task's files,
    `uncacheable` why it never can.
    """

    id: str
    idempotency_key: str
    replayed: bool = False
    cached: bool = False
    uncacheable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How a task stands: its place while it waits, percent while it is made, `task` once ended."""

    task_id: str
    status: Status
    position: int | None = None
    progress_percent: int | None = None
    task: Task | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What became of a wish to cancel.

    `cancelled`: it ended by this, and its credits are back. `requested`: its provider was asked;
    it may still succeed, and is charged then. Neither: it had ended already.
    """

    task_id: str
    status: Status
    cancelled: bool
    requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a task would cost, in credits; `inputs` with every default filled in.

    With `settles` only the finished task shows the final price. `refusal` is what the server would
    say instead; None where it is `allowed`. `cached` and `uncacheable` are as in `Submitted`.
    """

    model: str
    inputs: Mapping[str, Any]
    required: Decimal
    available: Decimal
    available_after: Decimal
    allowed: bool
    provider: str
    settles: bool = False
    cached: bool = False
    uncacheable: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """An account's credits: what can be spent, and what running tasks hold."""

    available: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model. `inputs` is the JSON Schema of its inputs, empty in lists; `raw` all there is."""

    id: str
    title: str
    kind: Literal["video", "image", "audio"]
    family: str
    description: str
    price: str
    available: bool
    files: int = 1
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """A delivery that was verified. `id` is the same over all tries: drop what you have seen."""

    id: str
    sent_at: datetime
    task: Task
    is_test: bool = False


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """Read JSON with every fraction exact; raises ValueError."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (ArithmeticError, RecursionError):
        raise ValueError("No JSON of a sensible size") from None


def text_of(data: Mapping[str, Any], name: str) -> str:
    """Return a text of an answer; raises LookupError or TypeError where there is none."""
    value = data[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def moment(ms: int | None) -> datetime | None:
    """Read Unix milliseconds."""
    return None if ms is None else EPOCH + timedelta(milliseconds=int(ms))


def task_from(data: Mapping[str, Any]) -> Task:
    """Read a record."""
    error = data.get("error")
    return Task(
        id=text_of(data, "taskId"),
        model=text_of(data, "model"),
        status=cast("Status", text_of(data, "status")),
        credits=Decimal(data["creditsUsed"]),
        outputs=tuple(output_from(item) for item in data.get("output") or ()),
        error=None
        if error is None
        else TaskError(
            code=str(error["code"]),
            message=str(error["message"]),
            detail=str(error.get("detail") or ""),
        ),
        created_at=moment(data.get("createTime")),
        completed_at=moment(data.get("completeTime")),
        progress_percent=data.get("progress") and int(data["progress"]),
        preview=bool(data.get("preview")),
        ai_generated=data.get("aiGenerated"),
        expires_at=moment(data.get("expiresAt")),
        metadata_expires_at=moment(data.get("metadataExpiresAt")),
        raw=data,
    )


def output_from(data: Mapping[str, Any]) -> Output:
    """Read one finished file."""
    duration = data.get("duration")
    return Output(
        url=text_of(data, "url"),
        media_type=text_of(data, "mediaType"),
        width=data.get("width"),
        height=data.get("height"),
        duration_s=None if duration is None else Decimal(duration),
        seed=data.get("seed"),
        last_frame_url=data.get("lastFrameImage"),
        expired=bool(data.get("expired")),
        content_credentials=data.get("contentCredentials"),
    )


def estimate_from(data: Mapping[str, Any]) -> Estimate:
    """Read an estimate."""
    refusal = data.get("refusal")
    return Estimate(
        model=text_of(data, "model"),
        inputs=data["inputs"],
        required=Decimal(data["creditsRequired"]),
        available=Decimal(data["balance"]["available"]),
        available_after=Decimal(data["balance"]["after"]),
        allowed=data["allowed"],
        provider=data["route"]["provider"],
        settles=bool(data.get("settles")),
        cached=bool(data.get("cached")),
        uncacheable=data.get("uncacheable"),
        refusal=None if refusal is None else refusal["message"],
    )


def model_from(data: Mapping[str, Any]) -> Model:
    """Read a model, of a list or alone."""
    return Model(
        id=text_of(data, "id"),
        title=text_of(data, "title"),
        kind=cast("Any", text_of(data, "kind")),
        family=text_of(data, "family"),
        description=text_of(data, "description"),
        price=text_of(data, "price"),
        available=data["available"],
        files=data.get("files", 1),
        inputs=data.get("inputs", {}),
        raw=data,
    )


def issues_from(stated: Sequence[Mapping[str, Any]]) -> tuple[Issue, ...]:
    """Read what is wrong with a request."""
    return tuple(
        Issue(
            code=str(one.get("code", "")),
            message=str(one.get("message", "")),
            path=tuple(one.get("path", ())),
        )
        for one in stated
    )


def task_id_of(task: "Task | Submitted | str") -> str:
    """Return a task's id, however it is referred to."""
    return task if isinstance(task, str) else task.id
