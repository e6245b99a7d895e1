"""Google's Gemini API: clips of Gemini Omni, which took Veo's place there, and Gemini's pictures.

https://ai.google.dev/gemini-api/docs/omni and /image-generation. Veo ended there in October 2026
(/deprecations); it goes on at Agent Platform, whose pages know access tokens only.
"""

import re
from collections.abc import Mapping

from kinetoscope.kernel.calling import Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Usage
from kinetoscope.providers.adapter import (
    Adapter,
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
    segment,
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
from kinetoscope.providers.google_requests import (
    ANSWER_BYTES_MAX,
    CLIP_TIMEOUT_S,
    IMAGE_TIMEOUT_S,
    submit,
)

KINDS_BY_REASON = {
    "SAFETY": Kind.MODERATION,
    "PROHIBITED_CONTENT": Kind.MODERATION,
    "BLOCKLIST": Kind.MODERATION,
    "SPII": Kind.MODERATION,
    "RECITATION": Kind.MODERATION,
    "ESCALATION": Kind.MODERATION,
    "MODEL_ARMOR": Kind.MODERATION,
    "JAILBREAK": Kind.MODERATION,
    "IMAGE_SAFETY": Kind.MODERATION,
    "IMAGE_PROHIBITED_CONTENT": Kind.MODERATION,
    "IMAGE_RECITATION": Kind.MODERATION,
    "PUP_LIMITED_DISABLED": Kind.ACCOUNT,  # the account is limited, for what it did before
}
"""Why it stopped; all else is permanent: https://ai.google.dev/api/generate-content#FinishReason"""
KINDS_BY_CODE = {
    **KINDS_BY_REASON,
    "PERMISSION_DENIED": Kind.ACCOUNT,
    "UNAUTHENTICATED": Kind.ACCOUNT,
    "NOT_FOUND": Kind.UNSUPPORTED,
    "FAILED_PRECONDITION": Kind.ACCOUNT,  # no billing, or not in this country
    "RESOURCE_EXHAUSTED": Kind.TEMPORARY,
    "UNAVAILABLE": Kind.TEMPORARY,
}
"""https://ai.google.dev/gemini-api/docs/troubleshooting"""
BLOCKED_TEXT = re.compile(
    r"usage guidelines|responsible ai|(blocked|violat)[^.]*(safety|polic)", re.IGNORECASE
)
"""Moderation in words. That a field is called safety_settings is none."""
STOPPED_SHORT = frozenset(
    {"incomplete", "budget_exceeded", "requires_action", "requires_continuation", "idle"}
)
"""States that nobody will end: https://ai.google.dev/api/interactions-api, Interaction.status"""
FILE = re.compile(
    r"(?:https?://[^/?#]+(?:/download)?/v\d\w*/)?files/([A-Za-z0-9_-]+)(?::download)?(?:\?.*)?"
)
"""A file's name, or its address: https://ai.google.dev/gemini-api/docs/omni"""


def headers(site: Site) -> Mapping[str, str]:
    """In a header, not in the address, where it would be logged."""
    return {"x-goog-api-key": site.key}


def accepted(answer: Answer, job: Job) -> Accepted | Reading:
    """`{"id"}` of an interaction, or candidates with the picture's bytes."""
    table = answer.table()
    if job.order.kind is MediaKind.VIDEO:
        return Accepted(upstream_id=required_text(table, "id"))
    return _pictures(table)


def _pictures(table: Mapping[str, JSON]) -> Reading:
    """Pictures that a model thinks in are none of the result.

    https://ai.google.dev/api/generate-content#GenerateContentResponse
    """
    candidates = items_at(table, "candidates")
    blocked = text_at(table, "promptFeedback", "blockReason")
    parts = [
        part
        for candidate in candidates
        for part in items_at(candidate, "content", "parts")
        if at(part, "thought") is not True
    ]
    outputs = tuple(
        Output(data=from_base64(data))
        for part in parts
        if (data := text_at(part, "inlineData", "data"))
    )
    if outputs:
        return Reading(word="done", outputs=outputs, usage=_usage(table))
    if not blocked and not candidates and "usageMetadata" not in table:
        raise Malformed("The answer has no candidates")
    if blocked:
        said = text_at(table, "promptFeedback", "blockReasonMessage")
        return Reading(word="failed", failure=failed(said, Kind.MODERATION))
    first = candidates[0] if candidates else None
    kind = KINDS_BY_REASON.get(text_at(first, "finishReason"), Kind.PERMANENT)
    said = text_at(first, "finishMessage") or " ".join(text_at(part, "text") for part in parts)
    return Reading(word="failed", failure=failed(said.strip(), kind))


def _usage(table: Mapping[str, JSON]) -> Usage:
    """Thoughts have a price of their own there, and are left out."""
    details = ("usageMetadata", "promptTokensDetails")
    text_in = _tokens(items_at(table, *details), "TEXT")
    if not items_at(table, *details):
        text_in = int(number_at(table, "usageMetadata", "promptTokenCount") or 0)
    return Usage(
        tokens_text_in=text_in,
        tokens_image_in=_tokens(items_at(table, *details), "IMAGE"),
        tokens_image_out=int(number_at(table, "usageMetadata", "candidatesTokenCount") or 0),
    )


def _tokens(details: list[JSON], modality: str) -> int:
    counts = [number_at(each, "tokenCount") for each in details if _is(each, modality)]
    return int(sum(count for count in counts if count is not None))


def _is(detail: JSON, modality: str) -> bool:
    return text_at(detail, "modality").upper() == modality


def status(site: Site, upstream_id: str, job: Job) -> Call:
    """https://ai.google.dev/api/interactions-api: the answer may have the clip in it."""
    del site, job
    return Call(method="GET", url=_path(upstream_id), bytes_max=ANSWER_BYTES_MAX, timeout_s=120)


def _path(upstream_id: str) -> str:
    return f"interactions/{segment(upstream_id)}"


def read(answer: Answer, job: Job) -> Reading:
    """`{"id", "status", "steps": [{"type", "content": [{"type", "uri" or "data"}]}], "errors"}`.

    Completed without a clip, but with words in place of one, is a refusal by moderation.
    """
    del job
    table = answer.table()
    word = required_text(table, "status")
    content = [
        block
        for step in items_at(table, "steps")
        if text_at(step, "type") == "model_output"
        for block in items_at(step, "content")
    ]
    if word == "completed":
        return _completed(table, content)
    if word in STOPPED_SHORT:
        return Reading(word="failed", failure=_failure(table))
    failure = _failure(table) if word in {"failed", "cancelled"} else None
    return Reading(word=word, failure=failure)


def _completed(table: Mapping[str, JSON], content: list[JSON]) -> Reading:
    clips = (block for block in content if text_at(block, "type") == "video")
    outputs = tuple(output for clip in clips if (output := _output(clip)) is not None)
    if outputs:
        return Reading(word="completed", outputs=outputs)
    made = items_at(table, "usage", "output_tokens_by_modality")
    if any(_is(each, "VIDEO") and number_at(each, "tokens") for each in made):
        return Reading(word="failed", failure=failed("The provider made nothing."))
    said = " ".join(text_at(block, "text") for block in content).strip()
    return Reading(word="failed", failure=failed(said, Kind.MODERATION))


def _output(clip: JSON) -> Output | None:
    """Find a clip: its bytes, a file of ours there, or an address.

    A file's own address leads on to the one under /download, which needs the key as well:
    https://github.com/maximhq/bifrost/pull/3037
    """
    if data := text_at(clip, "data"):
        return Output(data=from_base64(data))
    uri = text_at(clip, "uri")
    if (file := FILE.fullmatch(uri)) is not None:
        url = f"../download/v1beta/files/{file[1]}:download?alt=media"
        return Output(url=url, with_key=True)
    return Output(url=uri) if uri else None


def _failure(table: Mapping[str, JSON]) -> Failed:
    """Read `errors`, or the `error` of a step or of the whole."""
    steps = [step for step in items_at(table, "steps") if isinstance(at(step, "error"), dict)]
    told = [*items_at(table, "errors"), *(at(step, "error") for step in steps), at(table, "error")]
    error = next((each for each in told if isinstance(each, dict)), None)
    message = text_at(error, "message")
    kind = _kind_of(error) or Kind.PERMANENT
    return failed(message, kind if kind is Kind.MODERATION else Kind.PERMANENT)


def _kind_of(error: JSON) -> Kind | None:
    """Tell an error by its status or code, a reason in its details, or its words.

    A bad key is an INVALID_ARGUMENT there, and only its details say so.
    """
    reasons = [text_at(each, "reason") for each in items_at(error, "details")]
    if any(reason.startswith("API_KEY_") for reason in reasons):
        return Kind.ACCOUNT
    for code in (text_at(error, "status"), text_at(error, "code"), *reasons):
        if (kind := KINDS_BY_CODE.get(code.upper())) is not None:
            return kind
    message = text_at(error, "message")
    if "API key" in message:
        return Kind.ACCOUNT
    return Kind.MODERATION if BLOCKED_TEXT.search(message) else None


def refusal(answer: Answer) -> Refused:
    """`{"error": {"code", "message", "status"}}`, at times in a list of one."""
    try:
        value = answer.value()
    except Malformed:
        value = None
    error = at(value[0] if isinstance(value, list) and value else value, "error")
    return refusal_by_status(answer, text_at(error, "message"), _kind_of(error))


def cancel(site: Site, upstream_id: str, job: Job) -> Call:
    """https://ai.google.dev/api/interactions-api: only what is made in the background."""
    del site, job
    return Call(method="POST", url=f"{_path(upstream_id)}/cancel", bytes_max=ANSWER_BYTES_MAX)


def cancelled(answer: Answer) -> CancelOutcome:
    """The interaction, with its state."""
    if not answer.is_fine:
        return CancelOutcome.GOES_ON
    word = text_at(answer.table(), "status")
    if word == "cancelled":
        return CancelOutcome.STOPPED
    return CancelOutcome.UNKNOWN if word in {"in_progress", "queued"} else CancelOutcome.GOES_ON


def check(site: Site) -> Call:
    """List one model."""
    del site
    return Call(method="GET", url="models", query=(("pageSize", "1"),))


def claim(body: Mapping[str, JSON]) -> str | None:
    """`{"type": "interaction.completed", "data": {"id"}}`.

    https://ai.google.dev/gemini-api/docs/webhooks
    """
    return text_at(body, "data", "id") or None


GOOGLE = Adapter(
    name="google",
    docs="https://ai.google.dev/gemini-api/docs/omni",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    key_name="google",
    # Interactions cannot be listed or named by the caller.
    idempotency=Idempotency.NEITHER,
    polling=Polling(delay_s=5.0, delay_s_max=15.0),
    submit_timeout_s=max(CLIP_TIMEOUT_S, IMAGE_TIMEOUT_S),
    at_once=lambda job: job.order.kind is not MediaKind.VIDEO,
    # https://ai.google.dev/gemini-api/docs/image-generation: Nano Banana 2 and Nano Banana Pro.
    models={"nanobanana2": "gemini-3.1-flash-image", "nanobanana-pro": "gemini-3-pro-image"},
    headers=headers,
    submit=submit,
    accepted=accepted,
    refusal=refusal,
    status=status,
    read=read,
    cancel=cancel,
    cancelled=cancelled,
    check=check,
    claim=claim,
)
