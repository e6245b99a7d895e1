"""Google's Gemini API: Veo clips, and pictures of the Gemini image models.

https://ai.google.dev/gemini-api/docs/video and /image-generation
"""

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Role
from kinetoscope.providers.adapter import (
    Adapter,
    Ask,
    Attached,
    Output,
    Reading,
    Site,
    at,
    failed,
    from_base64,
    items_at,
    number_at,
    refusal_by_status,
    required_text,
    text_at,
)
from kinetoscope.providers.contract import (
    Accepted,
    Failed,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
)

MODERATION_REASONS = frozenset(
    {
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "RECITATION",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "OTHER",
    }
)
"""Block and finish reasons: https://ai.google.dev/api/generate-content#FinishReason"""
STATUSES = {
    "PERMISSION_DENIED": Kind.UNSUPPORTED,
    "UNAUTHENTICATED": Kind.UNSUPPORTED,
    "NOT_FOUND": Kind.UNSUPPORTED,
    "FAILED_PRECONDITION": Kind.UNSUPPORTED,  # no billing, or not in this country
    "RESOURCE_EXHAUSTED": Kind.TEMPORARY,
    "UNAVAILABLE": Kind.TEMPORARY,
}
"""https://ai.google.dev/gemini-api/docs/troubleshooting"""
MODERATION_WORDS = ("usage guidelines", "safety", "responsible ai", "prohibited")
IMAGE_TIMEOUT_S = 300.0
ANSWER_BYTES_MAX = 128 * MEBIBYTE


def headers(site: Site) -> dict[str, str]:
    """In a header, not in the address, where it would be logged."""
    return {"x-goog-api-key": site.key}


def submit(ask: Ask) -> Call | Refused:
    """A long-running operation for clips, an answer at once for pictures."""
    if any(each.fetched.reference.kind is not MediaKind.IMAGE for each in ask.attached):
        return _unsupported("It takes pictures as references.")
    match ask.job.order.kind:
        case MediaKind.VIDEO:
            return _video(ask)
        case MediaKind.IMAGE:
            return _image(ask)
        case MediaKind.AUDIO:
            return _unsupported("It makes clips and pictures.")


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def _video(ask: Ask) -> Call:
    order = ask.job.order
    instance: dict[str, JSON] = {"prompt": order.prompt}
    others: list[JSON] = []
    for attached in ask.attached:
        match attached.fetched.reference.role:
            case Role.FIRST_FRAME:
                instance["image"] = _bytes_of(attached)
            case Role.LAST_FRAME:
                instance["lastFrame"] = _bytes_of(attached)
            case _:
                others.append({"image": _bytes_of(attached), "referenceType": "asset"})
    if others:
        instance["referenceImages"] = others
    ratio = order.inputs.get("aspectRatio")
    parameters: dict[str, JSON] = {
        "aspectRatio": ratio if isinstance(ratio, str) and ":" in ratio else None,
        "durationSeconds": order.duration_s or None,
        "resolution": order.resolution or None,
        "seed": ask.job.seed,
        **ask.job.options,
    }
    given: dict[str, JSON] = {
        name: value for name, value in parameters.items() if value is not None
    }
    return Call(
        method="POST",
        url=f"models/{ask.job.upstream_model}:predictLongRunning",
        json={"instances": [instance], "parameters": given},
        timeout_s=120,
    )


def _bytes_of(attached: Attached) -> JSON:
    return {
        "bytesBase64Encoded": attached.url.partition(",")[2],
        "mimeType": attached.fetched.media_type,
    }


def _image(ask: Ask) -> Call | Refused:
    order = ask.job.order
    if order.count > 1:
        return _unsupported("It makes one picture at a time.")
    parts: list[JSON] = [{"text": order.prompt}]
    for attached in ask.attached:
        data = attached.url.partition(",")[2]
        parts.append({"inlineData": {"mimeType": attached.fetched.media_type, "data": data}})
    shape: dict[str, JSON] = {}
    ratio = order.inputs.get("aspectRatio")
    if isinstance(ratio, str) and ":" in ratio:
        shape["aspectRatio"] = ratio
    if order.resolution:
        shape["imageSize"] = order.resolution.upper()
    config: dict[str, JSON] = {
        "responseModalities": ["IMAGE"],
        "seed": ask.job.seed,
        **ask.job.options,
    }
    if shape:
        config["imageConfig"] = shape
    return Call(
        method="POST",
        url=f"models/{ask.job.upstream_model}:generateContent",
        json={"contents": [{"role": "user", "parts": parts}], "generationConfig": config},
        timeout_s=IMAGE_TIMEOUT_S,
        bytes_max=ANSWER_BYTES_MAX,
    )


def accepted(answer: Answer, job: Job) -> Accepted | Reading:
    """`{"name"}` of an operation, or candidates with the picture's bytes."""
    table = answer.table()
    if job.order.kind is MediaKind.VIDEO:
        return Accepted(upstream_id=required_text(table, "name"))
    blocked = text_at(table, "promptFeedback", "blockReason")
    candidates = items_at(table, "candidates")
    reason = text_at(candidates[0], "finishReason") if candidates else ""
    outputs = tuple(
        Output(data=from_base64(text_at(part, "inlineData", "data")))
        for candidate in candidates
        for part in items_at(candidate, "content", "parts")
        if text_at(part, "inlineData", "data") and at(part, "thought") is not True
    )
    if outputs:
        return Reading(word="done", outputs=outputs)
    if not blocked and not candidates:
        raise Malformed("The answer has no candidates")
    kind = Kind.MODERATION if {blocked, reason} & MODERATION_REASONS else Kind.PERMANENT
    said = text_at(candidates[0], "finishMessage") if candidates else ""
    return Reading(word="failed", failure=failed(said, kind))


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """The operation's name is its path."""
    del site, job
    return Call(method="GET", url=upstream_id)


def read(answer: Answer, job: Job) -> Reading:
    """`{"done", "error", "response"}`.

    Done without a clip, with reasons why it was filtered, is a refusal by moderation.
    """
    del job
    table = answer.table()
    percent = number_at(table, "metadata", "progressPercent")
    if at(table, "done") is not True:
        required_text(table, "name")
        started = text_at(table, "metadata", "startTime") or percent is not None
        return Reading(
            word="running" if started else "pending",
            progress=None if percent is None else percent / 100,
        )
    if isinstance(at(table, "error"), dict):
        return Reading(word="failed", failure=_failure(table))
    made = ("response", "generateVideoResponse")
    outputs = tuple(
        Output(url=uri, with_key=True)
        for sample in items_at(table, *made, "generatedSamples")
        if (uri := text_at(sample, "video", "uri"))
    )
    if outputs:
        return Reading(word="done", outputs=outputs)
    reasons = items_at(table, *made, "raiMediaFilteredReasons")
    filtered = reasons or number_at(table, *made, "raiMediaFilteredCount")
    if filtered:
        message = reasons[0] if reasons and isinstance(reasons[0], str) else ""
        return Reading(word="failed", failure=failed(message, Kind.MODERATION))
    return Reading(word="failed", failure=failed("The provider made nothing."))


def _failure(table: dict[str, JSON]) -> Failed:
    message = text_at(table, "error", "message")
    flagged = any(word in message.lower() for word in MODERATION_WORDS)
    return failed(message, Kind.MODERATION if flagged else Kind.PERMANENT)


def refusal(answer: Answer) -> Refused:
    """`{"error": {"code", "message", "status"}}`."""
    try:
        error = answer.table().get("error")
    except Malformed:
        error = None
    message, word = text_at(error, "message"), text_at(error, "status")
    kind = STATUSES.get(word)
    if kind is None and any(each in message.lower() for each in MODERATION_WORDS):
        kind = Kind.MODERATION
    if "API key" in message:  # a bad key is an INVALID_ARGUMENT here
        kind = Kind.UNSUPPORTED
    return refusal_by_status(answer, message, kind)


def check(site: Site) -> Call:
    """List one model."""
    del site
    return Call(method="GET", url="models", query=(("pageSize", "1"),))


GOOGLE = Adapter(
    name="google",
    docs="https://ai.google.dev/gemini-api/docs/video",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    key_name="google",
    # Operations cannot be listed or named by the caller.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=5.0, delay_s_max=15.0),
    models={"nanobanana-pro": "gemini-3-pro-image"},
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    check=check,
)
