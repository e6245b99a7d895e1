"""Replicate: any model there, by the names and inputs that its page declares.

https://replicate.com/docs/reference/http

Every model there has inputs of its own. We send those that most of them share; what a model
calls otherwise, the operator's file says: `[models."x".options]` are inputs as they are, and
`rename = { image = "start_image" }` among them gives ours another name.
"""

import re
from collections.abc import Mapping

from kinetoscope.kernel.calling import Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    at,
    bearer,
    failed,
    refusal_by_status,
    required_text,
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

VERSION = re.compile(r"(?:[a-z0-9_.-]+/[a-z0-9_.-]+:)?[0-9a-f]{64}")
PROGRESS = re.compile(r"\b(\d{1,3})%\|")
"""What tqdm prints; the only sign of progress that models give."""
MODERATION_WORDS = ("nsfw", "sensitive", "safety", "content policy", "moderation", "E005")
"""Models answer in their own words; E005 is Replicate's code for flagged input.
https://replicate.com/docs/topics/predictions/error-codes"""
TEMPORARY_WORDS = ("E003", "E004", "E9243")
"""High demand, service unavailable. Same page."""


def submit(ask: Ask) -> Call:
    """`owner/name` for official models, a version's id for all others."""
    model = ask.job.upstream_model
    body: dict[str, JSON] = {"input": inputs_of(ask)}
    if ask.job.callback_url is not None:
        body["webhook"] = ask.job.callback_url
        body["webhook_events_filter"] = ["completed"]
    if VERSION.fullmatch(model):
        return Call(method="POST", url="predictions", json={"version": model, **body})
    return Call(method="POST", url=f"models/{model}/predictions", json=body)


def inputs_of(ask: Ask) -> dict[str, JSON]:
    """Return the inputs, under the names that the operator gave them."""
    order = ask.job.order
    options = dict(ask.job.options)
    rename = options.pop("rename", None)
    inputs: dict[str, JSON] = {"prompt": order.prompt, "seed": ask.job.seed}
    ratio = order.inputs.get("aspectRatio")
    if isinstance(ratio, str) and ":" in ratio:
        inputs["aspect_ratio"] = ratio
    if order.kind is MediaKind.VIDEO and order.duration_s:
        inputs["duration"] = order.duration_s
    if order.kind is MediaKind.VIDEO and order.resolution:
        inputs["resolution"] = order.resolution
    if order.kind is MediaKind.IMAGE and order.count > 1:
        inputs["num_outputs"] = order.count
    inputs |= references_of(ask)
    names = rename if isinstance(rename, dict) else {}
    named = {str(names.get(name, name)): value for name, value in inputs.items()}
    return {name: value for name, value in {**named, **options}.items() if name}


def references_of(ask: Ask) -> dict[str, JSON]:
    """First and last frame have names of their own; other pictures are a list."""
    found: dict[str, JSON] = {}
    pictures: list[JSON] = []
    for attached in ask.attached:
        reference = attached.fetched.reference
        match reference.kind, reference.role:
            case MediaKind.IMAGE, Role.FIRST_FRAME:
                found["image"] = attached.url
            case MediaKind.IMAGE, Role.LAST_FRAME:
                found["last_frame_image"] = attached.url
            case MediaKind.IMAGE, _:
                pictures.append(attached.url)
            case MediaKind.VIDEO, _:
                found["video"] = attached.url
            case MediaKind.AUDIO, _:
                found["audio"] = attached.url
    if pictures:
        found["reference_images"] = pictures
    return found


def accepted(answer: Answer, job: Job) -> Accepted:
    """A prediction, in whatever state."""
    del job
    return Accepted(upstream_id=required_text(answer.table(), "id"))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Get a prediction."""
    del site, job
    return Call(method="GET", url=f"predictions/{upstream_id}")


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
    if any(word.lower() in message.lower() for word in MODERATION_WORDS):
        return Kind.MODERATION
    return Kind.TEMPORARY if any(word in message for word in TEMPORARY_WORDS) else Kind.PERMANENT


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
    return Call(method="POST", url=f"predictions/{upstream_id}/cancel")


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
    models={},
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
)
