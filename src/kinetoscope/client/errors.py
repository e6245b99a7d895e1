"""Everything that a client can be told: one class for each thing that a caller can act on.

    ClientError
    ├── Misconfigured           the key or the address cannot be used; nothing was sent
    ├── Unreachable             no answer, however often it was tried
    ├── UnexpectedAnswer        an answer that no Kinetoscope gives: is the address right?
    ├── Refused                 an answer that is not 2xx; below 500 nothing was made by it
    │   ├── InvalidRequest      400; `issues` says what is wrong, one by one
    │   │   ├── InvalidInputs   the inputs do not fit the model
    │   │   └── UnknownModel    there is no model of this id
    │   ├── Unauthenticated     401
    │   ├── InsufficientCredits 402; `required` and `available`
    │   │   └── KeySpent        the key's own spending cap is too low, whatever the account has
    │   ├── Forbidden           403: a good key, but not for this; or an address that has expired
    │   ├── NotFound            404; `nearest` names models that are spelled alike
    │   ├── Conflict            409: not as things stand now
    │   ├── Gone                410: the task of this Idempotency-Key was deleted
    │   ├── TooLarge            413, or a file that is refused before it is sent
    │   ├── IdempotencyMismatch 422: this Idempotency-Key came with something else before
    │   ├── ConcurrencyLimit    429: `limit` tasks run already; `current`
    │   ├── RateLimited         429: too many requests or uploads
    │   ├── Unsupported         501: the server does not do this
    │   └── ServerFailed        5xx; `task_id` names a task that may have been made
    ├── TaskFailed              the task ended as `fail`; `code`, `message`, `detail`, `task`
    │   └── TaskCancelled       because somebody wanted that
    ├── WaitTimedOut            the wait is over, the task goes on: `task`
    ├── DownloadFailed          a file could not be had whole
    └── WebhookInvalid          a delivery that is not from this server, too old, or changed

Once a task was made, or may have been, every error says so: `task_id`, `idempotency_key`.

What the texts and codes mean: https://kinovi.ai/docs/common/error-handling and docs/errors.md.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from kinetoscope.client.values import Issue, Task


class ClientError(Exception):
    """Anything the client raises on purpose. Its text is a sentence for people.

    `task_id` names the task that was made, or may have been, before it went wrong. With the
    `idempotency_key` the same call can be made again without making a second task. With
    `may_have_worked` the request may have done its work, though no answer says so.
    """

    task_id: str | None = None
    idempotency_key: str | None = None
    may_have_worked: bool = False

    @override
    def __str__(self) -> str:
        """Return what went wrong, and with which task."""
        text = super().__str__()
        if self.task_id is not None:
            return text if self.task_id in text else f"{text} ({self.task_id})"
        if self.may_have_worked and self.idempotency_key is not None:
            return f"{text}; a task may have been made, by Idempotency-Key {self.idempotency_key}"
        return text

    def remember(self, earlier: "ClientError") -> None:
        """Take over what an earlier try left uncertain."""
        self.task_id = self.task_id or earlier.task_id
        self.may_have_worked = self.may_have_worked or earlier.may_have_worked


@contextmanager
def about(task_id: str | None, idempotency_key: str | None = None) -> Iterator[None]:
    """Let every ClientError in here say which task it is about."""
    try:
        yield
    except ClientError as error:
        error.task_id = error.task_id or task_id
        error.idempotency_key = error.idempotency_key or idempotency_key
        raise


class Misconfigured(ClientError):
    """The key or the address cannot be used; nothing was sent."""


class Unreachable(ClientError):
    """There was no answer, however often it was tried."""


class UnexpectedAnswer(ClientError):
    """The answer is none of a Kinetoscope's."""

    may_have_worked = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a refusal came with: status, Retry-After in seconds, and the body as it was parsed."""

    status: int
    message: str
    retry_after_s: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    issues: "tuple[Issue, ...]" = ()


class Refused(ClientError):
    """The server said no. Nothing was made or charged by it, unless it is a ServerFailed.

    Where it answers a repetition, an earlier try may have worked: see `may_have_worked`.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.status = answer.status
        self.message = answer.message
        self.retry_after_s = answer.retry_after_s
        self.body = answer.body


class InvalidRequest(Refused):
    """The request is not what it should be; `issues` says where."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.issues = answer.issues

    @override
    def __str__(self) -> str:
        """Return what is wrong, one by one behind the server's own sentence."""
        reasons = "; ".join(issue.text for issue in self.issues)
        return f"{super().__str__()}: {reasons}" if reasons else super().__str__()


class InvalidInputs(InvalidRequest):
    """The inputs do not fit the model."""


class UnknownModel(InvalidRequest):
    """There is no model of this id."""


class Unauthenticated(Refused):
    """There is no key, or it does not open."""


class InsufficientCredits(Refused):
    """The account cannot pay: `required` and `available` are credits."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.required = Decimal(answer.body.get("required", 0))
        self.available = Decimal(answer.body.get("available", 0))


class KeySpent(InsufficientCredits):
    """The account could pay, but this key may not spend that much."""


class Forbidden(Refused):
    """The key is good, but not for this; or an address has expired."""


class NotFound(Refused):
    """There is no such thing, or it is gone; `nearest` names models that are spelled alike."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.nearest: tuple[str, ...] = tuple(answer.body.get("nearest", ()))

    @override
    def __str__(self) -> str:
        """Return the server's sentence, and the models that may have been meant."""
        text = super().__str__()
        return f"{text}. Did you mean {' or '.join(self.nearest)}?" if self.nearest else text


class Conflict(Refused):
    """It is not possible as things stand; later it may be."""


class Gone(Refused):
    """The task that this Idempotency-Key made was deleted, or is known no more."""


class TooLarge(Refused):
    """The request or the file is larger than the server takes."""


class IdempotencyMismatch(Refused):
    """This Idempotency-Key came with another request before."""


class ConcurrencyLimit(Refused):
    """As many tasks run as may: `limit` of them, `current` now."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.limit = int(answer.body["limit"])
        self.current = int(answer.body["current"])


class RateLimited(Refused):
    """Requests or uploads come too fast, or are too many; see `retry_after_s`."""


class Unsupported(Refused):
    """The server does not do this."""


class ServerFailed(Refused):
    """The server could not answer; `task_id` names a task that may have been made nevertheless."""

    may_have_worked = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        stated = answer.body.get("taskId")
        self.task_id = stated if isinstance(stated, str) else None


class TaskFailed(ClientError):
    """A task was made and failed; its credits are back."""

    def __init__(self, task: "Task") -> None:
        error = task.error
        self.code = "" if error is None else error.code
        self.message = "The task failed" if error is None else error.message
        self.detail = "" if error is None else error.detail
        self.task = task
        self.task_id = task.id
        tail = f" ({self.code})" if self.code else ""
        super().__init__(f"{task.id} failed: {self.message}{tail}")


class TaskCancelled(TaskFailed):
    """The task ended because somebody wanted that."""


class WaitTimedOut(ClientError):
    """The wait is over and the task goes on."""

    def __init__(self, task: "Task", timeout_s: float) -> None:
        super().__init__(f"{task.id} has not ended within {timeout_s:g} seconds: {task.status}")
        self.task = task
        self.task_id = task.id


class DownloadFailed(ClientError):
    """A file could not be had whole."""


class WebhookInvalid(ClientError):
    """A delivery is not from this server, too old, or was changed on the way."""


BY_STATUS: Mapping[int, type[Refused]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    402: InsufficientCredits,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    422: IdempotencyMismatch,
    429: RateLimited,
    501: Unsupported,
}

BY_MESSAGE: Mapping[tuple[int, str], type[Refused]] = {
    (400, "Invalid inputs for model"): InvalidInputs,
    (400, "Unknown model"): UnknownModel,
    (402, "The spending cap of this API Key is reached"): KeySpent,
}

SERVER_FAILED_FROM = 500


def refusal(answer: Answer) -> Refused:
    """Return the error that an answer stands for."""
    if {"limit", "current"} <= answer.body.keys():
        return ConcurrencyLimit(answer)
    named = BY_MESSAGE.get((answer.status, answer.message)) or BY_STATUS.get(answer.status)
    if named is None:
        named = ServerFailed if answer.status >= SERVER_FAILED_FROM else Refused
    return named(answer)
