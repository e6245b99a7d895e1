"""Any server that speaks OpenAI's media shapes: vLLM-Omni, SGLang-diffusion, LocalAI and others.

Pictures and speech are made while one waits, clips are asked for again.
vLLM-Omni: https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/
SGLang: https://docs.sglang.ai/diffusion/api/openai_api.html

`[options]` of the provider's file, where a server differs: `video_body = "json"` (SGLang) instead
of a form, and `response_format` for pictures.
"""

from collections.abc import Mapping

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Usage
from kinetoscope.providers import openai_images as images
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Output,
    Reading,
    Site,
    bearer,
    data_uri,
    failed,
    number_at,
    required_text,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.states import State

SPEECH_FORMATS = {"wav": "wav", "mp3": "mp3", "mpeg": "mp3"}
PERCENT = 100


def headers(site: Site) -> Mapping[str, str]:
    """Many need no key."""
    return bearer(site) if site.key else {}


def submit(ask: Ask) -> Call | Refused:
    """One way for each kind of media."""
    match ask.job.order.kind:
        case MediaKind.IMAGE:
            return images.submit(ask)
        case MediaKind.AUDIO:
            return _speech(ask)
        case MediaKind.VIDEO:
            return _video(ask)


def _speech(ask: Ask) -> Call:
    order = ask.job.order
    body: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "input": order.prompt,
        "response_format": SPEECH_FORMATS.get(order.file_format, "wav"),
        **ask.job.options,
    }
    return Call(
        method="POST", url="audio/speech", json=body, timeout_s=600, bytes_max=256 * MEBIBYTE
    )


def _video(ask: Ask) -> Call | Refused:
    order, site = ask.job.order, ask.site
    pictures = [
        attached for attached in ask.attached if attached.fetched.reference.kind is MediaKind.IMAGE
    ]
    if len(pictures) < len(ask.attached) or len(pictures) > 1:
        return Refused(code="500", message="It takes one reference picture.", kind=Kind.UNSUPPORTED)
    wanted: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "prompt": order.prompt,
        "seconds": str(order.duration_s) if order.duration_s else None,
        "size": images.size_of(order) if order.size else None,
        "seed": ask.job.seed,
        **ask.job.options,
    }
    given: dict[str, JSON] = {name: value for name, value in wanted.items() if value is not None}
    if site.options.get("video_body") == "json":
        if pictures:
            given["input_reference"] = data_uri(pictures[0].fetched)
        return Call(method="POST", url="videos", json=given)
    parts = tuple(
        FilePart(
            name="input_reference",
            filename=f"reference.{picture.fetched.media_type.partition('/')[2]}",
            media_type=picture.fetched.media_type,
            source=picture.fetched.path,
        )
        for picture in pictures
    )
    fields = tuple((name, images.as_field(value)) for name, value in given.items())
    return Call(method="POST", url="videos", fields=fields, files=parts)


def accepted(answer: Answer, job: Job) -> Accepted | Reading:
    """A video's id, or the finished files."""
    match job.order.kind:
        case MediaKind.IMAGE:
            return images.read(answer, job)
        case MediaKind.AUDIO:
            return spoken(answer)
        case MediaKind.VIDEO:
            return Accepted(upstream_id=required_text(answer.table(), "id"))


def spoken(answer: Answer) -> Reading:
    """The answer is the file; raises Malformed where it is not said to be one."""
    if not answer.headers.get("content-type", "").startswith("audio/") or not answer.body:
        raise Malformed("The answer is no audio")
    return Reading(word="completed", outputs=(Output(data=answer.body),))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Retrieve a video."""
    del site, job
    return Call(method="GET", url=f"videos/{upstream_id}")


def read(answer: Answer, job: Job) -> Reading:
    """Read a video: queued, in_progress, completed or failed; its bytes have an address."""
    del job
    table = answer.table()
    word = required_text(table, "status")
    percent = number_at(table, "progress")
    failure = None
    if word == "failed":
        code = text_at(table, "error", "code")
        kind = Kind.MODERATION if code in images.MODERATION_CODES else Kind.PERMANENT
        failure = failed(text_at(table, "error", "message"), kind)
    content = Output(url=f"videos/{required_text(table, 'id')}/content", with_key=True)
    return Reading(
        word=word,
        progress=None if percent is None else percent / PERCENT,
        outputs=(content,) if word == "completed" else (),
        failure=failure,
        usage=Usage(),
    )


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Deleting ends a video that is being made. A finished one would be gone."""
    del site, job
    return Call(method="DELETE", url=f"videos/{upstream_id}")


def cancelled(answer: Answer) -> CancelOutcome:
    """`{"deleted": true}`."""
    if not answer.is_fine:
        return CancelOutcome.GOES_ON
    return CancelOutcome.STOPPED if answer.table().get("deleted") is True else CancelOutcome.UNKNOWN


def check(site: Site) -> Call:
    """List the models."""
    del site
    return Call(method="GET", url="models", bytes_max=4 * MEBIBYTE)


OPENAI_MEDIA = Adapter(
    name="openai_media",
    docs="https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/",
    base_url="http://127.0.0.1:8091/v1",
    key_name="openai_media",
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=1.0, delay_s_max=5.0),
    models={},
    needs_key=False,
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=images.refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    cancellable=frozenset({State.WAITING, State.WORKING}),
    check=check,
)
