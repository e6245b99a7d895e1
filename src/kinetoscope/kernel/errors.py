"""Everything that can go wrong on purpose.

    KinetoscopeError
    ├── Refusal                 the caller can act on it; nothing was stored or charged
    │   ├── InvalidRequest      the request is not what the contract says
    │   ├── BodyTooLarge        the request is larger than the server takes
    │   ├── BodyTooSlow         the request's body did not come in time
    │   ├── RangeUnsatisfiable  the file has no such bytes
    │   ├── UnknownModel
    │   ├── ModelUnavailable    nobody can make it until the operator mends something
    │   ├── InvalidInputs       the inputs are not what the model says; carries the issues
    │   ├── Unauthenticated     no key, or one that does not open
    │   ├── Forbidden           a good key, but not for this
    │   ├── NotFound
    │   ├── Conflict            not as things stand now; later it may be possible
    │   ├── CreditsShort        carries what is required and what is available
    │   ├── KeySpent            the key's own spending cap is too low; carries the same
    │   ├── IdempotencyBusy     another request with this Idempotency-Key is not over yet
    │   ├── IdempotencyMismatch another body came with this Idempotency-Key before
    │   ├── IdempotencyGone     the task of this Idempotency-Key is there no more
    │   ├── TooManyUploads      the account has as many uploads as it may
    │   ├── TooManyWatching     too many requests of the account wait for tasks already
    │   ├── RateLimited         too many requests; carries the limit and when to come back
    │   ├── CapReached          carries the limit and how many tasks are running
    │   ├── Unsupported         we do not do this, and say so rather than do something else
    │   └── StillRunning        the answer was to come with the task's end, which takes too long
    ├── LeaseLost               another worker took the task over; stop quietly
    ├── DatabaseUnavailable     the database cannot be reached; the caller may try again
    ├── StoreUnavailable        a file cannot be kept or looked into; the caller may try again
    ├── IntakeFull              as many files are on their way in as may be; likewise
    └── SettingInvalid          a setting cannot be used; names it

Domain errors do not know HTTP: `api/envelope.py` holds the only table.
"""

from dataclasses import dataclass

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import TaskId


class KinetoscopeError(Exception):
    """Anything this project raises on purpose. Its text is safe to show."""


class Refusal(KinetoscopeError):
    """The caller can act on it; nothing was stored or charged."""


@dataclass(frozen=True, slots=True)
class InputIssue:
    """One thing wrong with the inputs: the shape of a zod issue, as the public contract has it."""

    code: str
    message: str
    path: tuple[str | int, ...]


class InvalidRequest(Refusal):
    """The request as a whole cannot be read, or says something impossible."""

    def __init__(self, message: str, issues: tuple[InputIssue, ...] = ()) -> None:
        super().__init__(message)
        self.issues = issues


class BodyTooLarge(Refusal):
    """The request is larger than the server takes."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The request body is larger than {bytes_max} bytes")


class BodyTooSlow(Refusal):
    """The request's body did not come in time."""

    def __init__(self) -> None:
        super().__init__("The request's body came too slowly")


class RangeUnsatisfiable(Refusal):
    """The file has no such bytes."""

    def __init__(self, bytes_size: int) -> None:
        super().__init__(f"The file has {bytes_size} bytes")
        self.bytes_size = bytes_size


class UnknownModel(Refusal):
    """No model has this id."""


class ModelUnavailable(Refusal):
    """There is this model, but its provider is not set up as the operator wants it."""


class InvalidInputs(Refusal):
    """The inputs do not fit the model."""

    def __init__(self, issues: tuple[InputIssue, ...]) -> None:
        super().__init__("Invalid inputs for model")
        self.issues = issues


class Unauthenticated(Refusal):
    """No key, or one that does not open."""


class Forbidden(Refusal):
    """The key is good, but not for this."""


class NotFound(Refusal):
    """There is no such thing, or it is gone."""


class Conflict(Refusal):
    """What is asked for is not possible as things stand; later it may be."""


class CreditsShort(Refusal):
    """The account cannot pay for the task."""

    def __init__(self, *, required: Credits, available: Credits) -> None:
        super().__init__("Insufficient credits")
        self.required = required
        self.available = available


class KeySpent(Refusal):
    """The account could pay for the task, but the key may not spend that much."""

    def __init__(self, *, required: Credits, available: Credits) -> None:
        super().__init__("The spending cap of this API Key is reached")
        self.required = required
        self.available = available


class IdempotencyBusy(Refusal):
    """Another request with this Idempotency-Key is not over yet."""

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still running")


class IdempotencyMismatch(Refusal):
    """Another body came with this Idempotency-Key before."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with a different request")


class IdempotencyGone(Refusal):
    """The task that this Idempotency-Key made was deleted, or is known no more."""

    def __init__(self) -> None:
        super().__init__(
            "The task that this Idempotency-Key made is gone. Send another key to make a new one."
        )


class TooManyUploads(Refusal):
    """The account has as many uploads as it may; carries when the first of them is gone."""

    def __init__(self, limit: int, *, wait_s: int) -> None:
        super().__init__(f"There are {limit} uploads already. Try again in {wait_s} seconds.")
        self.wait_s = wait_s


class TooManyWatching(Refusal):
    """Too many requests of the account, or of the server, wait for tasks already."""

    def __init__(self) -> None:
        super().__init__("Too many requests are waiting for tasks. Poll recordInfo instead.")


class RateLimited(Refusal):
    """Requests come faster than the account or the key may send them."""

    def __init__(self, *, limit: int, wait_s: int) -> None:
        super().__init__(
            f"Rate limit reached ({limit} requests per second). "
            "Please slow down, or ask the operator for a higher limit."
        )
        self.limit = limit
        self.wait_s = wait_s


class CapReached(Refusal):
    """The account runs as many tasks as it may."""

    def __init__(self, *, limit: int, current: int) -> None:
        super().__init__(
            f"Concurrency limit reached ({limit}). You have {current} tasks in progress. "
            "Please wait for them to complete, or ask the operator for a higher limit."
        )
        self.limit = limit
        self.current = current


class Unsupported(Refusal):
    """We do not do what is asked for, and say so rather than do something else."""


class StillRunning(Refusal):
    """The answer was to come with the task's end, which takes too long; the task goes on."""

    def __init__(self, task_id: TaskId) -> None:
        super().__init__(f"The task {task_id} is still running. Ask for it by its id.")
        self.task_id = task_id


class LeaseLost(KinetoscopeError):
    """Another worker took the task over; whoever sees this stops quietly."""


class SettingInvalid(KinetoscopeError):
    """A setting cannot be used."""


class DatabaseUnavailable(KinetoscopeError):
    """The database cannot be reached just now."""

    def __init__(self, task_id: TaskId | None = None) -> None:
        super().__init__("Service temporarily unavailable. Please try again later.")
        self.task_id = task_id
        """The task that may have been created nevertheless, where one was asked for."""


class StoreUnavailable(KinetoscopeError):
    """A file cannot be kept or looked into just now, which is no fault of the file's."""


class IntakeFull(KinetoscopeError):
    """As many files are on their way in as may be, of one account or of all."""

    def __init__(self) -> None:
        super().__init__("Too many files are being received. Please try again in a moment.")
