"""What one task asks for, normalised: the value the catalog makes and a provider takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

COUNT_MAX = 1_000_000_000
"""More than any job uses of anything, and little enough to reckon with in a database."""


class MediaKind(StrEnum):
    """The three kinds of media, as outputs and as references."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"


class Role(StrEnum):
    """What a reference is for."""

    FIRST_FRAME = "first_frame"
    """An image: the clip starts with it."""
    LAST_FRAME = "last_frame"
    """An image: the clip ends with it."""
    REFERENCE = "reference"
    """Any kind: composed into the result."""
    SOURCE = "source"
    """A video: the clip to edit or to extend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One piece of media a client refers to. `number` counts from 1 within its kind (@image1).

    A `dispensable` one that cannot be fetched is left out; any other ends the task.
    """

    kind: MediaKind
    role: Role
    url: str
    number: int
    dispensable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One checked request: every default filled in, every alias resolved.

    `size` is None where the result follows the shape of the first reference; the provider then
    picks the member of `sizes` nearest in shape. `duration_s` is 0 for images. `seed` is None
    where the client left it open; the task fixes one at creation. `file_format` is one of mp4,
    mov, png, jpeg, webp, wav. `quality` is the model's own word, or empty. `inputs` are the
    public input fields after normalising, as they are stored and shown.
    """

    model: str
    kind: MediaKind
    prompt: str
    size: Size | None
    sizes: tuple[Size, ...]
    duration_s: int
    count: int
    seed: int | None
    audio: bool
    file_format: str
    last_frame: bool
    quality: str
    resolution: str
    references: tuple[Reference, ...]
    inputs: Mapping[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a finished job really used, for models that settle after the fact.

    `reference_video_s` is the whole seconds of all reference or source video, rounded up.
    Tokens are the upstream's count, or the embedded renderer's estimate.
    """

    reference_video_s: int = 0
    tokens_text_in: int = 0
    tokens_image_in: int = 0
    tokens_image_out: int = 0

    def credible(self) -> "Usage":
        """Return the same within limits: nobody uses less than nothing, or more than there is."""
        return Usage(
            reference_video_s=_credible(self.reference_video_s),
            tokens_text_in=_credible(self.tokens_text_in),
            tokens_image_in=_credible(self.tokens_image_in),
            tokens_image_out=_credible(self.tokens_image_out),
        )


def _credible(count: int) -> int:
    return max(0, min(count, COUNT_MAX))
