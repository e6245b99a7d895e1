"""How OpenAI's dialect tells of errors, and which of them a client may send again by itself.

https://platform.openai.com/docs/guides/error-codes
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import Broken, retry_headers, status_of
from kinetoscope.dialects.retries import is_first, is_recognised
from kinetoscope.kernel.errors import (
    BodyTooSlow,
    CapReached,
    CreditsShort,
    DatabaseUnavailable,
    Forbidden,
    IdempotencyBusy,
    InputIssue,
    IntakeFull,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    KinetoscopeError,
    NotFound,
    RangeUnsatisfiable,
    RateLimited,
    StillRunning,
    StoreUnavailable,
    TooManyUploads,
    TooManyWatching,
    Unauthenticated,
    UnknownModel,
    Unsupported,
)
from kinetoscope.tasks.task import Failure

INVALID = "invalid_request_error"
SERVER = "server_error"
UNAUTHORISED = 401
TOO_MANY = 429
BROKEN_FROM = 500

FINAL = {"x-should-retry": "false"}
"""Keeps clients from sending it again. Some would twice, whatever the reason."""

MODERATED = "moderation_blocked"
FAILURES: Mapping[str, str] = {
    "2038": MODERATED,
    "4011": MODERATED,
    "500": SERVER,
    "InvalidParameter": "invalid_value",
    "deadline": "expired",
}
"""OpenAI's words for why a task failed. Codes that are not here are told as they are."""

OURS = frozenset({SERVER, "cancelled", "expired"})
"""What no other request would have helped."""


@dataclass(frozen=True, slots=True)
class Told:
    """An error in OpenAI's words."""

    status: int
    type: str
    code: str
    param: str | None = None


TOLD: Mapping[type[KinetoscopeError], Told] = {
    UnknownModel: Told(404, INVALID, "model_not_found", "model"),
    Unauthenticated: Told(UNAUTHORISED, INVALID, "invalid_api_key"),
    # What every client of OpenAI knows for an account without credits.
    CreditsShort: Told(TOO_MANY, "insufficient_quota", "insufficient_quota"),
    KeySpent: Told(TOO_MANY, "insufficient_quota", "insufficient_quota"),
    CapReached: Told(TOO_MANY, "requests", "concurrency_limit_exceeded"),
    RateLimited: Told(TOO_MANY, "requests", "rate_limit_exceeded"),
    TooManyUploads: Told(TOO_MANY, "requests", "rate_limit_exceeded"),
    TooManyWatching: Told(TOO_MANY, "requests", "rate_limit_exceeded"),
    Forbidden: Told(403, INVALID, "permission_denied"),
    NotFound: Told(404, INVALID, "not_found"),
    Unsupported: Told(501, INVALID, "unsupported"),
}
"""Errors that OpenAI has words for. Others keep the native status, and our word."""


def refuse(request: Request, error: KinetoscopeError) -> Response:
    """Tell of an error as OpenAI does, so that its clients send again what may succeed, only."""
    told = _told(error)
    headers = retry_headers(error)
    if not may_come_again(request, error):
        headers |= FINAL
    if told.status == UNAUTHORISED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RangeUnsatisfiable):
        headers["Content-Range"] = f"bytes */{error.bytes_size}"
    return answer(error_json(told, _message(request, error)), told.status, headers)


def error_json(told: Told, message: str) -> dict[str, Any]:
    """Return an error's body."""
    return {
        "error": {"message": message, "type": told.type, "param": told.param, "code": told.code}
    }


def made_by(request: Request) -> str | None:
    """Return the task that a request has made, if it has."""
    made: str | None = getattr(request.state, "made", None)
    return made


def may_come_again(request: Request, error: KinetoscopeError) -> bool:
    """Whether an SDK may send the request again, which it does after a second or so.

    What has made a task must be recognised then, and what has not is not sent again: the next time
    would be shown what an equal request made before. After the unknown nothing is sent again.
    """
    is_named = "idempotency-key" in request.headers
    if request.method == "POST" and made_by(request) is None and is_first(request) and not is_named:
        return False
    match error:
        case Broken():
            return request.method == "GET"
        case DatabaseUnavailable(task_id=task_id) if task_id is not None:
            return False
        case (
            BodyTooSlow()
            | DatabaseUnavailable()
            | IdempotencyBusy()
            | IntakeFull()
            | RateLimited()
            | StillRunning()
            | StoreUnavailable()
            | TooManyWatching()
        ):
            return made_by(request) is None or is_recognised(request)
        case _:
            return False


def _message(request: Request, error: KinetoscopeError) -> str:
    message = str(error)
    if isinstance(error, InvalidInputs | InvalidRequest) and error.issues:
        message = "; ".join(_sentence(issue) for issue in error.issues)
    task_id = made_by(request)
    if isinstance(error, DatabaseUnavailable) and error.task_id is not None:
        return f"{message} The task {error.task_id} may have been created nevertheless."
    if task_id is not None and task_id not in message:
        if getattr(request.state, "ended", False):
            return f"{message} The task {task_id} has ended, and can be asked for by its id."
        return f"{message} The task {task_id} was created and goes on."
    return message


def _sentence(issue: InputIssue) -> str:
    path = _path(issue)
    return f"{path}: {issue.message}" if path else issue.message


def _path(issue: InputIssue) -> str:
    return ".".join(str(part) for part in issue.path)


def _told(error: KinetoscopeError) -> Told:
    if isinstance(error, InvalidInputs | InvalidRequest) and error.issues:
        first = error.issues[0]
        return Told(status_of(error), INVALID, first.code, _path(first) or None)
    told = TOLD.get(type(error))
    if told is not None:
        return told
    status = status_of(error)
    code = _snake(type(error).__name__)
    return Told(status, SERVER if status >= BROKEN_FROM else INVALID, code)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


def failure_json(failure: Failure) -> dict[str, str]:
    """Return why a task failed, as a video tells it."""
    message = f"{failure.message} {failure.detail}" if failure.detail else failure.message
    return {"code": FAILURES.get(failure.code, failure.code), "message": message}


def answer_failure(failure: Failure, task_id: str) -> Response:
    """Tell of a failed task where its result was to be answered. It cost nothing.

    The task is over: sent again, the same request would not make another one.
    """
    told = failure_json(failure)
    code = told["code"]
    is_server = code in OURS
    kind = SERVER if is_server else "image_generation_user_error"
    status = 500 if is_server else 400
    return answer(
        error_json(Told(status, kind, code), told["message"]),
        status,
        {**FINAL, "x-request-id": task_id},
    )
