"""Any server that speaks OpenAI's media shapes: vLLM-Omni, SGLang-diffusion, LocalAI and others.

Pictures and speech are made while one waits, clips are asked for again.
vLLM-Omni: https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/
SGLang: https://docs.sglang.io/diffusion/api/openai_api.html
LocalAI: https://localai.io/features/image-generation/

`[options]` of the provider's file, where a server differs: `video_body = "json"` (SGLang) instead
of a form, and `response_format = "url"` for pictures.
"""

from collections.abc import Mapping

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role
from kinetoscope.providers import openai_images as images
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Attached,
    Output,
    Reading,
    Site,
    bearer,
    failed,
    number_at,
    required_text,
    segment,
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
from kinetoscope.providers.sizes import size_of
from kinetoscope.providers.states import State, state_of

SPEECH_FORMATS = {"wav": "wav", "mp3": "mp3", "mpeg": "mp3"}
SPEECH_TYPES = ("audio/", "application/octet-stream")
SPEECH_TIMEOUT_S = 600.0
SPEECH_BYTES_MAX = 256 * MEBIBYTE
PERCENT = 100
INPUT_ROLES = frozenset({Role.FIRST_FRAME, Role.REFERENCE})


def headers(site: Site) -> Mapping[str, str]:
    """Many need no key."""
    return bearer(site) if site.key else {}


def submit(ask: Ask) -> Call | Refused:
    """One way for each kind of media."""
    match ask.job.order.kind:
        case MediaKind.IMAGE:
            return _picture(ask)
        case MediaKind.AUDIO:
            return _speech(ask)
        case MediaKind.VIDEO:
            return _video(ask)


def _picture(ask: Ask) -> Call | Refused:
    """Ask for pictures as bytes: SGLang has addresses only with a store, and LocalAI by default.

    None of them takes `auto` for a size: vLLM-Omni refuses it, LocalAI makes 512x512 of it.
    https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/image_generation_api/
    """
    if (refused := images.unfit(ask)) is not None:
        return refused
    here = {
        "size": _size(ask.job.order, ask.job.references),
        "seed": ask.job.seed,
        "response_format": ask.site.options.get("response_format", "b64_json"),
    }
    return images.call(ask, {**images.wishes(ask), **here})


def _speech(ask: Ask) -> Call | Refused:
    """Have a text read out; the operator names the voice.

    https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/speech_api/
    """
    order = ask.job.order
    if ask.attached or order.count > 1:
        return images.unsupported("It speaks one text, and listens to nothing.")
    body: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "input": order.prompt,
        "response_format": SPEECH_FORMATS.get(order.file_format, "wav"),
        **ask.job.options,
    }
    return Call(
        method="POST",
        url="audio/speech",
        json=body,
        timeout_s=SPEECH_TIMEOUT_S,
        bytes_max=SPEECH_BYTES_MAX,
    )


def _video(ask: Ask) -> Call | Refused:
    """A form, with the picture as a file, or JSON, with the picture in its address.

    https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/videos_api/
    SGLang takes `input_reference` in JSON for a path on its own disk; `reference_url` is its name
    for what it has to read.
    """
    order = ask.job.order
    if order.count > 1:
        return images.unsupported("It makes one clip.")
    if len(ask.attached) > 1 or not all(_is_input(attached) for attached in ask.attached):
        return images.unsupported("It takes one picture, to begin with or to go by.")
    wanted: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "prompt": order.prompt,
        "seconds": str(order.duration_s) if order.duration_s else None,
        "size": _size(order, ask.job.references),
        "seed": ask.job.seed,
        **ask.job.options,
    }
    given: dict[str, JSON] = {name: value for name, value in wanted.items() if value is not None}
    if ask.site.options.get("video_body") == "json":
        if ask.attached:
            given["reference_url"] = ask.attached[0].url
        return Call(method="POST", url="videos", json=given)
    return Call(
        method="POST",
        url="videos",
        fields=images.fields(given),
        files=tuple(images.file_part("input_reference", each) for each in ask.attached),
    )


def _is_input(attached: Attached) -> bool:
    reference = attached.fetched.reference
    return reference.kind is MediaKind.IMAGE and reference.role in INPUT_ROLES


def _size(order: Order, references: tuple[FetchedReference, ...]) -> str | None:
    size = size_of(order, references)
    return None if size is None else f"{size.width}x{size.height}"


def accepted(answer: Answer, job: Job) -> Accepted | Reading:
    """Read a video's id, or the finished files."""
    match job.order.kind:
        case MediaKind.IMAGE:
            return images.read(answer, job)
        case MediaKind.AUDIO:
            return spoken(answer)
        case MediaKind.VIDEO:
            return Accepted(upstream_id=required_text(answer.table(), "id"))


def spoken(answer: Answer) -> Reading:
    """Take the answer for the file; raises Malformed where it is not said to be one.

    https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/speech_api/
    """
    media_type = answer.headers.get("content-type", "")
    if not media_type.startswith(SPEECH_TYPES) or not answer.body:
        raise Malformed("The answer is no audio")
    return Reading(word="completed", outputs=(Output(data=answer.body),))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Retrieve a video."""
    del site, job
    return Call(method="GET", url=_of_video(upstream_id))


def _of_video(upstream_id: str) -> str:
    return f"videos/{segment(upstream_id)}"


def read(answer: Answer, job: Job) -> Reading:
    """Read a video: queued, in_progress, completed or failed; its bytes have an address.

    SGLang names another where it has put them into a store.
    https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/videos_api/
    """
    del job
    table = answer.table()
    word = required_text(table, "status")
    percent = number_at(table, "progress")
    stored = text_at(table, "url")
    url = stored or f"{_of_video(required_text(table, 'id'))}/content"
    state = state_of(word)
    return Reading(
        word=word,
        progress=None if percent is None else min(max(percent / PERCENT, 0.0), 1.0),
        outputs=(Output(url=url, with_key=True),) if state is State.DONE else (),
        failure=_failure(table) if state is State.FAILED else None,
    )


def _failure(table: Mapping[str, JSON]) -> Failed:
    code = text_at(table, "error", "code")
    kind = Kind.MODERATION if code in images.MODERATION_CODES else Kind.PERMANENT
    return failed(text_at(table, "error", "message") or text_at(table, "error"), kind)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Delete a video: it ends one that is being made. A finished one would be gone."""
    del site, job
    return Call(method="DELETE", url=_of_video(upstream_id))


def cancelled(answer: Answer) -> CancelOutcome:
    """Read `{"deleted": true}`; SGLang shows the video instead, with the status `deleted`.

    https://docs.vllm.ai/projects/vllm-omni/en/latest/serving/videos_api/
    """
    if not answer.is_fine:
        return CancelOutcome.GOES_ON
    table = answer.table()
    is_gone = table.get("deleted") is True or text_at(table, "status") == "deleted"
    return CancelOutcome.STOPPED if is_gone else CancelOutcome.UNKNOWN


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
    submit_timeout_s=max(SPEECH_TIMEOUT_S, images.IMAGES_TIMEOUT_S),
    at_once=lambda job: job.order.kind is not MediaKind.VIDEO,
    polling=Polling(delay_s=1.0, delay_s_max=5.0, lost_s=30.0),
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
