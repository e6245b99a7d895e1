"""What every provider is: a way to hand over a job, and three answers about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from kinetoscope.kernel.order import MediaKind, Order, Reference, Usage


class Idempotency(StrEnum):
    """How a provider lets a submit be repeated safely after an unknown outcome."""

    CLIENT_TOKEN = "client_token"  # noqa: S105 - a word, not a secret
    """Sending the same task id again yields the same job."""
    LOOKUP = "lookup"
    """A job can be found by our task id."""
    NEITHER = "neither"
    """Never resend: an unknown outcome is reconciled by hand or runs out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedReference:
    """A reference whose bytes are here: already fetched, inspected and harmless to open.

    Pixels are 0 for audio, milliseconds are 0 for images.
    """

    reference: Reference
    path: Path
    width: int
    height: int
    duration_ms: int


class Rehearsal(StrEnum):
    """How a test key wants its task to go, instead of well."""

    MODERATION = "moderation"
    FACE = "face"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    SLOW = "slow"
    DUPLICATE_WEBHOOK = "duplicate_webhook"
    WEBHOOK_DOWN = "webhook_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a provider gets: one order under one task id, with a folder of its own for files.

    Only the provider of test keys heeds `rehearsal`. A job that `may_wait` should delay no other.
    """

    task_id: str
    order: Order
    seed: int
    references: tuple[FetchedReference, ...]
    folder: Path
    rehearsal: Rehearsal | None = None
    may_wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The upstream has the job."""

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The upstream does not have the job, for certain. `temporary` says whether to try again."""

    code: str
    message: str
    temporary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows whether the upstream has the job: a timeout is not a verdict."""

    reason: str


SubmitOutcome = Accepted | Refused | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The upstream has the job in its queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """The upstream is at it. `progress` runs from 0 to 1, or is None where it does not tell."""

    progress: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One finished file on this machine.

    `last_frame` is a still of a video's last frame, published beside it.
    """

    path: Path
    kind: MediaKind
    media_type: str
    seed: int
    last_frame: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The job is finished and its files are here. `preview` marks procedural output as such.

    `ai_generated` says whether a trained model made them. Silence counts as yes: what an AI made
    must not pass for something else because an adapter forgot to say so.
    """

    files: tuple[OutputFile, ...]
    usage: Usage
    preview: bool
    ai_generated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The upstream gave the job up. `code` and `message` are shown to the client."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The upstream does not know the job (any more)."""


Status = Waiting | Working | Done | Failed | Lost


class Provider(Protocol):
    """Who can make media."""

    name: str
    idempotency: Idempotency
    poll_delay_s: float

    async def submit(self, job: Job) -> SubmitOutcome:
        """Hand the job over under `job.task_id`. Never raises for what the upstream does."""
        ...

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Ask how it goes, waiting up to `poll_delay_s` for news; files are in `job.folder`."""
        ...

    async def cancel(self, upstream_id: str) -> None:
        """Ask the upstream to stop, as far as it can. Harmless if the job is over."""
        ...

    async def start(self) -> None:
        """Warm up whatever takes time; called once per worker process."""
        ...

    async def stop(self) -> None:
        """Let everything go; called once when the worker process ends."""
        ...


Providers = Mapping[str, Provider]
