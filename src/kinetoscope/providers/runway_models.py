"""What Runway's models take: it refuses fields and sizes that a model does not have.

Read off runwayml 5.24.0, runwayml/types/*_create_params.py; https://docs.dev.runwayml.com/api
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from kinetoscope.kernel.order import Order, Size
from kinetoscope.providers.contract import FetchedReference
from kinetoscope.providers.sizes import shape_of, shape_off, size_of

SHAPE_OFF_MAX = 0.04
PIXELS_OFF_MAX = 0.6
"""Natural logarithms: how far a size on offer may be from the ordered one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One model. `ratios` are the sizes it makes, all if empty; `auto` follows the first picture.

    `omni` models take references of every kind; `keeps_frames` ones always keep a frame's shape.
    """

    ratios: tuple[str, ...] = ()
    auto: str = ""
    seed: bool = False
    audio: bool = False
    omni: bool = False
    keeps_frames: bool = False
    mov: bool = False
    file_format: bool = False
    count: bool = False
    qualities: frozenset[str] = frozenset()


def _each(words: str) -> tuple[str, ...]:
    return tuple(words.split())


SEEDANCE_720P = _each(
    "992:432 864:496 752:560 640:640 560:752 496:864"
    " 1470:630 1280:720 1112:834 960:960 834:1112 720:1280"
)
SEEDANCE_5_720P = _each(
    "992:432 854:480 752:560 640:640 560:752 480:854"
    " 1470:630 1280:720 1112:834 960:960 834:1112 720:1280"
)
SEEDANCE_1080P = _each("2206:946 1920:1080 1664:1248 1440:1440 1248:1664 1080:1920")
SEEDANCE_4K = _each("3840:1646 3840:2160 3840:2880 3840:3840 2880:3840 2160:3840")
GEN_4 = _each("1280:720 720:1280 1104:832 960:960 832:1104 1584:672")
GEN_4_IMAGE = _each(
    "1024:1024 1080:1080 1168:880 1360:768 1440:1080 1080:1440 1808:768 1920:1080 1080:1920"
    " 2112:912 1280:720 720:1280 720:720 960:720 720:960 1680:720"
)
VEO = _each("1280:720 720:1280 1080:1920 1920:1080")
WAN = _each(
    "832:480 720:544 624:624 544:720 480:832 1280:720 1104:832 960:960 832:1104 720:1280"
    " 1920:1080 1648:1248 1440:1440 1248:1648 1080:1920"
)
SEEDREAM_PRO = _each(
    "1024:1024 1184:896 896:1184 1376:768 768:1376 1296:864 864:1296"
    " 2048:2048 2304:1728 1728:2304 2720:1530 1530:2720 2496:1664 1664:2496"
)
GPT = _each(
    "2048:880 1920:1088 1920:1280 1920:1440 1920:1536 1920:1920 1536:1920 1440:1920 1280:1920"
    " 1088:1920 2912:1248 2560:1440 2560:1712 2560:1920 2560:2048 2560:2560 2048:2560 1920:2560"
    " 1712:2560 1440:2560 3840:1648 3840:2160 3504:2336 3264:2448 3200:2560 2880:2880 2560:3200"
    " 2448:3264 2336:3504 2160:3840"
)
GEMINI = _each(
    "1344:768 768:1344 1024:1024 1184:864 864:1184 1536:672 832:1248 1248:832 896:1152 1152:896"
    " 2048:2048 1696:2528 2528:1696 1792:2400 2400:1792 1856:2304 2304:1856 1536:2752 2752:1536"
    " 3168:1344 4096:4096 3392:5056 5056:3392 3584:4800 4800:3584 3712:4608 4608:3712 3072:5504"
    " 5504:3072 6336:2688"
)


def _seedance(ratios: tuple[str, ...], *, mov: bool = False) -> Made:
    return Made(ratios=ratios, seed=True, audio=True, omni=True, mov=mov)


def _gpt(*qualities: str) -> Made:
    return Made(ratios=GPT, auto="auto", count=True, qualities=frozenset(qualities))


_WAN = Made(ratios=WAN, auto="auto_{}", audio=True, omni=True, keeps_frames=True)
_VEO = Made(ratios=VEO, seed=True, audio=True)
_GEN_4_IMAGE = Made(ratios=GEN_4_IMAGE, seed=True)

MADE = {
    "seedance2": _seedance((*SEEDANCE_720P, *SEEDANCE_1080P, *SEEDANCE_4K)),
    "seedance2_fast": _seedance(SEEDANCE_720P),
    "seedance2_mini": _seedance(SEEDANCE_720P),
    "seedance2_5": _seedance((*SEEDANCE_5_720P, *SEEDANCE_1080P), mov=True),
    "wan3": _WAN,
    "wan3_prime": _WAN,
    "gen4.5": Made(ratios=GEN_4, seed=True),
    "gen4_turbo": Made(ratios=GEN_4, seed=True),
    "veo3.1": _VEO,
    "veo3.1_fast": _VEO,
    "gen4_image": _GEN_4_IMAGE,
    "gen4_image_turbo": _GEN_4_IMAGE,
    "seedream5_pro": Made(ratios=SEEDREAM_PRO, auto="auto_{}", file_format=True, count=True),
    "gpt_image_2": _gpt("low", "medium", "high"),
    "gpt_image_2_5_flare": _gpt("low", "medium", "high", "xhigh", "max"),
    "gpt_image_2_5_sunburst": _gpt("low", "medium", "high", "xhigh", "max"),
    "gemini_image3.1_flash": Made(ratios=GEMINI),
    "gemini_image3_pro": Made(ratios=GEMINI),
}
OTHER = Made()
"""A model that only the operator knows: what nearly all have, and sizes as ordered."""


def ratio_of(
    made: Made, order: Order, references: tuple[FetchedReference, ...], *, has_frames: bool
) -> str | None:
    """Return the size in Runway's words; None where it needs no saying.

    It is empty where the model makes nothing near what is wanted.
    """
    wanted = shape_of(references)
    size = size_of(order, references)
    keeps = made.keeps_frames and has_frames
    shape_is_kept = (
        order.size is None or wanted is None or shape_off(order.size, wanted) < SHAPE_OFF_MAX
    )
    if made.auto and (order.size is None or (keeps and shape_is_kept)):
        return made.auto.format(order.resolution)
    if size is None:
        return None
    if keeps:
        return ""
    if not made.ratios:
        return f"{size.width}:{size.height}"
    return _named(size, made.ratios)


def _named(size: Size, ratios: Iterable[str]) -> str:
    """Return the ratio closest to a size, if any is close."""
    close: list[tuple[float, str]] = []
    for ratio in ratios:
        width, height = map(int, ratio.split(":"))
        off = shape_off(size, width / height)
        pixels_off = abs(math.log(width * height / (size.width * size.height)))
        if off < SHAPE_OFF_MAX and pixels_off < PIXELS_OFF_MAX:
            close.append((off + pixels_off, ratio))
    return min(close, default=(0.0, ""))[1]
