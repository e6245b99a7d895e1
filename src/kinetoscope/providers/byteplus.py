"""BytePlus ModelArk: Seedance video and Seedream pictures. Volcengine Ark speaks the same.

https://docs.byteplus.com/en/docs/ModelArk/1520757 (create), /1521309 (retrieve), /1541523 (images)
"""

from collections.abc import Mapping
from dataclasses import replace

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role, Usage
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
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)
from kinetoscope.providers.states import State

TASKS = "contents/generations/tasks"
MODERATION_WORDS = ("SensitiveContent", "PolicyViolation", "RiskDetection", "Copyright")
"""Parts of error codes: InputImageSensitiveContentDetected, OutputAudioSensitiveContentDetected …
https://docs.byteplus.com/en/docs/ModelArk/1299023"""
UNSUPPORTED_CODES = frozenset(
    {
        "AuthenticationError",  # a bad or missing key
        "AccountOverdueError",  # no funds
        "ModelNotOpen",  # the account has not activated the model
        "InvalidEndpointOrModel.NotFound",
        "AccessDenied",
        "OperationDenied",
    }
)
FRAME_ROLES = {Role.FIRST_FRAME: "first_frame", Role.LAST_FRAME: "last_frame"}
FIELD_OF_KIND = {
    MediaKind.IMAGE: "image_url",
    MediaKind.VIDEO: "video_url",
    MediaKind.AUDIO: "audio_url",
}


def submit(ask: Ask) -> Call:
    """Pictures are made while one waits, clips are not."""
    return _images(ask) if ask.job.order.kind is MediaKind.IMAGE else _video(ask)


def _video(ask: Ask) -> Call:
    order = ask.job.order
    body: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "content": [{"type": "text", "text": order.prompt}, *map(_content, ask.attached)],
        "resolution": order.resolution or None,
        "ratio": order.inputs.get("aspectRatio"),
        "duration": order.duration_s or None,
        "generate_audio": order.audio,
        "seed": ask.job.seed,
        "watermark": False,
        "return_last_frame": order.last_frame,
        "callback_url": ask.job.callback_url,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return Call(method="POST", url=TASKS, json={**given, **ask.job.options})


def _content(attached: Attached) -> JSON:
    reference = attached.fetched.reference
    field = FIELD_OF_KIND[reference.kind]
    role = FRAME_ROLES.get(reference.role, f"reference_{reference.kind}")
    return {"type": field, field: {"url": attached.url}, "role": role}


def _images(ask: Ask) -> Call:
    order, size = ask.job.order, ask.job.order.size
    body: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "prompt": order.prompt,
        "image": [attached.url for attached in ask.attached] or None,
        "size": f"{size.width}x{size.height}" if size else order.resolution.upper() or None,
        "seed": ask.job.seed,
        "response_format": "url",
        "watermark": False,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return Call(
        method="POST",
        url="images/generations",
        json={**given, **ask.job.options},
        timeout_s=300.0,
        bytes_max=4 * MEBIBYTE,
    )


def accepted(answer: Answer, job: Job) -> Accepted | Reading:
    """A task's id, or the pictures."""
    table = answer.table()
    if job.order.kind is not MediaKind.IMAGE:
        return Accepted(upstream_id=required_text(table, "id"))
    outputs = tuple(Output(url=text_at(item, "url")) for item in items_at(table, "data"))
    return Reading(word="succeeded", outputs=outputs)


def refusal(answer: Answer) -> Refused:
    """`{"error": {"code", "message"}}`."""
    code, message = _error(answer)
    return refusal_by_status(answer, message, _kind(code))


def _error(answer: Answer) -> tuple[str, str]:
    try:
        error = answer.table().get("error")
    except Malformed:
        return "", ""
    return text_at(error, "code"), text_at(error, "message")


def _kind(code: str) -> Kind | None:
    if any(word in code for word in MODERATION_WORDS):
        return Kind.MODERATION
    return Kind.UNSUPPORTED if code in UNSUPPORTED_CODES else None


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """Retrieve a task."""
    del site, job
    return Call(method="GET", url=f"{TASKS}/{upstream_id}")


def read(answer: Answer, job: Job) -> Reading:
    """Read a retrieved task."""
    del job
    table = answer.table()
    word = required_text(table, "status")
    content = at(table, "content")
    outputs = [Output(url=url) for url in [text_at(content, "video_url")] if url]
    last_frame = text_at(content, "last_frame_url")
    if outputs and last_frame:
        outputs.append(Output(url=last_frame, is_last_frame=True))
    tokens = number_at(table, "usage", "completion_tokens") or 0
    return Reading(
        word=word,
        outputs=tuple(outputs),
        failure=_failure(table, word),
        usage=Usage(tokens_image_out=int(tokens)),
    )


def _failure(table: Mapping[str, JSON], word: str) -> Failed | None:
    error = at(table, "error")
    code, message = text_at(error, "code"), text_at(error, "message")
    if not code and word in {"cancelled", "expired"}:
        return failed(f"The provider's task was {word}.")
    if not code:
        return None
    return failed(message, _kind(code) or Kind.PERMANENT)


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """Only a queued task can be cancelled; the same call forgets a finished one."""
    del site, job
    return Call(method="DELETE", url=f"{TASKS}/{upstream_id}")


def cancelled(answer: Answer) -> CancelOutcome:
    """A running task answers with an error, and goes on."""
    return CancelOutcome.STOPPED if answer.is_fine else CancelOutcome.GOES_ON


def check(site: Site) -> Call:
    """List one task."""
    del site
    return Call(method="GET", url=TASKS, query=(("page_num", "1"), ("page_size", "1")))


def claim(body: Mapping[str, JSON]) -> str | None:
    """A callback carries the task as it would be retrieved."""
    return text_at(body, "id") or None


BYTEPLUS = Adapter(
    name="byteplus",
    docs="https://docs.byteplus.com/en/docs/ModelArk/1520757",
    base_url="https://ark.ap-southeast.bytepluses.com/api/v3",
    key_name="byteplus",
    # No client token and no search by a name of ours is documented.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=3.0, delay_s_max=15.0),
    models={
        "seedance-20": "dreamina-seedance-2-0-260128",
        "seedance2-fast": "dreamina-seedance-2-0-fast-260128",
        "seedance2.0-mini": "dreamina-seedance-2-0-mini-260128",
        "seedance2-5": "dreamina-seedance-2-5-260628",
        "seedream-5.0-pro": "seedream-5-0-260128",
    },
    headers=bearer,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    cancellable=frozenset({State.WAITING}),
    check=check,
    claim=claim,
)

VOLCENGINE = replace(
    BYTEPLUS,
    name="volcengine",
    docs="https://www.volcengine.com/docs/82379/1520757",
    base_url="https://ark.cn-beijing.volces.com/api/v3",
    key_name="volcengine",
    models={
        "seedance-20": "doubao-seedance-2-0-260128",
        "seedance2-fast": "doubao-seedance-2-0-fast-260128",
    },
)
