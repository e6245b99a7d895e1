"""How kie.ai tells of errors: `{"code", "msg", "data"}`, mostly under a status of 200.

https://docs.kie.ai/market/quickstart#status-codes. Refusals, which the caller can act on, have
status 200 as there, and the code alone says what they are: 401, 402, 404, 422, 429, 433, 455, 505,
and our own number where kie.ai has no word. Three things have a status of their own: what is not
supported (501, code 505), uploads (status and code are the same, as their pages have it), and
faults of ours, since whoever watches a service looks at statuses. Where a task may exist although
its answer was lost, the status is 200, the code 500, and `data.taskId` says which: so that nothing
between client and server makes another.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import retry_headers, status_of
from kinetoscope.kernel.errors import (
    CapReached,
    CreditsShort,
    DatabaseUnavailable,
    Forbidden,
    InputIssue,
    IntakeFull,
    InvalidInputs,
    InvalidRequest,
    KeySpent,
    KinetoscopeError,
    ModelUnavailable,
    NotFound,
    RateLimited,
    Refusal,
    StoreUnavailable,
    TooManyUploads,
    Unauthenticated,
    UnknownModel,
    Unsupported,
)

FINE = 200
UNSURE = 500
"""An unexpected error, which leaves open what became of the request."""

CODES: Mapping[type[KinetoscopeError], int] = {
    CapReached: 429,
    CreditsShort: 402,
    DatabaseUnavailable: 455,
    Forbidden: 401,  # "You do not have access permissions"
    IntakeFull: 455,
    InvalidInputs: 422,
    InvalidRequest: 422,
    KeySpent: 433,
    ModelUnavailable: 455,
    NotFound: 404,
    RateLimited: 429,
    StoreUnavailable: 455,
    TooManyUploads: 429,
    Unauthenticated: 401,
    UnknownModel: 422,
    Unsupported: 505,
}
"""Where kie.ai has a code for it; what is left out has our own number."""


def said(data: object, message: str = "success") -> Response:
    """Answer with what was asked for; creating says `msg` there, asking `message`, we say both."""
    return answer({"code": FINE, "msg": message, "message": message, "data": data})


def refuse(_request: Request, error: KinetoscopeError) -> Response:
    """Tell of an error as kie.ai does."""
    code = code_of(error)
    data = None
    status = FINE if isinstance(error, Refusal) else status_of(error)
    match error:
        case Unsupported():
            status = status_of(error)
        case DatabaseUnavailable(task_id=task_id) if task_id is not None:
            code, status, data = UNSURE, FINE, {"taskId": task_id}
        case _:
            pass
    text = message_of(error)
    body = {"code": code, "msg": text, "message": text, "data": data}
    return answer(body, status, retry_headers(error))


def refuse_upload(_request: Request, error: KinetoscopeError) -> Response:
    """Tell of an error as kie.ai's uploads do, whose statuses are true and 400 for what is bad.

    https://docs.kie.ai/file-upload-api/upload-file-stream
    """
    status = status_of(error)
    text = message_of(error)
    body = {"success": False, "code": status, "msg": text, "message": text, "data": None}
    return answer(body, status, retry_headers(error))


def code_of(error: KinetoscopeError) -> int:
    """Return kie.ai's number for an error."""
    return CODES.get(type(error), status_of(error))


def message_of(error: KinetoscopeError) -> str:
    """Return one line that says everything: there is no place for a list of what is wrong."""
    issues: tuple[InputIssue, ...] = ()
    if isinstance(error, InvalidInputs | InvalidRequest):
        issues = error.issues
    if not issues:
        return str(error)
    return f"{error}: {'; '.join(_line(issue) for issue in issues)}"


def _line(issue: InputIssue) -> str:
    path = ".".join(str(part) for part in issue.path)
    return f"{path}: {issue.message}" if path else issue.message
