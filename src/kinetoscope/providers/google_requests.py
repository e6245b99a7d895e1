"""What Google is asked for: an interaction in the background for a clip, content for a picture.

The operator's `[models."x".options]` count most: fields of the interaction for clips, of the
`generationConfig` for pictures.
"""

from kinetoscope.kernel.calling import MEBIBYTE, Call
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role
from kinetoscope.providers.adapter import Ask, Attached
from kinetoscope.providers.contract import FetchedReference, Kind, Refused
from kinetoscope.providers.sizes import shape_off, size_of

ANSWER_BYTES_MAX = 128 * MEBIBYTE
"""Files may be part of an answer, and an interaction may repeat what went in."""
IMAGE_TIMEOUT_S = 300.0
CLIP_TIMEOUT_S = 120.0
RATIOS = {"16:9": 16 / 9, "9:16": 9 / 16}
RESOLUTIONS = frozenset({"360p", "720p", "1080p", "4k"})
"""https://ai.google.dev/gemini-api/docs/omni"""
SHAPE_OFF_MAX = 0.04
"""A natural logarithm: how far a clip may be from the ordered shape, as 864 by 496 is from 16:9."""
SECONDS_MIN = 3
SECONDS_MAX = {"gemini-omni-1.1-flash": 10, "gemini-omni-1.2-flash": 15}
"""https://ai.google.dev/gemini-api/docs/omni"""
SECONDS_MAX_WITH_LAST_FRAME = 10
"""https://developer.civitai.com/orchestration/recipes/gemini-omni, of the same model."""
SEEDS = 2**31
"""A seed is an int32: https://ai.google.dev/api/generate-content#generationconfig"""
TASKS = {
    frozenset[Role](): "text_to_video",
    frozenset({Role.FIRST_FRAME}): "image_to_video",
    frozenset({Role.FIRST_FRAME, Role.LAST_FRAME}): "image_to_video",
    frozenset({Role.REFERENCE}): "reference_to_video",
}
"""https://ai.google.dev/api/interactions-api, VideoConfig: of the two images of image_to_video the
first is the first frame and the second the last."""


def submit(ask: Ask) -> Call | Refused:
    """Ask for a clip or a picture."""
    if any(each.fetched.reference.kind is not MediaKind.IMAGE for each in ask.attached):
        return _unsupported("It takes pictures as references.")
    match ask.job.order.kind:
        case MediaKind.VIDEO:
            return _clip(ask)
        case MediaKind.IMAGE:
            return _picture(ask)
        case MediaKind.AUDIO:
            return _unsupported("It makes clips and pictures.")


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def _clip(ask: Ask) -> Call | Refused:
    """Have it made in the background: without that the answer waits for the clip.

    Seeds are left out: nothing says that the model heeds them.
    """
    order = ask.job.order
    task = TASKS.get(frozenset(each.fetched.reference.role for each in ask.attached))
    if task is None:
        return _unsupported("It takes a first frame, a first and a last one, or references.")
    if (message := _unfit(ask)) is not None:
        return _unsupported(message)
    ratio = _ratio_of(order, ask.job.references)
    if ratio == "":
        return _unsupported("It makes 16:9 and 9:16 only.")
    wanted: dict[str, JSON] = {
        "type": "video",
        "delivery": "uri",
        "aspect_ratio": ratio,
        "resolution": order.resolution or None,
        "duration": f"{order.duration_s}s" if order.duration_s else None,
    }
    content: list[JSON] = [_content(each) for each in sorted(ask.attached, key=_is_last)]
    content.append({"type": "text", "text": order.prompt})
    body: dict[str, JSON] = {
        "model": ask.job.upstream_model,
        "input": [{"type": "user_input", "content": content}],
        "background": True,
        "response_format": {name: value for name, value in wanted.items() if value is not None},
        "generation_config": {"video_config": {"task": task}},
    }
    if ask.job.callback_url is not None:
        body["webhook_config"] = {"uris": [ask.job.callback_url]}
    return Call(
        method="POST",
        url="interactions",
        json={**body, **ask.job.options},
        timeout_s=CLIP_TIMEOUT_S,
        bytes_max=ANSWER_BYTES_MAX,
    )


def _unfit(ask: Ask) -> str | None:
    """Say what of an order the model cannot make: its clips always have sound."""
    order = ask.job.order
    if order.inputs.get("generate_audio") is False or order.inputs.get("audio") is False:
        return "It makes no clips without sound."
    if order.resolution and order.resolution not in RESOLUTIONS:
        return f"It makes nothing in {order.resolution}."
    longest = SECONDS_MAX.get(ask.job.upstream_model)
    if longest is not None and order.duration_s:
        if any(_is_last(each) for each in ask.attached):
            longest = min(longest, SECONDS_MAX_WITH_LAST_FRAME)
        if not SECONDS_MIN <= order.duration_s <= longest:
            return f"It makes {SECONDS_MIN} to {longest} seconds."
    return None


def _ratio_of(order: Order, references: tuple[FetchedReference, ...]) -> str | None:
    """Return the shape in its words; None if it needs no saying, empty if it is not made there."""
    size = size_of(order, references)
    if size is None:
        return None
    off, ratio = min((shape_off(size, shape), ratio) for ratio, shape in RATIOS.items())
    return ratio if off < SHAPE_OFF_MAX else ""


def _is_last(attached: Attached) -> bool:
    return attached.fetched.reference.role is Role.LAST_FRAME


def _content(attached: Attached) -> JSON:
    return {
        "type": "image",
        "data": _base64_of(attached),
        "mime_type": attached.fetched.media_type,
    }


def _base64_of(attached: Attached) -> str:
    return attached.url.partition(",")[2]


def _picture(ask: Ask) -> Call | Refused:
    """https://ai.google.dev/gemini-api/docs/image-generation: classes are written 1K, 2K, 4K."""
    order = ask.job.order
    if order.count > 1:
        return _unsupported("It makes one picture at a time.")
    parts: list[JSON] = [{"text": order.prompt}]
    for attached in ask.attached:
        data: JSON = {"mimeType": attached.fetched.media_type, "data": _base64_of(attached)}
        parts.append({"inlineData": data})
    shape: dict[str, JSON] = {}
    ratio = order.inputs.get("aspectRatio")
    if isinstance(ratio, str) and ":" in ratio:
        shape["aspectRatio"] = ratio
    if order.resolution:
        shape["imageSize"] = order.resolution.upper()
    config: dict[str, JSON] = {"responseModalities": ["IMAGE"], "seed": ask.job.seed % SEEDS}
    if shape:
        config["imageConfig"] = shape
    return Call(
        method="POST",
        url=f"models/{ask.job.upstream_model}:generateContent",
        json={
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": {**config, **ask.job.options},
        },
        timeout_s=IMAGE_TIMEOUT_S,
        bytes_max=ANSWER_BYTES_MAX,
    )
