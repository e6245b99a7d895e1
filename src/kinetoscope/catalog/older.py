"""Inputs as older versions of the contract wrote them, read as today's.

Before September 2026 the same API took `urls` (mixed media, told apart by file ending),
`sourceImageUrl` (one text), `resolution` as `1280x720`, and `upscaleResolution` (kinovi.ai/docs,
seedance2-pro.com/docs). A current name always wins over an older one, with one exception:
`upscaleResolution` asked for more than the resolution beside it, and today that is a resolution.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kinetoscope.catalog import urls
from kinetoscope.catalog.fields import Media
from kinetoscope.catalog.model import Model
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.order import MediaKind, Size

UPSCALE = "upscaleResolution"

_PIXELS = re.compile(r"([1-9][0-9]{1,4})[xX*]([1-9][0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client called an input, and where in its list the items stood, if it was a list."""

    name: str
    positions: tuple[int, ...] | None = None


def modernise(model: Model, given: dict[str, object], old: Mapping[str, object]) -> dict[str, Sent]:
    """Add what `old` names say to `given`; return where each addition came from, for the issues."""
    sent: dict[str, Sent] = {}
    for alias, value in old.items():
        for name, (current, origin) in _translated(model, alias, value).items():
            if name not in given or alias == UPSCALE:
                given[name] = current
                sent[name] = origin
    return sent


def as_sent(issue: InputIssue, sent: Mapping[str, Sent]) -> InputIssue:
    """Return the issue with the path the client wrote, not the one it was read as."""
    name, *rest = issue.path or ("",)
    origin = sent.get(str(name))
    if origin is None:
        return issue
    if rest and origin.positions is not None:
        rest = [origin.positions[int(rest[0])]]
    return InputIssue(issue.code, issue.message, (origin.name, *rest))


Translated = dict[str, tuple[object, Sent]]


def _translated(model: Model, alias: str, value: object) -> Translated:
    names = model.names_by_alias[alias]
    field = model.fields_by_name[names[0]]
    if isinstance(field, Media):
        return _media(model, alias, value)
    if isinstance(value, str) and field.name in {model.resolution_name, "aspectRatio"}:
        pixels = _PIXELS.fullmatch(value.strip())
        if pixels:
            return _pixels(model, alias, int(pixels[1]), int(pixels[2]))
    return {field.name: (value, Sent(alias))}


def _media(model: Model, alias: str, value: object) -> Translated:
    """Read one URL or a list of them; a mixed list is told apart by its endings."""
    names = model.names_by_alias[alias]
    if isinstance(value, str):
        value = [value] if value else []
    if not isinstance(value, list):
        return {names[0]: (value, Sent(alias))}
    parts: dict[str, list[int]] = {}
    for position, url in enumerate(value):
        parts.setdefault(_name_for(model, names, url), []).append(position)
    return {
        name: ([value[position] for position in positions], Sent(alias, tuple(positions)))
        for name, positions in parts.items()
    }


def _name_for(model: Model, names: tuple[str, ...], url: object) -> str:
    kind = urls.media_kind(url) if isinstance(url, str) else None
    return next((name for name in names if _kind_of(model, name) is kind), names[0])


def _kind_of(model: Model, name: str) -> MediaKind | None:
    field = model.fields_by_name[name]
    return field.kind if isinstance(field, Media) else None


def _pixels(model: Model, alias: str, width: int, height: int) -> Translated:
    """Read `1280x720` as the aspect ratio and the resolution it is nearest to."""
    if not model.sizes:
        return {}
    by_ratio = next(iter(model.sizes.values()))
    ratio = min(by_ratio, key=lambda name: _shape_distance(name, width, height))
    read: Translated = {"aspectRatio": (ratio, Sent(alias))}
    if model.resolution_name:
        word = f"{min(width, height)}p"
        if word not in model.sizes:
            word = min(
                model.sizes, key=lambda at: _area_distance(model.sizes[at][ratio], width * height)
            )
        read[model.resolution_name] = (word, Sent(alias))
    return read


def _shape_distance(ratio: str, width: int, height: int) -> int:
    """Return how far apart the shapes are, in hundredths. Whole numbers only."""
    across, _, down = ratio.partition(":")
    return abs(100 * int(across) // int(down) - 100 * width // height)


def _area_distance(size: Size, area: int) -> int:
    return abs(size.width * size.height - area)
