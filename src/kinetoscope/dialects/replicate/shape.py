"""A task as Replicate's clients see it: a prediction.

https://replicate.com/docs/reference/http#predictions.get
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from kinetoscope.catalog.spec import Catalog
from kinetoscope.dialects.names import OWNER
from kinetoscope.dialects.replicate.versions import HIDDEN, version_of
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.deadlines import OVERDUE
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.task import CANCELLED, Failure, Status
from kinetoscope.tasks.whole import Whole
from kinetoscope.wiring import Runtime

PREFIX = "/replicate/v1"

STARTING, PROCESSING, SUCCEEDED, FAILED, CANCELED = (
    "starting",
    "processing",
    "succeeded",
    "failed",
    "canceled",
)

ENDED_ON_PURPOSE = frozenset({CANCELLED.code, OVERDUE.code})
"""Failures that are called `canceled`. The API has `aborted` too, which its 1.x client refuses."""

BAR_CHARACTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What showing predictions takes."""

    catalog: Catalog
    signer: Signer
    public_url: str
    signing_key: bytes


def view_of(runtime: Runtime) -> View:
    """Return what showing predictions takes here."""
    return View(
        catalog=runtime.catalog,
        signer=runtime.signer,
        public_url=runtime.settings.public_url,
        signing_key=runtime.signing_key,
    )


def prediction(view: View, found: Whole, stream_url: str) -> dict[str, Any]:
    """Return a task as a prediction.

    `input` has the names under which we keep it. Its logs are a line that clients read as progress.
    Media that has expired is no output any more, and `data_removed` says so.
    """
    record = found.record
    model = view.catalog.models_by_id.get(record.model)
    details = found.details if found.dialect == "replicate" else {}
    address = f"{view.public_url}{PREFIX}/predictions/{record.id}"
    shown = {
        "id": record.id,
        "model": details.get("model") or f"{OWNER}/{record.model}",
        "version": details.get("version") or (HIDDEN if model is None else version_of(model)),
        "input": found.inputs,
        "logs": logs(found),
        "output": output(view, record),
        "error": error_text(record.failure),
        "status": status(record),
        "created_at": moment(record.created_at),
        "started_at": None if found.started_at is None else moment(found.started_at),
        "completed_at": None if record.completed_at is None else moment(record.completed_at),
        "data_removed": record.status is Status.SUCCESS and record.is_expired,
        "source": "api",
        "metrics": metrics(found),
        "urls": {
            "get": address,
            "cancel": f"{address}/cancel",
            "stream": stream_url,
            "web": f"{view.public_url}/tasks/{record.id}",
        },
    }
    if found.end_by is not None:
        shown["deadline"] = moment(found.end_by)
    if details.get("deployment"):
        shown["deployment"] = details["deployment"]
    return shown


def status(record: Record) -> str:
    """Return a task's state in Replicate's words."""
    match record.status:
        case Status.WAITING:
            return STARTING
        case Status.GENERATING:
            return PROCESSING
        case Status.SUCCESS:
            return SUCCEEDED
        case Status.FAIL:
            return CANCELED if is_on_purpose(record.failure) else FAILED
        case _:
            assert_never(record.status)


def is_on_purpose(failure: Failure | None) -> bool:
    """Whether somebody wanted a task to end."""
    return failure is not None and failure.code in ENDED_ON_PURPOSE


def addresses(view: View, record: Record) -> list[str]:
    """Return where a task's files are; nowhere once they have expired."""
    if record.status is not Status.SUCCESS or record.is_expired:
        return []
    until = record.addresses_expire_at
    return [view.signer.url(stored.name, until) for stored in record.output]


def output(view: View, record: Record) -> str | list[str] | None:
    """Return a task's files: an address, or a list of them where its model makes several.

    Clients make files of addresses that begin with https alone; others they leave as text. So a
    deployment that is spoken to by http gives them texts.
    """
    urls = addresses(view, record)
    if not urls:
        return None
    model = view.catalog.models_by_id.get(record.model)
    is_one = len(urls) == 1 if model is None else model.count == 1
    return urls[0] if is_one else urls


def error_text(failure: Failure | None) -> str | None:
    """Return why a task failed, in one text; None where its owner ended it."""
    if failure is None or failure.code == CANCELLED.code:
        return None
    detail = f" {failure.detail}" if failure.detail else ""
    return f"{failure.message}{detail} (code {failure.code})"


def logs(found: Whole) -> str:
    """Return what a model would have printed: its seed, and how far it is."""
    if found.started_at is None and found.record.progress_percent is None:
        return ""
    lines = [f"Using seed: {found.seed}\n"]
    percent = percent_of(found.record)
    if percent is not None:
        lines.append(progress_line(percent))
    return "".join(lines)


def percent_of(record: Record) -> int | None:
    """Return how far a task is, where that is known."""
    return 100 if record.status is Status.SUCCESS else record.progress_percent


def progress_line(percent: int) -> str:
    """Return a line as tqdm prints it, which the clients read: `42%|####      | 42/100`."""
    done = percent * BAR_CHARACTERS // 100
    return f"{percent:3}%|{'#' * done}{' ' * (BAR_CHARACTERS - done)}| {percent}/100\n"


def metrics(found: Whole) -> Mapping[str, float]:
    """Return how long it took, in seconds, of a task that has ended."""
    ended, begun = found.record.completed_at, found.started_at
    if ended is None:
        return {}
    told = {"total_time": (ended - found.record.created_at).total_seconds()}
    if begun is not None:
        told["predict_time"] = max(0.0, (ended - begun).total_seconds())
    return told


def moment(at: datetime) -> str:
    """Return a time in ISO 8601, in UTC, with a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
