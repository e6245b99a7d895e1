"""What the renderer is asked for and what it gives back: plain values, no web, no database."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinetoscope.kernel.order import MediaKind, Role, Size

Progress = Callable[[float], None]
"""Called with the share of the work done, 0 to 1, not more often than about ten times a second."""

FRAMES_PER_S = 24
SAMPLES_PER_S = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A reference on disk: an image, video or audio file that has passed inspection."""

    kind: MediaKind
    role: Role
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One rendering. The same work gives the same bytes, whatever machine or time it is.

    `size` is ignored for audio; `duration_s` for images. `count` is the number of images.
    `file_format` is mp4 or mov for video; png, jpeg or webp for images; wav for audio.
    `transparent` asks for an alpha channel (png, webp).
    """

    kind: MediaKind
    prompt: str
    seed: int
    size: Size
    duration_s: float
    count: int
    audio: bool
    file_format: str
    last_frame: bool
    transparent: bool
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One file the renderer made. `last_frame` is the PNG of a video's last frame."""

    path: Path
    media_type: str
    seed: int
    last_frame: Path | None
