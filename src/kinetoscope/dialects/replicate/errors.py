"""How Replicate tells of errors: problem details, whose `detail` is what its clients show.

https://replicate.com/docs/reference/http and RFC 7807
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import retry_headers, status_of
from kinetoscope.dialects.retries import is_first
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.errors import (
    CapReached,
    CreditsShort,
    DatabaseUnavailable,
    IdempotencyBusy,
    InputIssue,
    IntakeFull,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    KinetoscopeError,
    RateLimited,
    StoreUnavailable,
    TooManyUploads,
    TooManyWatching,
    UnknownModel,
)

TITLES: Mapping[int, str] = {
    400: "Bad request",
    401: "Unauthenticated",
    402: "Insufficient credit",
    403: "Forbidden",
    404: "Not found",
    408: "Request timeout",
    409: "Conflict",
    410: "Gone",
    413: "Request too large",
    422: "Input validation failed",
    429: "Too many requests",
    500: "Internal server error",
    501: "Not supported",
    503: "Service unavailable",
}

PATH_NAMES = ("/models/", "/deployments/")
"""Paths that name a model: there an unknown one is not found, elsewhere its name is not valid."""

OUR_NAMES = {"callBackUrl": "webhook", "inputs": "input"}
"""What issues call by our name, and clients by another."""

WORTH_TRYING = (
    IdempotencyBusy,
    IntakeFull,
    RateLimited,
    StoreUnavailable,
)
"""After these the same request may soon succeed, and nothing has come of it yet."""

HASTY = "replicate-javascript/"
"""The client that would ask again at once."""

RETRIED = frozenset({408, 409, 429, *range(500, 600)})
"""What the newer Python client sends again by itself."""


def refuse(request: Request, error: KinetoscopeError) -> Response:
    """Tell of an error as Replicate does.

    Its newer Python client sends POSTs again after many statuses, and obeys `x-should-retry`. The
    older one sends no POST again, and the JavaScript one only after a 429: five times, and without
    waiting. An upload that is one too many is therefore a 403, and a task beyond the cap, or what
    comes too fast, for that client, a 409.
    """
    status = _status(request, error)
    issues = _issues(error)
    body: dict[str, object] = {
        "title": TITLES.get(status, "Error"),
        "detail": "".join(_line(issue) for issue in issues) or _detail(error),
        "status": status,
    }
    if issues:
        body["invalid_fields"] = [
            {"type": issue.code, "field": _path(issue), "description": issue.message}
            for issue in issues
        ]
    headers = retry_headers(error)
    if request.method == "POST" and status in RETRIED and not _is_worth_trying(request, error):
        headers["x-should-retry"] = "false"
    return answer(body, status, headers)


def _status(request: Request, error: KinetoscopeError) -> int:
    match error:
        case InvalidInputs():
            return 422
        case InvalidRequest(issues=issues) if issues:
            return 422
        case UnknownModel():
            return 404 if any(part in request.url.path for part in PATH_NAMES) else 422
        case TooManyUploads():
            return 403
        case CapReached() | RateLimited() | TooManyWatching() if _is_hasty(request):
            return 409
        case _:
            return status_of(error)


def _is_hasty(request: Request) -> bool:
    """Whether a client would send a request five times at once after a 429: anything but a GET."""
    return request.method != "GET" and request.headers.get("user-agent", "").startswith(HASTY)


def _issues(error: KinetoscopeError) -> tuple[InputIssue, ...]:
    return error.issues if isinstance(error, InvalidInputs | InvalidRequest) else ()


def _path(issue: InputIssue) -> str:
    return ".".join(OUR_NAMES.get(str(part), str(part)) for part in issue.path)


def _line(issue: InputIssue) -> str:
    path = _path(issue)
    return f"- {path}: {issue.message}\n" if path else f"- {issue.message}\n"


def _detail(error: KinetoscopeError) -> str:
    match error:
        case (
            CreditsShort(required=required, available=available)
            | KeySpent(required=required, available=available)
        ):
            needed, left = format_credits(required), format_credits(available)
            return f"{error}: {needed} credits are needed, {left} are available."
        case RateLimited(wait_s=wait_s):
            return f"Request was throttled. Your rate limit resets in ~{wait_s}s. {error}"
        case DatabaseUnavailable(task_id=task_id) if task_id is not None:
            return f"{error} The prediction {task_id} may be there already: get it by its id."
        case _:
            return str(error)


def _is_worth_trying(request: Request, error: KinetoscopeError) -> bool:
    """Whether a client may send a request again by itself.

    A first try to make a prediction never: the next one would count as its repetition, and be
    shown what an equal request made before.
    """
    if isinstance(error, DatabaseUnavailable):
        if error.task_id is not None:
            return False
    elif not isinstance(error, WORTH_TRYING):
        return False
    has_name = "idempotency-key" in request.headers
    return has_name or not is_first(request) or not request.url.path.endswith("/predictions")
