"""What kie.ai is asked for: of models whose pages were read, what they say; of others, the usual.

Every model of its market has inputs of its own: https://docs.kie.ai/market/quickstart. The
operator's file says what is otherwise: `[models."x".options]` are inputs as they are, `rename`
among them gives ours new names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kinetoscope.kernel.calling import Call
from kinetoscope.kernel.order import JSON, MediaKind, Order, Role
from kinetoscope.providers.adapter import Ask, Attached
from kinetoscope.providers.contract import FetchedReference, Kind, Refused
from kinetoscope.providers.sizes import shape_off, size_of


def _same(words: str) -> Mapping[str, str]:
    return {word: word for word in words.split()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the page of a model says of its inputs.

    Its name there ends in `text` or, where pictures go in, in `pictures`. Words for resolutions
    and formats are ours to theirs; `follows` is the ratio that takes the shape of what goes in.
    Empty names and tables are inputs that it does not have.
    """

    text: str = ""
    pictures: str = ""
    ratios: tuple[str, ...]
    follows: str = ""
    resolution: str = "resolution"
    resolutions: Mapping[str, str]
    formats: Mapping[str, str] = field(default_factory=dict)
    characters_min: int = 1
    characters_max: int
    seed: bool = False
    audio: str = ""
    images: str = "reference_image_urls"
    images_max: int


RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16")
CLASSES = {"1k": "1K", "2k": "2K", "4k": "4K"}
SEEDANCE = Family(
    ratios=(*RATIOS, "21:9"),
    follows="adaptive",
    resolutions=_same("480p 720p"),
    characters_min=3,
    characters_max=20_000,
    audio="generate_audio",
    images_max=9,
)
WAN = Family(
    ratios=RATIOS,
    follows="adaptive",
    resolutions={"480p": "480P", "720p": "720P", "1080p": "1080P"},
    characters_max=20_000,
    seed=True,
    audio="audio",
    images_max=10,
)
NANO_BANANA = Family(
    ratios=(*RATIOS, "2:3", "3:2", "4:5", "5:4", "21:9"),
    follows="auto",
    resolutions=CLASSES,
    formats={"png": "png", "jpeg": "jpg"},
    characters_max=20_000,
    images="image_input",
    images_max=14,
)
FAMILIES = {
    # https://docs.kie.ai/market/bytedance/seedance-2, and -fast and -mini beside it
    "bytedance/seedance-2": replace(SEEDANCE, resolutions=_same("480p 720p 1080p 4k")),
    "bytedance/seedance-2-fast": SEEDANCE,
    "bytedance/seedance-2-mini": SEEDANCE,
    # https://docs.kie.ai/market/bytedance/seedance-2-5
    "bytedance/seedance-2-5": replace(
        SEEDANCE,
        resolutions=_same("480p 720p 1080p"),
        formats=_same("mp4 mov"),
        characters_min=1,
        characters_max=30_000,
        images_max=30,
    ),
    # https://docs.kie.ai/market/wan/3-0-video
    "wan/3-0-video": WAN,
    "wan/3-0-video-prime": WAN,
    # https://docs.kie.ai/market/seedream/5-pro-text-to-image: "basic" is 1K, "high" is 2K
    "seedream/5-pro": Family(
        text="-text-to-image",
        pictures="-image-to-image",
        ratios=(*RATIOS, "2:3", "3:2", "21:9"),
        resolution="quality",
        resolutions={"1k": "basic", "2k": "high"},
        formats=_same("png jpeg"),
        characters_min=3,
        characters_max=5_000,
        images="image_urls",
        images_max=10,
    ),
    # https://docs.kie.ai/market/google/nanobanana2
    "nano-banana-2": NANO_BANANA,
    # https://docs.kie.ai/market/google/pro-image-to-image
    "nano-banana-pro": replace(NANO_BANANA, characters_max=10_000, images_max=8),
}


def submit(ask: Ask) -> Call | Refused:
    """One route for all models: https://docs.kie.ai/market/quickstart."""
    model = ask.job.upstream_model
    family = FAMILIES.get(model)
    fault = None if family is None else fault_of(ask, family)
    if fault is not None:
        return Refused(code="500", message=fault, kind=Kind.UNSUPPORTED)
    suffix = "" if family is None else family.pictures if ask.attached else family.text
    body: dict[str, JSON] = {"model": f"{model}{suffix}", "input": inputs_of(ask, family)}
    if ask.job.callback_url is not None:
        body["callBackUrl"] = ask.job.callback_url
    return Call(method="POST", url="jobs/createTask", json=body)


def fault_of(ask: Ask, family: Family) -> str | None:
    """Say why a model would refuse an order that others may take."""
    order = ask.job.order
    kinds = [attached.fetched.reference.kind for attached in ask.attached]
    if any(attached.fetched.reference.role is Role.SOURCE for attached in ask.attached):
        return "It does not edit clips."
    if order.resolution not in family.resolutions:
        return f"It makes nothing in {order.resolution}."
    if family.formats and order.file_format not in family.formats:
        return f"It makes no {order.file_format}."
    if not family.characters_min <= len(order.prompt) <= family.characters_max:
        return f"It takes {family.characters_min} to {family.characters_max} characters of text."
    if kinds.count(MediaKind.IMAGE) > family.images_max:
        return f"It takes {family.images_max} pictures."
    return None


def inputs_of(ask: Ask, family: Family | None) -> dict[str, JSON]:
    """Return the inputs, under the names that the operator gave them."""
    options = dict(ask.job.options)
    rename = options.pop("rename", None)
    names = rename if isinstance(rename, dict) else {}
    inputs = _usual(ask) if family is None else _known(ask, family)
    given = {name: value for name, value in inputs.items() if value is not None}
    named = {str(names.get(name, name)): value for name, value in given.items()}
    return {name: value for name, value in {**named, **options}.items() if name}


def _known(ask: Ask, family: Family) -> dict[str, JSON]:
    order = ask.job.order
    inputs: dict[str, JSON] = {
        "prompt": order.prompt,
        "aspect_ratio": ratio_of(order, ask.job.references, family),
        family.resolution: family.resolutions[order.resolution],
        "output_format": family.formats.get(order.file_format),
        "duration": order.duration_s or None,
        "seed": ask.job.seed if family.seed else None,
    }
    if family.audio:
        inputs[family.audio] = order.audio
    return {**inputs, **references_of(ask.attached, family.images)}


def _usual(ask: Ask) -> dict[str, JSON]:
    """Most of the market's models take seconds as a text."""
    order = ask.job.order
    ratio = order.inputs.get("aspectRatio")
    inputs: dict[str, JSON] = {
        "prompt": order.prompt,
        "seed": ask.job.seed,
        "aspect_ratio": ratio if isinstance(ratio, str) and ":" in ratio else None,
    }
    if order.kind is MediaKind.VIDEO:
        inputs["duration"] = str(order.duration_s) if order.duration_s else None
        inputs["resolution"] = order.resolution or None
        inputs["generate_audio"] = order.audio
    return {**inputs, **references_of(ask.attached)}


def ratio_of(order: Order, references: tuple[FetchedReference, ...], family: Family) -> str | None:
    """Return the ratio that is most like the ordered size."""
    if order.size is None and family.follows:
        return family.follows
    size = size_of(order, references)
    if size is None:
        return None
    return min(family.ratios, key=lambda ratio: shape_off(size, _shape(ratio)))


def _shape(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def references_of(
    attached: tuple[Attached, ...], images: str = "reference_image_urls"
) -> dict[str, JSON]:
    """First and last frame have names of their own; all else is lists."""
    found: dict[str, JSON] = {}
    lists: dict[str, list[JSON]] = {}
    for each in attached:
        reference = each.fetched.reference
        match reference.kind, reference.role:
            case MediaKind.IMAGE, Role.FIRST_FRAME:
                found["first_frame_url"] = each.url
            case MediaKind.IMAGE, Role.LAST_FRAME:
                found["last_frame_url"] = each.url
            case MediaKind.IMAGE, _:
                lists.setdefault(images, []).append(each.url)
            case kind, _:
                lists.setdefault(f"reference_{kind}_urls", []).append(each.url)
    return {**found, **lists}
