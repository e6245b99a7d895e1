"""Kinovi as an upstream, and any other Kinetoscope: both speak the contract that we serve.

https://kinovi.ai/docs/common/reference/create-task, https://github.com/kinovi-ai/kinovi-models.
A Kinetoscope knows Idempotency-Key (docs/api.md), so a submit can be repeated, and signs callbacks.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Attached,
    Output,
    Place,
    Reading,
    Site,
    at,
    bearer,
    failed,
    items_at,
    number_at,
    refusal_by_status,
    required_text,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Failed,
    FetchedReference,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.signatures import standard

MODERATION_CODES = frozenset({"2038", "4011", "asset_review_failed", "banned_prompt_words"})
"""https://kinovi.ai/docs/common/error-handling, and the models' pages."""
MODERATION = re.compile(
    r"moderation|platform rules|violat|sensitive|copyright|facedetection|image filter|\breview\b",
    re.IGNORECASE,
)
TEMPORARY = re.compile(r"temporar|unavailable|capacity|try again", re.IGNORECASE)
"""500 and 1001 stand for anything: "Your content was blocked by moderation", "FaceDetectionSuspect"
or a failed review; "Service temporarily unavailable. Please try again later." or no capacity."""
MISMATCH = 422
ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
}


def submit(ask: Ask) -> Call:
    """The inputs go on as they came, with our seed, and references by their new addresses.

    "Unknown inputs are ignored", so that a seed does no harm to models that have none:
    https://github.com/kinovi-ai/kinovi-models (seedance-20).
    """
    inputs: dict[str, JSON] = {
        **dict(_placed(ask.job.order.inputs, ask.attached)),
        "seed": ask.job.seed,
        **ask.job.options,
    }
    body: dict[str, JSON] = {"model": ask.job.upstream_model, "inputs": inputs}
    if ask.job.callback_url is not None:
        body["callBackUrl"] = ask.job.callback_url
    return Call(method="POST", url="jobs/createTask", json=body)


def _placed(
    inputs: Mapping[str, JSON], attached: tuple[Attached, ...]
) -> Iterator[tuple[str, JSON]]:
    """Media are the only lists; the new addresses keep the old ones' names and places.

    What was not attached, as a picture beyond the two frames, is left out.
    """
    new_urls = {each.fetched.reference.url: each.url for each in attached}
    for name, value in inputs.items():
        if not isinstance(value, list):
            yield name, value
            continue
        urls: list[JSON] = [
            new_urls[url] for url in value if isinstance(url, str) and url in new_urls
        ]
        if urls:
            yield name, urls


def submit_once(ask: Ask) -> Call:
    """The same, under our task's id: an equal request is the same task there."""
    return replace(submit(ask), headers={"Idempotency-Key": ask.job.task_id})


def accepted(answer: Answer, job: Job) -> Accepted:
    """`{"taskId"}`."""
    del job
    return Accepted(upstream_id=required_text(answer.table(), "taskId"))


def refusal(answer: Answer) -> Refused:
    """`{"message", "errors"}`; the operator's credits there are no affair of the client's."""
    try:
        table = answer.table()
    except Malformed:
        table = {}
    message = text_at(table, "message")
    problems = [
        f"{'.'.join(map(str, items_at(issue, 'path')))}: {text_at(issue, 'message')}"
        for issue in items_at(table, "errors")
    ]
    refused = refusal_by_status(answer, " ".join([message, *problems]))
    if refused.kind is Kind.UNSUPPORTED or message == "Unknown model":
        return refusal_by_status(answer, kind=Kind.UNSUPPORTED)
    if refused.kind is Kind.ACCOUNT:
        return refusal_by_status(answer)
    return refused


def refusal_of_repeat(answer: Answer) -> Refused:
    """The same, but a name that came with another body is no refusal of the task it made.

    We say the same each time; whatever made the difference, the task is being made.
    """
    if answer.status == MISMATCH:
        return refusal_by_status(answer, kind=Kind.TEMPORARY)
    return refusal(answer)


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Ask for its record."""
    del site, job
    return Call(method="GET", url="jobs/recordInfo", query=(("taskId", upstream_id),))


def read(answer: Answer, _job: Job) -> Reading:
    """Read a task; older servers call its status `state`."""
    table = answer.table()
    word = text_at(table, "status") or required_text(table, "state")
    percent = number_at(table, "progress")
    outputs: list[Output] = []
    for item in items_at(table, "output"):
        outputs.append(Output(url=required_text(item, "url")))
        last_frame = text_at(item, "lastFrameImage")
        if last_frame:
            outputs.append(Output(url=last_frame, is_last_frame=True))
    return Reading(
        word=word,
        progress=None if percent is None else percent / 100,
        outputs=tuple(outputs),
        failure=_failure(at(table, "error")) if word == "fail" else None,
        preview=table.get("preview") is True,
        ai_generated=table.get("aiGenerated") is not False,
    )


def _failure(error: JSON) -> Failed:
    """`{"code", "message"}`; of older servers a text alone."""
    code = text_at(error, "code")
    message = error if isinstance(error, str) else text_at(error, "message")
    if code in MODERATION_CODES or MODERATION.search(message):
        return failed(message, Kind.MODERATION, code if code in MODERATION_CODES else "")
    passes = code != "InvalidParameter" and TEMPORARY.search(message)
    return failed(message, Kind.TEMPORARY if passes else Kind.PERMANENT, code)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Only a Kinetoscope can: docs/api.md."""
    del site, job
    return Call(method="POST", url="jobs/cancelTask", json={"taskId": upstream_id})


def cancelled(answer: Answer) -> CancelOutcome:
    """`cancelled` where it ended at once; what was only asked for may still be done."""
    if not answer.is_fine:
        return CancelOutcome.GOES_ON
    done = at(answer.table(), "cancelled") is True
    requested = at(answer.table(), "cancelRequested") is True
    if done:
        return CancelOutcome.STOPPED
    return CancelOutcome.UNKNOWN if requested else CancelOutcome.GOES_ON


def upload(site: Site, fetched: FetchedReference) -> Call:
    """Ask for a place."""
    del site
    reference = fetched.reference
    name = f"{reference.kind}-{reference.number}.{ENDINGS.get(fetched.media_type, 'bin')}"
    return Call(method="POST", url="uploads", json={"fileName": name})


def uploaded(answer: Answer, fetched: FetchedReference) -> Place:
    """`{"uploadUrl", "url", "contentType"}`."""
    table = answer.table()
    put = Call(
        method="PUT",
        url=required_text(table, "uploadUrl"),
        headers={"Content-Type": text_at(table, "contentType") or fetched.media_type},
        content=fetched.path,
        timeout_s=300,
    )
    return Place(put=put, url=required_text(table, "url"))


def check(site: Site) -> Call:
    """Ask for a task that cannot be: a good key gets a 400 or 404, a bad one a 401."""
    del site
    return Call(method="GET", url="jobs/recordInfo", query=(("taskId", f"task_{'0' * 24}"),))


def check_account(site: Site) -> Call:
    """Look at the account."""
    del site
    return Call(method="GET", url="account")


def claim(body: Mapping[str, JSON]) -> str | None:
    """The envelope of a callback, or the flat form of older servers."""
    return text_at(body, "data", "taskId") or text_at(body, "taskId") or None


KINOVI = Adapter(
    name="kinovi",
    docs="https://kinovi.ai/docs/common/reference/create-task",
    base_url="https://kinovi.ai/api/v1",
    key_name="kinovi",
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=3.0, delay_s_max=15.0),
    models={
        name: name
        for name in (
            "seedance-20",
            "seedance2-fast",
            "seedance2.0-mini",
            "seedance2-5",
            "seedance2-5-edit",
            "seedance2-5-extend",
            "seedream-5.0-pro",
            "gpt-image-2",
            "gpt-image-2.5-sunburst",
            "gpt-image-2.5-flare",
            "midjourney-v8",
            "midjourney-v7",
            "midjourney-v7-niji",
            "nanobanana2",
            "nanobanana-pro",
            "wan3.0-text-to-video",
            "wan3.0-image-to-video",
            "wan3.0-ref-to-video",
            "wan3.0-prime-text-to-video",
            "wan3.0-prime-image-to-video",
            "wan3.0-prime-ref-to-video",
        )
    },
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    upload=upload,
    uploaded=uploaded,
    check=check,
    knows_the_key=frozenset({200, 400, 404}),
    claim=claim,
)

KINETOSCOPE = replace(
    KINOVI,
    name="kinetoscope",
    docs="docs/api.md",
    base_url="http://127.0.0.1:8000/api/v1",
    key_name="kinetoscope",
    idempotency=Idempotency.CLIENT_TOKEN,
    submit=submit_once,
    refusal=refusal_of_repeat,
    # A 503 may come after the task was written: nobody knows, and repeating it is safe.
    refusals=frozenset(),
    cancel=cancel,
    cancelled=cancelled,
    check=check_account,
    knows_the_key=frozenset(),
    signed=standard,
)
