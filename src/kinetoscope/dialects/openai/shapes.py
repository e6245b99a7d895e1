"""Tasks in OpenAI's shapes: what is a video there, and what there is to say of it.

https://platform.openai.com/docs/api-reference/videos/object
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import Catalog
from kinetoscope.dialects.openai.errors import failure_json
from kinetoscope.kernel.errors import InvalidInputs
from kinetoscope.kernel.order import MediaKind, Size
from kinetoscope.media.inspect import MEDIA_KINDS
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole

STATUSES: Mapping[Status, str] = {
    Status.WAITING: "queued",
    Status.GENERATING: "in_progress",
    Status.SUCCESS: "completed",
    Status.FAIL: "failed",
}
"""Clients know these four; whatever ended without success has failed, and its error says how."""

NAME = "openai"
"""What the dialect is called."""

REMIXED = "remixed_from_video_id"


def kind_of_task(catalog: Catalog, found: Whole) -> MediaKind:
    """Return what kind of media a task makes; of a model that is gone, what it has made."""
    model = catalog.models_by_id.get(found.record.model)
    if model is not None:
        return model.kind
    output = found.record.output
    return MEDIA_KINDS[output[0].media_type] if output else MediaKind.VIDEO


def video_json(catalog: Catalog, found: Whole) -> dict[str, Any]:
    """Return a task whose model makes videos. Times are whole seconds since 1970."""
    record = found.record
    is_done = record.status is Status.SUCCESS
    return {
        "id": record.id,
        "object": "video",
        "created_at": unix_s(record.created_at),
        "completed_at": unix_s(record.completed_at),
        "expires_at": unix_s(record.media_expires_at),
        "status": STATUSES[record.status],
        "progress": 100 if is_done else record.progress_percent or 0,
        "model": record.model,
        "prompt": found.inputs.get("prompt"),
        "seconds": _seconds(found),
        "size": _size(catalog, found),
        REMIXED: found.details.get(REMIXED) if found.dialect == NAME else None,
        "error": None if record.failure is None else failure_json(record.failure),
    }


def _seconds(found: Whole) -> str:
    """Return how long the file is, or will be; "0" where that is not known yet."""
    if found.record.output:
        return str(round(found.record.output[0].duration_ms / 1000))
    duration = found.inputs.get("duration")
    return str(duration) if isinstance(duration, int) else "0"


def _size(catalog: Catalog, found: Whole) -> str:
    """Return how large the file is, or will be; "auto" where that follows from its media."""
    output, model = found.record.output, catalog.models_by_id.get(found.record.model)
    if output:
        return size_text(Size(width=output[0].width, height=output[0].height))
    if model is None:
        return "auto"
    try:
        return size_text(check.check(model, found.inputs).size)
    except InvalidInputs:
        return "auto"  # the model was declared anew since


def size_text(size: Size | None) -> str:
    """Return a size as OpenAI writes it."""
    return "auto" if size is None else f"{size.width}x{size.height}"


def unix_s(moment: datetime | None) -> int | None:
    """Return whole seconds since 1970."""
    return None if moment is None else int(moment.timestamp())
