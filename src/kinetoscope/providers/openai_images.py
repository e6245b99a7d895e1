"""OpenAI's wire shape for pictures, which many other servers speak too.

https://platform.openai.com/docs/api-reference/images
"""

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, FilePart, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Order, Usage
from kinetoscope.providers.adapter import (
    Ask,
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
UNSUPPORTED_CODES = frozenset(
    {
        "invalid_api_key",
        "insufficient_quota",  # no funds: 429, but waiting does not help
        "billing_hard_limit_reached",
        "model_not_found",
        "unsupported_country_region_territory",
    }
)
QUALITIES = frozenset({"low", "medium", "high", "xhigh", "max", "auto"})
FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
IMAGES_TIMEOUT_S = 600.0
ANSWER_BYTES_MAX = 256 * MEBIBYTE
"""Ten pictures of 4K as base64."""


def submit(ask: Ask) -> Call | Refused:
    """Generations without references, edits with them."""
    order = ask.job.order
    unfit = order.kind is not MediaKind.IMAGE or any(
        attached.fetched.reference.kind is not MediaKind.IMAGE for attached in ask.attached
    )
    if unfit:
        return Refused(
            code="500", message="It makes pictures from pictures.", kind=Kind.UNSUPPORTED
        )
    wanted = wishes(ask)
    if not ask.attached:
        return Call(
            method="POST",
            url="images/generations",
            json=wanted,
            timeout_s=IMAGES_TIMEOUT_S,
            bytes_max=ANSWER_BYTES_MAX,
        )
    parts = tuple(
        FilePart(
            name="image[]",
            filename=f"image-{number}.{attached.fetched.media_type.partition('/')[2]}",
            media_type=attached.fetched.media_type,
            source=attached.fetched.path,
        )
        for number, attached in enumerate(ask.attached, start=1)
    )
    return Call(
        method="POST",
        url="images/edits",
        fields=tuple((name, as_field(value)) for name, value in wanted.items()),
        files=parts,
        timeout_s=IMAGES_TIMEOUT_S,
        bytes_max=ANSWER_BYTES_MAX,
    )


def wishes(ask: Ask) -> dict[str, JSON]:
    """Return what is asked for in the upstream's words."""
    order = ask.job.order
    wanted: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "prompt": order.prompt,
        "n": order.count,
        "size": size_of(order),
        "output_format": FORMATS.get(order.file_format),
    }
    if order.quality in QUALITIES:
        wanted["quality"] = order.quality
    if order.inputs.get("background") in {"transparent", "opaque", "auto"}:
        wanted["background"] = order.inputs["background"]
    wanted |= dict(ask.job.options)
    return {name: value for name, value in wanted.items() if value is not None}


def size_of(order: Order) -> str:
    """Return WxH, or leave the shape to the upstream."""
    return "auto" if order.size is None else f"{order.size.width}x{order.size.height}"


def as_field(value: JSON) -> str:
    """Write a value as a form does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def accepted(answer: Answer, job: Job) -> Reading:
    """`{"data": [{"b64_json"} or {"url"}], "usage"}`."""
    return read(answer, job)


def read(answer: Answer, job: Job) -> Reading:
    """Read the finished pictures, and the tokens they took."""
    del job
    table = answer.table()
    outputs = []
    for item in items_at(table, "data"):
        encoded, url = text_at(item, "b64_json"), text_at(item, "url")
        if not encoded and not url:
            raise Malformed("A picture has neither b64_json nor url")
        outputs.append(Output(data=from_base64(encoded)) if encoded else Output(url=url))
    if not outputs:
        raise Malformed("The answer has no pictures")
    details = ("usage", "input_tokens_details")
    text_in = number_at(table, *details, "text_tokens")
    if text_in is None:
        text_in = number_at(table, "usage", "input_tokens")
    return Reading(
        word="completed",
        outputs=tuple(outputs),
        usage=Usage(
            tokens_text_in=int(text_in or 0),
            tokens_image_in=int(number_at(table, *details, "image_tokens") or 0),
            tokens_image_out=int(number_at(table, "usage", "output_tokens") or 0),
        ),
    )


def refusal(answer: Answer) -> Refused:
    """`{"error": {"message", "type", "code"}}`.

    https://platform.openai.com/docs/guides/error-codes
    """
    try:
        error = answer.table().get("error")
    except Malformed:
        error = None
    code = text_at(error, "code") or text_at(error, "type")
    kind = None
    if code in MODERATION_CODES:
        kind = Kind.MODERATION
    if code in UNSUPPORTED_CODES:
        kind = Kind.UNSUPPORTED
    return refusal_by_status(answer, text_at(error, "message"), kind)
