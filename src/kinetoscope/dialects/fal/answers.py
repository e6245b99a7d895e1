"""What every answer of fal's dialect has, and how it tells of errors.

A refusal is never sent with a status that fal's clients would send the request again for, unless
that may succeed within seconds: Python's do for 408, 409 and 429 (ten times, whatever Retry-After
says), JavaScript's for 429, 502, 503 and 504, and both leave a 504 alone that says that it was the
client's own time that ran out. Whatever may have made a task is never told with any of them.

https://docs.fal.ai/model-apis/errors and https://docs.fal.ai/model-apis/request-errors
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import Broken, retry_headers, status_of
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.errors import (
    BodyTooSlow,
    CapReached,
    Conflict,
    CreditsShort,
    DatabaseUnavailable,
    InputIssue,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    KinetoscopeError,
    LeaseLost,
    ModelUnavailable,
    SettingInvalid,
    StillRunning,
    TooManyUploads,
    TooManyWatching,
    UnknownModel,
)
from kinetoscope.kernel.ids import is_task_id, random_base36

REQUEST_ID = "x-fal-request-id"
REQUEST_ID_LENGTH = 24
ERROR_TYPE = "X-Fal-Error-Type"
RETRYABLE = "X-Fal-Retryable"

USER_TIMEOUT = {"X-Fal-Request-Timeout-Type": "user"}
"""Says that the time was the client's own to choose: neither client sends it again."""

BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
INVALID = 422
BROKEN = 500
TIMED_OUT = 504

EXHAUSTED = "User is locked. Reason: Exhausted balance."
PERHAPS_TAKEN = "The request may have been taken. Before sending it again, ask for"

ERRORS_PAGE = "https://docs.fal.ai/errors#"

TYPES: Mapping[str, str] = {"invalid_json": "json_invalid", "invalid_type": "type_error"}
"""What the checks of a request call their findings, in the words of fal's framework."""

PLACES: Mapping[tuple[str | int, ...], tuple[str, ...]] = {
    ("callBackUrl",): ("query", "fal_webhook"),
    ("Idempotency-Key",): ("header", "Idempotency-Key"),
}
"""Where what we call so stands in fal's requests; anything else is an input."""


def told(
    body: object,
    status: int = 200,
    *,
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with JSON about a request, whose id is in a header that every answer has.

    What is about none has a fresh id, of another form than our own.
    """
    return answer(
        body,
        status,
        {REQUEST_ID: request_id or random_base36(REQUEST_ID_LENGTH), **(headers or {})},
    )


PLAIN: Mapping[type[KinetoscopeError], tuple[int, str]] = {
    InvalidRequest: (BAD_REQUEST, "bad_request"),
    BodyTooSlow: (BAD_REQUEST, "bad_request"),
    Conflict: (BAD_REQUEST, "bad_request"),
    UnknownModel: (NOT_FOUND, ""),
    KeySpent: (FORBIDDEN, ""),
    CapReached: (FORBIDDEN, ""),
    TooManyUploads: (FORBIDDEN, ""),
    TooManyWatching: (FORBIDDEN, ""),
    ModelUnavailable: (BROKEN, "runner_scheduling_failure"),
    LeaseLost: (BROKEN, "internal_error"),
    SettingInvalid: (BROKEN, "internal_error"),
    Broken: (BROKEN, "internal_error"),
    StillRunning: (TIMED_OUT, "request_timeout"),
}
"""The status of what is told in a sentence, and fal's type of it. Others have their native one."""


def refuse(request: Request, error: KinetoscopeError) -> Response:
    """Tell of an error as fal does."""
    headers = retry_headers(error)
    found: object = str(error)
    status, kind = PLAIN.get(type(error), (status_of(error), ""))
    match error:
        case InvalidInputs(issues=issues) | InvalidRequest(issues=issues) if issues:
            status, kind, found = INVALID, "", [_detail(issue) for issue in issues]
        case CreditsShort(required=required, available=available):
            needed, left = format_credits(required), format_credits(available)
            status = FORBIDDEN
            found = f"{EXHAUSTED} {needed} credits are needed, and {left} are left."
        case DatabaseUnavailable(task_id=task_id) if task_id is not None:
            status, kind = BROKEN, "internal_error"
            found = f"{error} {PERHAPS_TAKEN} {task_id}"
        case StillRunning():
            headers |= USER_TIMEOUT
        case UnknownModel():
            found = f"Application not found. {error}"
        case _:
            pass
    body = {"detail": found}
    if kind:
        body["error_type"] = headers[ERROR_TYPE] = kind
    return told(body, status, request_id=_about(request, error), headers=headers)


def _about(request: Request, error: KinetoscopeError) -> str:
    """Return the id of what an error is about; empty for nothing."""
    if isinstance(error, StillRunning | DatabaseUnavailable) and error.task_id is not None:
        return error.task_id
    stated = str(request.path_params.get("request_id", ""))
    return stated if is_task_id(stated) else ""


def _detail(issue: InputIssue) -> dict[str, Any]:
    place = PLACES.get(issue.path, ("body", *issue.path))
    return detail(place, issue.message, TYPES.get(issue.code, "value_error"))


def detail(place: tuple[str | int, ...], message: str, kind: str) -> dict[str, Any]:
    """Return one thing that is wrong, and where. https://docs.fal.ai/model-apis/errors."""
    return {"loc": list(place), "msg": message, "type": kind, "url": f"{ERRORS_PAGE}{kind}"}
