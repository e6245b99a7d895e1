"""Replicate: any model there, by the names and inputs that its page declares.

https://replicate.com/docs/reference/http

Every model there has inputs of its own. We send those that most of them share; what a model
calls otherwise, the operator's file says: `[models."x".options]` are inputs as they are, and
`rename = { image = "start_image" }` among them gives ours another name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kinetoscope.kernel.calling import Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Attached,
    Output,
    Reading,
    Site,
    at,
    bearer,
    failed,
    refusal_by_status,
    required_text,
    segment,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    FetchedReference,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.signatures import standard

VERSION = re.compile(r"(?:[a-z0-9_.-]+/[a-z0-9_.-]+:)?[0-9a-f]{64}")
PROGRESS = re.compile(r"\b(\d{1,3})%\|")
"""What tqdm prints; the only sign of progress that models give."""
FRAMES = {Role.FIRST_FRAME: "image", Role.LAST_FRAME: "last_frame_image"}
MODERATION = re.compile(
    r"\bE005\b|flagged as sensitive|\bnsfw\b|content policy|moderation|safety (?:checker|filter)",
    re.IGNORECASE,
)
"""Models answer in words of their own. The official ones add a code: "The input or output was
flagged as sensitive. Please try again with different inputs. (E005)"."""
TEMPORARY = re.compile(r"\bE(?:003|004|1000|6716|9243)\b|\(code: PA\)")
"""E003 and E004 are official models' high demand and unavailability; E1000, E6716 and E9243 are
Replicate's own: https://replicate.com/docs/reference/error-codes; PA is an interrupted prediction.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the page of a model says of its inputs, beyond the usual."""

    resolutions: frozenset[str] = frozenset()
    references: Mapping[MediaKind, str] = field(default_factory=dict)
    """Lists of what is no frame."""
    has_audio: bool = False
    follows: str = ""
    """The aspect ratio that means the shape of what goes in."""


SEEDANCE = Family(
    resolutions=frozenset({"480p", "720p", "1080p"}),
    references={
        MediaKind.IMAGE: "reference_images",
        MediaKind.VIDEO: "reference_videos",
        MediaKind.AUDIO: "reference_audios",
    },
    has_audio=True,
    follows="adaptive",
)
"""https://replicate.com/bytedance/seedance-2.0/api/schema"""
FAMILIES = {
    "bytedance/seedance-2.0": SEEDANCE,
    "bytedance/seedance-2.0-fast": replace(SEEDANCE, resolutions=frozenset({"480p", "720p"})),
}
OTHER = Family(references={MediaKind.IMAGE: "reference_images"})


def submit(ask: Ask) -> Call | Refused:
    """`owner/name` for official models, a version's id for others, or `deployments/owner/name`."""
    model = ask.job.upstream_model
    inputs = inputs_of(ask)
    if isinstance(inputs, Refused):
        return inputs
    body: dict[str, JSON] = {"input": inputs}
    if ask.job.callback_url is not None:
        body["webhook"] = ask.job.callback_url
        body["webhook_events_filter"] = ["completed"]
    if VERSION.fullmatch(model):
        return Call(method="POST", url="predictions", json={"version": model, **body})
    path = model if model.startswith("deployments/") else f"models/{model}"
    return Call(method="POST", url=f"{path}/predictions", json=body)


def inputs_of(ask: Ask) -> dict[str, JSON] | Refused:
    """Return the inputs, under the names that the operator gave them."""
    order = ask.job.order
    family = FAMILIES.get(ask.job.upstream_model, OTHER)
    if family.resolutions and order.resolution not in family.resolutions:
        return _unsupported(f"It makes nothing in {order.resolution}.")
    options = dict(ask.job.options)
    rename = options.pop("rename", None)
    ratio = order.inputs.get("aspectRatio")
    inputs: dict[str, JSON] = {
        "prompt": order.prompt,
        "seed": ask.job.seed,
        "aspect_ratio": ratio if isinstance(ratio, str) and ":" in ratio else None,
    }
    if order.size is None and family.follows:
        inputs["aspect_ratio"] = family.follows
    if order.kind is MediaKind.VIDEO:
        inputs["duration"] = order.duration_s or None
        inputs["resolution"] = order.resolution or None
        inputs["generate_audio"] = order.audio if family.has_audio else None
    if order.kind is MediaKind.IMAGE and order.count > 1:
        inputs["num_outputs"] = order.count
    references = references_of(ask.attached, family)
    if isinstance(references, Refused):
        return references
    names = rename if isinstance(rename, dict) else {}
    given = {name: value for name, value in {**inputs, **references}.items() if value is not None}
    named = {str(names.get(name, name)): value for name, value in given.items()}
    return {name: value for name, value in {**named, **options}.items() if name}


def references_of(attached: tuple[Attached, ...], family: Family) -> Mapping[str, JSON] | Refused:
    """First and last frame have names of their own; the rest is lists, or one of its kind."""
    found: dict[str, JSON] = {}
    lists: dict[str, list[JSON]] = {}
    for each in attached:
        reference = each.fetched.reference
        if reference.role in FRAMES:
            found[FRAMES[reference.role]] = each.url
        elif reference.kind in family.references:
            lists.setdefault(family.references[reference.kind], []).append(each.url)
        elif str(reference.kind) in found:
            return _unsupported(f"It takes one {reference.kind} only.")
        else:
            found[str(reference.kind)] = each.url
    return {**found, **lists}


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def accepted(answer: Answer, job: Job) -> Accepted:
    """A prediction, in whatever state."""
    del job
    return Accepted(upstream_id=required_text(answer.table(), "id"))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Get a prediction."""
    del site, job
    return Call(method="GET", url=f"predictions/{segment(upstream_id)}")


def read(answer: Answer, job: Job) -> Reading:
    """`starting`, `processing`, `succeeded`, `failed`, `canceled`, `aborted`.

    Outputs are deleted after an hour; the output is an address, a list, or a table of them.
    """
    del job
    table = answer.table()
    word = required_text(table, "status")
    failure = None
    if word in {"failed", "canceled", "aborted"}:
        message = text_at(table, "error") or f"The prediction was {word}."
        failure = failed(message, kind_of(message))
    return Reading(
        word=word,
        progress=_progress(text_at(table, "logs")),
        outputs=tuple(Output(url=url) for url in _urls(at(table, "output"))),
        failure=failure,
    )


def kind_of(message: str) -> Kind:
    """Tell moderation and passing trouble by the words of an error."""
    if MODERATION.search(message):
        return Kind.MODERATION
    return Kind.TEMPORARY if TEMPORARY.search(message) else Kind.PERMANENT


def _progress(logs: str) -> float | None:
    percents = PROGRESS.findall(logs)
    return min(int(percents[-1]), 100) / 100 if percents else None


def _urls(output: JSON) -> list[str]:
    match output:
        case str() if output.startswith(("https://", "http://", "data:")):
            return [output]
        case list():
            return [url for item in output for url in _urls(item)]
        case dict():
            return [url for item in output.values() for url in _urls(item)]
        case _:
            return []


def refusal(answer: Answer) -> Refused:
    """RFC 7807: `{"title", "detail", "status"}`."""
    try:
        detail = text_at(answer.table(), "detail")
    except Malformed:
        detail = ""
    kind = Kind.MODERATION if kind_of(detail) is Kind.MODERATION else None
    return refusal_by_status(answer, detail, kind)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Cancel a prediction; what it ran so far is billed."""
    del site, job
    return Call(method="POST", url=f"predictions/{segment(upstream_id)}/cancel")


def cancelled(answer: Answer) -> CancelOutcome:
    """The prediction as it is now."""
    if not answer.is_fine:
        return CancelOutcome.GOES_ON
    word = text_at(answer.table(), "status")
    if word in {"canceled", "aborted"}:
        return CancelOutcome.STOPPED
    return CancelOutcome.GOES_ON if word in {"succeeded", "failed"} else CancelOutcome.UNKNOWN


def upload(site: Site, fetched: FetchedReference) -> Call:
    """https://replicate.com/docs/reference/http#files.create."""
    del site
    reference = fetched.reference
    part = FilePart(
        name="content",
        filename=f"{reference.kind}-{reference.number}",
        media_type=fetched.media_type,
        source=fetched.path,
    )
    return Call(method="POST", url="files", files=(part,), timeout_s=300)


def uploaded(answer: Answer, fetched: FetchedReference) -> str:
    """Predictions of the same account can read it there."""
    del fetched
    return required_text(answer.table(), "urls", "get")


def check(site: Site) -> Call:
    """Whose key it is."""
    del site
    return Call(method="GET", url="account")


def claim(body: Mapping[str, JSON]) -> str | None:
    """A webhook's body is the prediction."""
    return text_at(body, "id") or None


REPLICATE = Adapter(
    name="replicate",
    docs="https://replicate.com/docs/reference/http",
    base_url="https://api.replicate.com/v1",
    key_name="replicate",
    # No idempotency is documented; predictions can be listed, but bear no mark of ours.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=1.0, delay_s_max=10.0),
    models={
        "seedance-20": "bytedance/seedance-2.0",
        "seedance2-fast": "bytedance/seedance-2.0-fast",
    },
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    upload=upload,
    uploaded=uploaded,
    check=check,
    claim=claim,
    signed=standard,
)
