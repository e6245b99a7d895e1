"""What a model is once loaded: plain values with everything a request needs computed ahead."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kinetoscope.catalog.fields import Field, Media
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.order import JSON, MediaKind, Size

Rates = Mapping[str, Credits]
"""Credits by resolution word; the one key is empty where a model has no resolution input."""

FOLLOW_WORDS = frozenset({"auto", "adaptive"})
"""Aspect ratios that are no ratio: take the shape of the media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSecond:
    """Seconds of output times a rate. `rates_with_video`, if any, hold with a reference video.

    `finer` adds thousandths of a credit a second where the list price leaves digits out; the
    product is rounded once, half up, to 1/100 credit.
    """

    rates: Rates
    rates_with_video: Rates
    finer: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerImage:
    """Images times a rate, by quality and then resolution; one empty quality without such input."""

    rates: Mapping[str, Rates]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerTask:
    """One price, whatever comes out."""

    price: Credits


@dataclass(frozen=True, slots=True, kw_only=True)
class PerFootageSecond:
    """As PerSecond, but with a reference video its seconds are paid too, once they are known."""

    rates: Rates
    rates_with_video: Rates
    footage_max_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerEditedSecond:
    """The source's seconds, paid `passes` times (read and written); `hold_s` seconds are held."""

    rates: Rates
    hold_s: int
    passes: int
    footage_max_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerToken:
    """Tokens by kind, each in credits per 1,000; `precharge` is held until they are known."""

    precharge: Credits
    text_in: Credits
    image_in: Credits
    image_out: Credits


Price = PerSecond | PerImage | PerTask | PerFootageSecond | PerEditedSecond | PerToken


class Roles(StrEnum):
    """What the media of a request are for."""

    REFERENCES = "references"
    """Every one is a reference."""
    FRAMES = "frames"
    """The first image opens the clip, the second closes it."""
    BY_MODE = "by_mode"
    """The `mode` input decides between the two; any video or audio forces references."""
    BY_MODE_OR_COUNT = "by_mode_or_count"
    """The same, but three images or more without a `mode` are references."""
    SOURCE = "source"
    """The first video is edited or continued; the rest are references."""


class Follows(StrEnum):
    """When the output takes the shape of the first image or video instead of an aspect ratio."""

    WHEN_ASKED = "when_asked"
    """Where `aspectRatio` is `auto` or `adaptive`."""
    UNLESS_SET = "unless_set"
    """There, and where no `aspectRatio` is given."""
    FRAMES_ALWAYS = "frames_always"
    """There, and whenever an image is the opening frame."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. `version` changes with the file that declares it.

    `known_as` are names under which other services know the very same model. `sizes` go by
    resolution, then aspect ratio; empty for audio. `count` is the number of files a task makes.
    `shape` is the aspect ratio where nothing else tells. `refuses` are inputs of
    other models that this one turns away instead of ignoring. The names after `price` are
    computed on load: which inputs mean what, and what is left out.
    """

    id: str
    version: str
    title: str
    kind: MediaKind
    family: str
    description: str
    examples: tuple[str, ...]
    known_as: tuple[str, ...]
    fields: tuple[Field, ...]
    refuses: tuple[str, ...]
    roles: Roles
    follows: Follows
    shape: str
    sizes: Mapping[str, Mapping[str, Size]]
    file_format: str
    count: int
    price: Price

    fields_by_name: Mapping[str, Field]
    names_by_alias: Mapping[str, tuple[str, ...]]
    names_by_flag: Mapping[str, str]
    required: tuple[Field, ...]
    media: tuple[Media, ...]
    defaults: Mapping[str, JSON]
    size_lists: Mapping[str, tuple[Size, ...]]
    resolution_name: str
    format_name: str
    audio_name: str
