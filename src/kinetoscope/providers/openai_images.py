"""OpenAI's wire shape for pictures, which many other servers speak too.

https://platform.openai.com/docs/api-reference/images
"""

from collections.abc import Mapping

import orjson

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Usage
from kinetoscope.providers.adapter import (
    Ask,
    Attached,
    Output,
    Reading,
    from_base64,
    items_at,
    number_at,
    refusal_by_status,
    text_at,
)
from kinetoscope.providers.contract import Job, Kind, Refused

MODERATION_CODES = frozenset({"moderation_blocked", "content_policy_violation"})
ACCOUNT_CODES = frozenset(
    {
        "invalid_api_key",
        "unsupported_country_region_territory",
        # No funds: 429 or 400, but waiting does not help. The first is a type, over all the others.
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
        "billing_hard_limit_reached",
    }
)
UNSUPPORTED_CODES = frozenset(
    {
        "model_not_found",
        # Not every model takes every input: another upstream may.
        "unknown_parameter",
        "unsupported_parameter",
        "unsupported_value",
    }
)
"""https://developers.openai.com/api/docs/guides/error-codes"""
QUALITIES = frozenset({"low", "medium", "high", "xhigh", "max", "auto"})
BACKGROUNDS = frozenset({"transparent", "opaque", "auto"})
FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
COMPRESSED = frozenset({"jpeg", "webp"})
COUNT_MAX = 10
"""https://platform.openai.com/docs/api-reference/images/create (n)"""
IMAGES_TIMEOUT_S = 600.0
PICTURE_BYTES_MAX = 64 * MEBIBYTE
"""4096 by 4096 pixels in true colour, not compressed at all, as base64."""


def unsupported(message: str) -> Refused:
    """Leave it to others."""
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def unfit(ask: Ask) -> Refused | None:
    """Refuse what this shape has no words for."""
    order = ask.job.order
    given = {attached.fetched.reference.kind for attached in ask.attached}
    if order.kind is not MediaKind.IMAGE or given - {MediaKind.IMAGE}:
        return unsupported("It makes pictures from pictures.")
    if order.count > COUNT_MAX:
        return unsupported(f"It makes {COUNT_MAX} pictures at most.")
    return None


def wishes(ask: Ask) -> dict[str, JSON]:
    """Return what is asked for in the upstream's words, but for the size.

    https://platform.openai.com/docs/api-reference/images/create
    """
    order = ask.job.order
    file_format = FORMATS.get(order.file_format)
    background = order.inputs.get("background")
    compression = order.inputs.get("outputCompression")
    return {
        "model": ask.job.upstream_model,
        "prompt": order.prompt,
        "n": order.count,
        "output_format": file_format,
        "output_compression": compression if file_format in COMPRESSED else None,
        "quality": order.quality if order.quality in QUALITIES else None,
        "background": background if background in BACKGROUNDS else None,
    }


def call(ask: Ask, wanted: Mapping[str, JSON]) -> Call:
    """Generations without references, edits with them; the operator's options count most.

    https://platform.openai.com/docs/api-reference/images/createEdit
    """
    given: dict[str, JSON] = {
        name: value for name, value in {**wanted, **ask.job.options}.items() if value is not None
    }
    bytes_max = MEBIBYTE + ask.job.order.count * PICTURE_BYTES_MAX
    if not ask.attached:
        return Call(
            method="POST",
            url="images/generations",
            json=given,
            timeout_s=IMAGES_TIMEOUT_S,
            bytes_max=bytes_max,
        )
    return Call(
        method="POST",
        url="images/edits",
        fields=fields(given),
        files=tuple(file_part("image[]", attached) for attached in ask.attached),
        timeout_s=IMAGES_TIMEOUT_S,
        bytes_max=bytes_max,
    )


def file_part(name: str, attached: Attached) -> FilePart:
    """Return a reference as a file of a form."""
    fetched = attached.fetched
    ending = fetched.media_type.partition("/")[2]
    return FilePart(
        name=name,
        filename=f"{fetched.reference.kind}-{fetched.reference.number}.{ending}",
        media_type=fetched.media_type,
        source=fetched.path,
    )


def fields(given: Mapping[str, JSON]) -> tuple[tuple[str, str], ...]:
    """Write values as a form does: texts as they are, all else as JSON."""
    return tuple(
        (name, value if isinstance(value, str) else orjson.dumps(value).decode())
        for name, value in given.items()
    )


def accepted(answer: Answer, job: Job) -> Reading:
    """Read the answer to a submit: it has the pictures."""
    return read(answer, job)


def read(answer: Answer, job: Job) -> Reading:
    """Read `{"data": [{"b64_json"} or {"url"}], "usage"}`.

    Text that comes out beside the pictures is told, but has no price of ours.
    https://platform.openai.com/docs/api-reference/images/create
    """
    del job
    table = answer.table()
    outputs = []
    for item in items_at(table, "data"):
        encoded, url = text_at(item, "b64_json"), text_at(item, "url")
        if not encoded and not url:
            raise Malformed("A picture has neither b64_json nor url")
        outputs.append(
            Output(data=from_base64(encoded)) if encoded else Output(url=url, with_key=True)
        )
    if not outputs:
        raise Malformed("The answer has no pictures")
    return Reading(word="completed", outputs=tuple(outputs), usage=_usage(table))


def _usage(table: Mapping[str, JSON]) -> Usage:
    text_in = number_at(table, "usage", "input_tokens_details", "text_tokens")
    if text_in is None:
        text_in = number_at(table, "usage", "input_tokens")
    image_out = number_at(table, "usage", "output_tokens_details", "image_tokens")
    if image_out is None:
        image_out = number_at(table, "usage", "output_tokens")
    return Usage(
        tokens_text_in=int(text_in or 0),
        tokens_image_in=int(number_at(table, "usage", "input_tokens_details", "image_tokens") or 0),
        tokens_image_out=int(image_out or 0),
    )


def refusal(answer: Answer) -> Refused:
    """Read `{"error": {"message", "type", "code"}}`, or what FastAPI says in `detail`.

    https://developers.openai.com/api/docs/guides/error-codes
    https://fastapi.tiangolo.com/tutorial/handling-errors/
    """
    try:
        table = answer.table()
    except Malformed:
        table = {}
    words = {text_at(table, "error", "code"), text_at(table, "error", "type")}
    kind = None
    if words & UNSUPPORTED_CODES:
        kind = Kind.UNSUPPORTED
    if words & ACCOUNT_CODES:
        kind = Kind.ACCOUNT
    if words & MODERATION_CODES:
        kind = Kind.MODERATION
    return refusal_by_status(answer, _message(table), kind)


def _message(table: Mapping[str, JSON]) -> str:
    said = text_at(table, "error", "message") or text_at(table, "error")
    if said:
        return said
    issues = items_at(table, "detail")
    if not issues:
        return text_at(table, "detail") or text_at(table, "message")
    first = issues[0]
    where = ".".join(str(step) for step in items_at(first, "loc"))
    return f"{where}: {text_at(first, 'msg')}"
