"""What a request came to, in fal's words: the files that were made, or why there are none.

The same is answered to a run, told by a stream's last event, and sent to webhooks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kinetoscope.dialects.fal.answers import (
    BROKEN,
    ERROR_TYPE,
    INVALID,
    RETRYABLE,
    TIMED_OUT,
    USER_TIMEOUT,
    detail,
    told,
)
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media.inspect import MEDIA_KINDS
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.task import Failure, Status, StoredOutput
from kinetoscope.tasks.whole import Whole

FLAGGED = "content_policy_violation"
CANCELLED = 499
"""fal's status for what its client cancelled."""

MODEL_ERRORS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "2038": (("body", "prompt"), FLAGGED),
    "4011": (("body",), FLAGGED),
    "asset_review_failed": (("body",), "file_download_error"),
    "banned_prompt_words": (("body", "prompt"), FLAGGED),
    "InvalidParameter": (("body",), "value_error"),
}
"""What our codes are where the request itself is at fault, and which part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a request ended: what is answered to whoever asks for its result.

    `error` and `error_type` are empty for a success.
    """

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    error: str = ""
    error_type: str = ""


def has_ended(found: Whole) -> bool:
    """Whether there is a result, or never will be one."""
    return found.record.status in {Status.SUCCESS, Status.FAIL}


def ending(found: Whole, signer: Signer) -> Ending:
    """Return how a task ended that has."""
    failure = found.record.failure
    if failure is None:
        return Ending(status=200, body=output(found, signer), headers={})
    match failure.code:
        case "cancelled":
            return _request_error(CANCELLED, "client_cancelled", failure)
        case "deadline":
            return _request_error(TIMED_OUT, "request_timeout", failure, USER_TIMEOUT)
        case code if code in MODEL_ERRORS:
            place, kind = MODEL_ERRORS[code]
            return _model_error(INVALID, place, kind, failure)
        case _:
            return _model_error(BROKEN, ("body",), "internal_server_error", failure)


def result(found: Whole, signer: Signer) -> Response:
    """Answer with the result of a task that has ended."""
    ended = ending(found, signer)
    return told(ended.body, ended.status, request_id=found.record.id, headers=ended.headers)


def output(found: Whole, signer: Signer) -> dict[str, Any]:
    """Return what a task made: `video`, `images` or `audio`, as fal's models have it."""
    stored = found.record.output
    files = [_file(each, found, signer) for each in stored]
    kind = MEDIA_KINDS[stored[0].media_type] if stored else MediaKind.IMAGE
    body: dict[str, Any]
    match kind:
        case MediaKind.VIDEO:
            body = {"video": files[0]}
        case MediaKind.AUDIO:
            body = {"audio": files[0]}
        case MediaKind.IMAGE:
            body = {"images": files}
    if len(files) > 1 and kind is not MediaKind.IMAGE:
        body[f"{kind.value}s"] = files
    prompt = found.inputs.get("prompt")
    return body | {"seed": found.seed} | ({"prompt": prompt} if prompt is not None else {})


def _file(stored: StoredOutput, found: Whole, signer: Signer) -> dict[str, Any]:
    record = found.record
    file: dict[str, Any] = {
        "url": signer.url(stored.name, record.addresses_expire_at),
        "content_type": stored.media_type,
        "file_name": stored.name,
        "file_size": stored.bytes_size,
    }
    if stored.width:
        file |= {"width": stored.width, "height": stored.height}
    if stored.duration_ms:
        file["duration"] = stored.duration_ms / 1000
    if stored.last_frame_name is not None:
        file["last_frame_url"] = signer.url(stored.last_frame_name, record.addresses_expire_at)
    if record.is_expired:
        file["expired"] = True
    return file


def _request_error(
    status: int, kind: str, failure: Failure, headers: Mapping[str, str] | None = None
) -> Ending:
    """Return an ending that was nobody's fault but the client's wish."""
    return Ending(
        status=status,
        body={"detail": failure.message, "error_type": kind},
        headers={ERROR_TYPE: kind, **(headers or {})},
        error=failure.message,
        error_type=kind,
    )


def _model_error(status: int, place: tuple[str, ...], kind: str, failure: Failure) -> Ending:
    """Return an ending that was the model's, or of what it was given."""
    found = detail(place, failure.message, kind)
    context = {"code": failure.code} | ({"detail": failure.detail} if failure.detail else {})
    return Ending(
        status=status,
        body={"detail": [found | {"ctx": context}]},
        headers={ERROR_TYPE: kind, RETRYABLE: "true" if status == BROKEN else "false"},
        error=failure.message,
        error_type=kind,
    )
