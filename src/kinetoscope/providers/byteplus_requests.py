"""What BytePlus ModelArk and Volcengine Ark are asked for.

https://docs.byteplus.com/en/docs/ModelArk/1520757 (clips), /1541523 (pictures). Parameters that a
model does not have are refused there, so that each is sent only to the models whose page has it.
"""

import math

from kinetoscope.kernel.calling import MEBIBYTE, Call
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role
from kinetoscope.providers.adapter import Ask, Attached
from kinetoscope.providers.contract import Kind, Refused

TASKS = "contents/generations/tasks"
BODY_BYTES_MAX = 64 * MEBIBYTE
PICTURES_TIMEOUT_S = 300.0
PIXELS_MAX = 2048 * 2048
"""Of Seedream 5.0 Pro."""
FRAME_ROLES = {Role.FIRST_FRAME: "first_frame", Role.LAST_FRAME: "last_frame"}
FIELD_OF_KIND = {
    MediaKind.IMAGE: "image_url",
    MediaKind.VIDEO: "video_url",
    MediaKind.AUDIO: "audio_url",
}


def submit(ask: Ask) -> Call | Refused:
    """Pictures are made while one waits, clips are not."""
    kind = ask.job.order.kind
    kinds = {attached.fetched.reference.kind for attached in ask.attached}
    if kind is MediaKind.AUDIO or (kind is MediaKind.IMAGE and kinds - {MediaKind.IMAGE}):
        return _unsupported("It makes clips, and pictures of pictures.")
    if MediaKind.VIDEO in kinds:
        # Pictures and sounds may be base64; a clip's `url` is an address or an asset's id.
        return _unsupported("It takes clips only by a public address.")
    if sum(len(attached.url) for attached in ask.attached) > BODY_BYTES_MAX:
        return _unsupported("The references are too large for it.")
    return _images(ask) if kind is MediaKind.IMAGE else _video(ask)


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def _video(ask: Ask) -> Call:
    order, model = ask.job.order, ask.job.upstream_model
    body: dict[str, JSON] = {
        "model": model,
        "content": [{"type": "text", "text": order.prompt}, *map(_content, ask.attached)],
        "resolution": order.resolution or None,
        "ratio": _ratio(order),
        "duration": order.duration_s or None,
        "generate_audio": None if "seedance-1-0" in model else order.audio,
        # "Seedance 2.0 and 2.5 have none."
        "seed": ask.job.seed if "seedance-1-" in model else None,
        "watermark": False,
        "return_last_frame": order.last_frame,
        "output_format": "mov" if order.file_format == "mov" else None,
        "callback_url": ask.job.callback_url,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return Call(method="POST", url=TASKS, json={**given, **ask.job.options})


def _ratio(order: Order) -> JSON:
    """Seedance 2.5 takes nothing else where a clip has the shape of its first frame."""
    return "adaptive" if order.size is None else order.inputs.get("aspectRatio")


def _content(attached: Attached) -> JSON:
    reference = attached.fetched.reference
    field = FIELD_OF_KIND[reference.kind]
    role = FRAME_ROLES.get(reference.role, f"reference_{reference.kind}")
    # Formats go by the names of their page: wav, mp3.
    url = attached.url.replace("data:audio/mpeg;", "data:audio/mp3;", 1)
    return {"type": field, field: {"url": url}, "role": role}


def _images(ask: Ask) -> Call:
    order, model = ask.job.order, ask.job.upstream_model
    pictures: list[JSON] = [attached.url for attached in ask.attached]
    body: dict[str, JSON] = {
        "model": model,
        "prompt": order.prompt,
        "image": pictures or None,
        "size": _size(order, model),
        # "Only seedream-3.0-t2i and seededit-3.0-i2i."
        "seed": ask.job.seed if "-3-0-" in model else None,
        # Seedream 5.0 alone has it.
        "output_format": order.file_format if "seedream-5" in model else None,
        "response_format": "url",
        "watermark": False,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return Call(
        method="POST",
        url="images/generations",
        json={**given, **ask.job.options},
        timeout_s=PICTURES_TIMEOUT_S,
        bytes_max=4 * MEBIBYTE,
    )


def _size(order: Order, model: str) -> str | None:
    """Pixels, or the class of resolution where the picture takes the shape of the first one."""
    if order.size is None:
        return order.resolution.upper() or None
    width, height = order.size.width, order.size.height
    pixels_max = PIXELS_MAX if "seedream-5-0-pro" in model else width * height
    scale = min(1.0, math.sqrt(pixels_max / (width * height)))
    return f"{math.floor(width * scale)}x{math.floor(height * scale)}"
