"""What every provider is: a way to hand over a job, and what can be learnt about it afterwards.

`tests/providers/conformance.py` is this contract as tests; every provider passes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from kinetoscope.kernel.order import JSON, MediaKind, Order, Reference, Usage


class Idempotency(StrEnum):
    """How a provider lets a submit be repeated safely after an unknown outcome."""

    CLIENT_TOKEN = "client_token"  # noqa: S105 - a word, not a secret
    """Sending the same task id again yields the same job."""
    LOOKUP = "lookup"
    """A job can be found by our task id: after an unknown outcome, ask before sending again."""
    NEITHER = "neither"
    """Never resend: an unknown outcome is cleared up by the upstream's callback, or runs out."""


class Kind(StrEnum):
    """What sort of answer a refusal or a failure is: it decides what is done next."""

    PERMANENT = "permanent"
    """The same request will be answered the same way, here and elsewhere."""
    TEMPORARY = "temporary"
    """The upstream is busy or broken: wait, or go elsewhere."""
    MODERATION = "moderation"
    """The upstream's rules on content forbid it; nobody else is asked."""
    UNSUPPORTED = "unsupported"
    """This upstream cannot make it; another route may."""
    ACCOUNT = "account"
    """It takes nothing from us until our operator mends that: the key, its rights, the funds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How often to ask how a job goes: soon at first, then ever less often.

    A lookup after an unanswered submit can be believed after `find_delay_s`; that an accepted job
    is not known, after `lost_s` of hearing only that. Own engines forget their jobs in a restart.
    """

    delay_s: float
    delay_s_max: float
    find_delay_s: float = 5.0
    lost_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedReference:
    """A reference whose bytes are here: already fetched, inspected and harmless to open.

    Pixels are 0 for audio, milliseconds are 0 for images.
    """

    reference: Reference
    path: Path
    media_type: str
    width: int
    height: int
    duration_ms: int

    @property
    def name(self) -> str:
        """Tell it from the task's others, whichever worker fetches it: `image-1`."""
        return f"{self.reference.kind}-{self.reference.number}"


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

    `references` are here when the job is submitted; when its status is asked, only for providers
    without `polling`, whose jobs live in this process. `prepared` are the addresses that `prepare`
    gave them, in every submit. The upstream knows the model as `upstream_model`; `options` are what
    the operator's route adds. `callback_url` is where the upstream may say that there is news.
    Only the provider of test keys heeds `rehearsal`. A job that `may_wait` should delay no other.
    """

    task_id: str
    order: Order
    seed: int
    references: tuple[FetchedReference, ...]
    folder: Path
    upstream_model: str = ""
    options: Mapping[str, JSON] = field(default_factory=dict)
    prepared: Mapping[str, str] = field(default_factory=dict)
    callback_url: str | None = None
    rehearsal: Rehearsal | None = None
    may_wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A job can be submitted. `addresses` are what its references are called there, by name."""

    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The upstream has the job."""

    upstream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The upstream does not have the job, for certain. `code` and `message` are for the client.

    `retry_after_s` is the upstream's own wish for when to come back.
    """

    code: str
    message: str
    kind: Kind
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows whether the upstream has the job: a timeout is not a verdict."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The upstream was asked for the job, and certainly does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The upstream has the job in its queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """The upstream is at it. `progress` runs from 0 to 1, or is None where it does not tell."""

    progress: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One finished file here. `last_frame` is a still of a video's end, published beside it."""

    path: Path
    kind: MediaKind
    media_type: str
    seed: int
    last_frame: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The job is finished and its files are here. `preview` marks procedural output as such.

    `ai_generated` says whether a trained model made them. Silence counts as yes: what an AI made
    must not pass for something else because an adapter forgot to say so. `cost_usd_micros` is
    what the upstream says it took for the job, in millionths of a dollar; None where it is silent.
    """

    files: tuple[OutputFile, ...]
    usage: Usage
    preview: bool
    ai_generated: bool = True
    cost_usd_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The upstream gave the job up. `code` and `message` are for the client, as `kind` says."""

    code: str
    message: str
    kind: Kind = Kind.PERMANENT
    cost_usd_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The upstream does not know the job (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """No usable answer came: nothing more is known of the job than before."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfetched:
    """The job is done, but its files could not be brought here; or written here (`is_ours`)."""

    reason: str
    is_ours: bool = False
    usage: Usage = field(default_factory=Usage)
    cost_usd_micros: int | None = None


SubmitOutcome = Accepted | Done | Refused | Unknown
"""`Done` from those who make it while one waits."""

FindOutcome = Accepted | Absent | Unknown

Status = Waiting | Working | Done | Failed | Lost | Silent | Unfetched


class CancelOutcome(StrEnum):
    """What became of the wish to stop a job."""

    STOPPED = "stopped"
    """It will never be done, and whoever pays for it pays no more."""
    GOES_ON = "goes_on"
    """It cannot be stopped, or was over already: only its status tells how it ends."""
    UNKNOWN = "unknown"
    """No clear answer came; ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Whether a provider could be used right now, found out without spending anything."""

    works: bool
    says: str


class Provider(Protocol):
    """Who can make media. No method raises for anything that an upstream does."""

    @property
    def name(self) -> str:
        """What routes and tasks call it."""

    @property
    def idempotency(self) -> Idempotency:
        """How a submit may be repeated."""

    @property
    def polling(self) -> Polling | None:
        """How often `status` is asked; None where it waits for news, for a second at most."""

    @property
    def submit_timeout_s(self) -> float:
        """How long after its begin a submit may still reach the upstream, at the most."""

    def answers_at_once(self, job: Job) -> bool:
        """Whether a submit's answer is the result: whoever misses it can ask nobody for it."""

    async def prepare(self, job: Job) -> Prepared | Refused:
        """Bring the upstream what a submit refers to. Makes no job; may be done again."""

    async def submit(self, job: Job) -> SubmitOutcome:
        """Hand the job over under `job.task_id`, once; with what of its references is prepared."""

    async def find(self, job: Job) -> FindOutcome:
        """Look for a job whose submit was not answered. Only asked where there is a LOOKUP."""

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Ask how it goes; when it is done, its files are in `job.folder`."""

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """Ask the upstream to stop. Harmless if the job is over."""

    async def check(self) -> Condition:
        """Find out whether submits could work, without spending anything."""

    async def start(self) -> None:
        """Warm up whatever takes time; called once per worker process."""

    async def stop(self) -> None:
        """Let everything go; called once when the worker process ends."""


Providers = Mapping[str, Provider]
