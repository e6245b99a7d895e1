"""What a hosted upstream's adapter is: its facts, and pure functions from and to its wire shape.

An adapter neither calls anybody nor remembers anything. `hosted` does, the same way for all.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Usage
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Failed,
    FetchedReference,
    FindOutcome,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.signatures import Claim, Signed, no_claim
from kinetoscope.providers.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An upstream as the operator set it up. The key appears in no text made of this."""

    base_url: str
    key: str = field(repr=False)
    options: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A reference, and an address the upstream can read it by: its own upload, or a data URI."""

    fetched: FetchedReference
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Everything a submit is made of."""

    job: Job
    site: Site
    attached: tuple[Attached, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One finished file at the upstream: an address, or the bytes themselves.

    `url` may be relative to the upstream's base. Our key goes along only if it must (`with_key`),
    and only to the upstream's own origin.
    """

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    kind: MediaKind | None = None
    with_key: bool = False
    is_last_frame: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an answer about a job says. `word` is the upstream's own name for its state.

    `failure` explains a word that means failed. A word that means done without outputs is a
    failure too. An upstream may say itself that it drew a preview, or used no AI.
    """

    word: str
    progress: float | None = None
    outputs: tuple[Output, ...] = ()
    failure: Failed | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd_micros: int | None = None
    preview: bool = False
    ai_generated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an upstream wants a file put, and the address it will have then."""

    put: Call
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One upstream.

    Without `polling` every submit is answered with the finished files, and `status` is never
    called. Functions that read raise Malformed for what the upstream's page does not allow for.
    `refusals` are statuses in the 500s that the upstream documents as not having taken the job;
    any other leaves the outcome of a submit open. The key called `key_name` opens it, unless the
    operator names another.
    """

    name: str
    docs: str
    base_url: str
    key_name: str
    idempotency: Idempotency
    polling: Polling | None
    models: Mapping[str, str]
    """Ours to theirs, where they offer the same."""

    headers: Callable[[Site], Mapping[str, str]]
    """Who we are."""
    submit: Callable[[Ask], Call | Refused]
    refusal: Callable[[Answer], Refused]
    """What an answer in the 400s to a submit means."""
    accepted: Callable[[Answer, Job], "Accepted | Refused | Reading"]
    """Reads an answer in the 200s to a submit: the job's id there, or the finished files."""
    read: Callable[[Answer, Job], Reading]
    """Reads an answer in the 200s to a status or a result."""
    check: Callable[[Site], Call]
    """Something that needs the key and costs nothing."""

    status: Callable[[Site, str, Job], Call] | None = None
    result: Callable[[Site, str, Job], Call] | None = None
    """Where the outputs of a finished job are, if its status does not say; `read` reads it."""
    find: Callable[[Site, Job], Call] | None = None
    found: Callable[[Answer, Job], FindOutcome] | None = None
    cancel: Callable[[Site, str, Job], Call] | None = None
    cancelled: Callable[[Answer], CancelOutcome] | None = None
    """Reads any answer to a cancel, errors included."""
    needs_key: bool = True
    cancellable: frozenset[State] | None = None
    """The states in which a cancel may be sent, as where it deletes a finished job; None: any."""
    upload: Callable[[Site, FetchedReference], Call] | None = None
    uploaded: Callable[[Answer, FetchedReference], str | Place] | None = None
    """Reads an answer in the 200s to an upload: the file's address, or where to put it first."""
    upload_url: str = ""
    """Where uploads go, if not to `base_url`, unless the operator's `upload_url` says otherwise."""
    checked: Callable[[Answer], str | None] | None = None
    """Finds fault with an answer in the 200s to a check."""
    knows_the_key: frozenset[int] = frozenset()
    """Statuses other than the 200s that a check gets only with a good key."""
    claim: Claim = no_claim
    """Finds the upstream's id for the job in what it sends to a callback address."""
    signed: Signed | None = None
    """Whether that bears the upstream's signature; None where no secret of ours can tell."""
    refusals: frozenset[int] = frozenset()
    submit_timeout_s: float = 60.0
    """No submit's `timeout_s` is longer."""
    at_once: Callable[[Job], bool] | None = None
    """Whether a submit's answer is the result; None: without `polling` always, with it never."""


REFUSED_WORDS = {
    Kind.PERMANENT: "The provider refused the request.",
    Kind.TEMPORARY: "The provider is busy. Please try again later.",
    Kind.MODERATION: "The content was refused by the provider's moderation.",
    Kind.UNSUPPORTED: "The provider cannot make this.",
    Kind.ACCOUNT: "The provider takes nothing from this account.",
}

CODES = {
    Kind.PERMANENT: "InvalidParameter",
    Kind.TEMPORARY: "500",
    Kind.MODERATION: "2038",
    Kind.UNSUPPORTED: "500",
    Kind.ACCOUNT: "500",
}
"""The contract's codes: https://kinovi.ai/docs/common/error-handling"""

KINDS_BY_STATUS = {
    400: Kind.PERMANENT,
    413: Kind.PERMANENT,
    422: Kind.PERMANENT,
    401: Kind.ACCOUNT,
    402: Kind.ACCOUNT,
    403: Kind.ACCOUNT,
    404: Kind.UNSUPPORTED,
    405: Kind.UNSUPPORTED,
    409: Kind.TEMPORARY,
    425: Kind.TEMPORARY,
    429: Kind.TEMPORARY,
    503: Kind.TEMPORARY,
}
"""A bad key or no funds are mended there, in time; for an unknown model another route may do."""


def refusal_by_status(answer: Answer, message: str = "", kind: Kind | None = None) -> Refused:
    """Return the refusal that a status stands for, unless the adapter knows better."""
    known = kind or KINDS_BY_STATUS.get(answer.status, Kind.PERMANENT)
    return Refused(
        code=CODES[known],
        message=(message or REFUSED_WORDS[known])[:500],
        kind=known,
        retry_after_s=retry_after_s(answer),
    )


def failed(message: str = "", kind: Kind = Kind.PERMANENT, code: str = "") -> Failed:
    """Return the failure of a job that the upstream had accepted."""
    fallback = (
        REFUSED_WORDS[kind] if kind is Kind.MODERATION else "Generation failed. Please try again."
    )
    codes = {Kind.MODERATION: CODES[kind], Kind.PERMANENT: "500"}
    return Failed(
        code=code or codes.get(kind, "500"), message=(message or fallback)[:500], kind=kind
    )


def retry_after_s(answer: Answer) -> float | None:
    """Read Retry-After in seconds; dates are left to our own backoff."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), 600.0) if text.isdigit() else None


def segment(name: str) -> str:
    """Return an upstream's id as one part of a path; raises Malformed where it can be none."""
    if name in {"", ".", ".."}:
        raise Malformed("The upstream's id is none")
    return quote(name, safe="")


def bearer(site: Site) -> Mapping[str, str]:
    """Return the usual header."""
    return {"Authorization": f"Bearer {site.key}"}


def text_at(value: JSON | Mapping[str, JSON], *path: str) -> str:
    """Return the text at a path of names, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number_at(value: JSON | Mapping[str, JSON], *path: str) -> float | None:
    """Return the number at a path of names."""
    found = at(value, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def at(value: JSON | Mapping[str, JSON], *path: str) -> JSON:
    """Return what lies at a path of names; None where nothing does."""
    found: JSON = value if isinstance(value, dict) else None
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def items_at(value: JSON | Mapping[str, JSON], *path: str) -> list[JSON]:
    """Return the list at a path of names, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def required_text(value: JSON | Mapping[str, JSON], *path: str) -> str:
    """Return the text at a path; raises Malformed where there is none."""
    text = text_at(value, *path)
    if not text:
        raise Malformed(f"The answer has no {'.'.join(path)}")
    return text


def from_base64(text: str) -> bytes:
    """Decode; raises Malformed."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("The answer's base64 cannot be decoded") from None


def data_uri(fetched: FetchedReference) -> str:
    """Return a reference's bytes as an address."""
    encoded = base64.b64encode(fetched.path.read_bytes()).decode("ascii")
    return f"data:{fetched.media_type};base64,{encoded}"
