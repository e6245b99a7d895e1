"""What fal is asked for: of models whose pages were read, what they say; of others, the usual.

Every model there has inputs of its own. The operator's file says what is otherwise:
`[models."x".options]` are inputs as they are, `rename` among them gives ours new names.
"""

from dataclasses import dataclass, replace

from kinetoscope.kernel.calling import Call
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role
from kinetoscope.providers.adapter import Ask, Attached
from kinetoscope.providers.contract import Kind, Refused
from kinetoscope.providers.sizes import size_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Endpoints of one model, by what goes in, and which of the usual inputs they have.

    `has_classes` ones say a picture's size as a shape and a class (2K), not in pixels.
    """

    text: str = ""
    frames: str = ""
    references: str = ""
    resolutions: frozenset[str] = frozenset()
    seed: bool = True
    has_classes: bool = False
    quality: bool = False


SEEDANCE = Family(
    text="/text-to-video",
    frames="/image-to-video",
    references="/reference-to-video",
    resolutions=frozenset({"480p", "720p"}),
)
"""https://fal.ai/docs/model-api-reference/video-generation-api/bytedance-seedance-2.0-text-to-video"""
FAMILIES = {
    # https://fal.ai/models/bytedance/seedance-2.0/image-to-video: 1080p is the standard tier's.
    "bytedance/seedance-2.0": replace(SEEDANCE, resolutions=frozenset({"480p", "720p", "1080p"})),
    "bytedance/seedance-2.0/fast": SEEDANCE,
    "bytedance/seedance-2.0/mini": SEEDANCE,
    # https://fal.ai/models/bytedance/seedance-2.5/text-to-video/api: the seed is an output only.
    "bytedance/seedance-2.5": replace(SEEDANCE, seed=False),
    # https://fal.ai/models/fal-ai/nano-banana-2/edit/llms.txt
    "fal-ai/nano-banana-2": Family(references="/edit", has_classes=True),
    # https://fal.ai/models/openai/gpt-image-2/edit/llms.txt
    "openai/gpt-image-2": Family(references="/edit", seed=False, quality=True),
}
OTHER = Family()
FRAMES = frozenset({Role.FIRST_FRAME, Role.LAST_FRAME})


def submit(ask: Ask) -> Call | Refused:
    """Put a request into the queue."""
    model = ask.job.upstream_model
    family = FAMILIES.get(model)
    roles = {attached.fetched.reference.role for attached in ask.attached}
    if family is not None and Role.SOURCE in roles:
        return _unsupported("It does not edit clips.")
    resolution = ask.job.order.resolution
    if family is not None and family.resolutions and resolution not in family.resolutions:
        return _unsupported(f"It makes nothing in {resolution}.")
    suffix = ""
    if family is not None:
        suffix = family.references if roles else family.text
        suffix = family.frames if roles & FRAMES else suffix
    query: tuple[tuple[str, str], ...] = ()
    if ask.job.callback_url is not None:
        query = (("fal_webhook", ask.job.callback_url),)
    return Call(method="POST", url=f"{model}{suffix}", query=query, json=inputs_of(ask))


def _unsupported(message: str) -> Refused:
    return Refused(code="500", message=message, kind=Kind.UNSUPPORTED)


def inputs_of(ask: Ask) -> dict[str, JSON]:
    """Return the inputs, under the names that the operator gave them."""
    order = ask.job.order
    options = dict(ask.job.options)
    rename = options.pop("rename", None)
    family = FAMILIES.get(ask.job.upstream_model, OTHER)
    inputs: dict[str, JSON] = {"prompt": order.prompt}
    if family.seed:
        inputs["seed"] = ask.job.seed
    if order.kind is MediaKind.VIDEO:
        inputs |= _clip(order, family)
    if order.kind is MediaKind.IMAGE:
        inputs |= _picture(ask, family)
    inputs |= references_of(ask.attached)
    names = rename if isinstance(rename, dict) else {}
    given = {name: value for name, value in inputs.items() if value is not None}
    named = {str(names.get(name, name)): value for name, value in given.items()}
    return {name: value for name, value in {**named, **options}.items() if name}


def _clip(order: Order, family: Family) -> dict[str, JSON]:
    ratio = _ratio(order)
    return {
        "aspect_ratio": "auto" if family is not OTHER and order.size is None else ratio,
        "generate_audio": order.audio,
        "duration": str(order.duration_s) if order.duration_s else None,
        "resolution": order.resolution or None,
    }


def _picture(ask: Ask, family: Family) -> dict[str, JSON]:
    order = ask.job.order
    shared: dict[str, JSON] = {
        "num_images": order.count,
        "output_format": order.file_format,
        "quality": order.quality or None if family.quality else None,
    }
    if family.has_classes:
        ratio = "auto" if order.size is None else _ratio(order)
        return {**shared, "aspect_ratio": ratio, "resolution": order.resolution.upper() or None}
    size = size_of(order, ask.job.references)
    pixels: JSON = None if size is None else {"width": size.width, "height": size.height}
    return {**shared, "image_size": pixels, "aspect_ratio": None if pixels else _ratio(order)}


def _ratio(order: Order) -> str | None:
    ratio = order.inputs.get("aspectRatio")
    return ratio if isinstance(ratio, str) and ":" in ratio else None


def references_of(attached: tuple[Attached, ...]) -> dict[str, JSON]:
    """First and last frame have names of their own; all else is lists."""
    found: dict[str, JSON] = {}
    lists: dict[str, list[JSON]] = {}
    for each in attached:
        reference = each.fetched.reference
        match reference.kind, reference.role:
            case MediaKind.IMAGE, Role.FIRST_FRAME:
                found["image_url"] = each.url
            case MediaKind.IMAGE, Role.LAST_FRAME:
                found["end_image_url"] = each.url
            case MediaKind.VIDEO, Role.SOURCE:
                found["video_url"] = each.url
            case kind, _:
                lists.setdefault(f"{kind}_urls", []).append(each.url)
    return {**found, **lists}
