"""What goes over the wire: one table from errors to answers, and JSON with exact credits.

The bodies and texts are those of https://kinovi.ai/docs/common/error-handling.
"""

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.kernel.credits import Credits, format_credits
from kinetoscope.kernel.errors import (
    BodyTooLarge,
    BodyTooSlow,
    CapReached,
    Conflict,
    CreditsShort,
    DatabaseUnavailable,
    Forbidden,
    IdempotencyBusy,
    IdempotencyGone,
    IdempotencyMismatch,
    InputIssue,
    IntakeFull,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    KinetoscopeError,
    LeaseLost,
    ModelUnavailable,
    NotFound,
    RangeUnsatisfiable,
    RateLimited,
    SettingInvalid,
    StillRunning,
    StoreUnavailable,
    TooManyUploads,
    TooManyWatching,
    Unauthenticated,
    UnknownModel,
    Unsupported,
)

log = structlog.get_logger(__name__)

STATUS: Mapping[type[KinetoscopeError], int] = {
    InvalidRequest: 400,
    UnknownModel: 400,
    InvalidInputs: 400,
    Unauthenticated: 401,
    CreditsShort: 402,
    KeySpent: 402,
    Forbidden: 403,
    NotFound: 404,
    BodyTooSlow: 408,
    Conflict: 409,
    IdempotencyBusy: 409,
    IdempotencyGone: 410,
    BodyTooLarge: 413,
    RangeUnsatisfiable: 416,
    IdempotencyMismatch: 422,
    CapReached: 429,
    TooManyUploads: 429,
    TooManyWatching: 429,
    RateLimited: 429,
    LeaseLost: 500,
    SettingInvalid: 500,
    Unsupported: 501,
    DatabaseUnavailable: 503,
    IntakeFull: 503,
    ModelUnavailable: 503,
    StoreUnavailable: 503,
    StillRunning: 504,
}
"""Every error that can reach a door. A test demands that none is missing."""

TASK_ENDS_S = 2
"""When to look again whether a task has ended; nobody knows, and clients poll about as often."""

RETRY_S: Mapping[type[KinetoscopeError], int] = {
    CapReached: TASK_ENDS_S,
    DatabaseUnavailable: 1,
    IdempotencyBusy: 1,
    IntakeFull: 5,
    ModelUnavailable: 60,  # until a person has mended something
    StoreUnavailable: 1,
    TooManyWatching: TASK_ENDS_S,
}
"""When it is worth trying again, in seconds, unless the error itself says so (`wait_s`)."""

GONE = 499
"""What many logs call a client that has left; nobody hears it."""

INTERNAL = "Internal server error. It is safe to try again."


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(
        orjson.dumps(body),
        status_code=status,
        headers=None if headers is None else dict(headers),
        media_type="application/json",
    )


def credits_json(amount: Credits) -> orjson.Fragment:
    """Write credits as an exact JSON number, `2.17` or `200`, without ever making a float."""
    return orjson.Fragment(format_credits(amount))


def error_body(error: KinetoscopeError) -> dict[str, Any]:
    """Return an error's body: its message, and the facts that the contract adds to some."""
    body: dict[str, Any] = {"message": str(error)}
    match error:
        case InvalidInputs(issues=issues):
            body["errors"] = [_issue(issue) for issue in issues]
        case InvalidRequest(issues=issues) if issues:
            body["errors"] = [_issue(issue) for issue in issues]
        case (
            CreditsShort(required=required, available=available)
            | KeySpent(required=required, available=available)
        ):
            body["required"] = credits_json(required)
            body["available"] = credits_json(available)
        case CapReached(limit=limit, current=current):
            body["limit"] = limit
            body["current"] = current
        case RateLimited(limit=limit):
            body["limit"] = limit
        case DatabaseUnavailable(task_id=task_id) if task_id is not None:
            body["taskId"] = task_id
        case _:
            pass
    return body


def _issue(issue: InputIssue) -> dict[str, Any]:
    return {"code": issue.code, "message": issue.message, "path": list(issue.path)}


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an anticipated error from the table."""
    assert isinstance(error, KinetoscopeError)  # noqa: S101 - registered for nothing else
    status = STATUS.get(type(error))
    if status is None:
        # A capability's own error: what it says may name paths and hosts of this machine.
        return await answer_bug(request, error)
    headers = {}
    if status == STATUS[Unauthenticated]:
        headers["WWW-Authenticate"] = "Bearer"
    wait_s = retry_s(error)
    if wait_s is not None:
        headers["Retry-After"] = str(wait_s)
    if isinstance(error, RangeUnsatisfiable):
        headers["Content-Range"] = f"bytes */{error.bytes_size}"
    return answer(error_body(error), status, headers)


def retry_s(error: KinetoscopeError) -> int | None:
    """Return in how many seconds trying again is worth it, where it may be."""
    if isinstance(error, DatabaseUnavailable) and error.task_id is not None:
        return None  # the task may be there: it is to be looked for, not made again
    if isinstance(error, RateLimited | TooManyUploads):
        return error.wait_s
    return RETRY_S.get(type(error))


async def answer_gone(request: Request, error: Exception) -> Response:
    """Answer a client that left before it had said everything: that is no fault of ours."""
    log.debug("request.gone", path=request.url.path, error=type(error).__name__)
    return Response(status_code=GONE)


async def answer_bug(request: Request, error: Exception) -> Response:
    """Answer what nobody anticipated: logged in full, told in a sentence."""
    log.error("request.broke", path=request.url.path, exc_info=error)
    return answer({"message": INTERNAL}, 500)
