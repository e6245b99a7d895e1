"""What a file really is, found out in a confined child, because its bytes may be hostile."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import probing

MEDIA_KINDS = {
    "video/mp4": MediaKind.VIDEO,
    "video/quicktime": MediaKind.VIDEO,
    "video/webm": MediaKind.VIDEO,
    "image/png": MediaKind.IMAGE,
    "image/jpeg": MediaKind.IMAGE,
    "image/webp": MediaKind.IMAGE,
    "image/gif": MediaKind.IMAGE,
    "audio/wav": MediaKind.AUDIO,
    "audio/mpeg": MediaKind.AUDIO,
    "audio/mp4": MediaKind.AUDIO,
    "audio/aac": MediaKind.AUDIO,
    "audio/ogg": MediaKind.AUDIO,
    "audio/flac": MediaKind.AUDIO,
}
"""Every media type an inspection can name."""


class MediaRefused(KinetoscopeError):
    """One of the files is not what we accept: `index` says which, `reason` why, safe to show."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"File {index + 1} {reason}")
        self.index = index
        self.reason = reason


class InspectionFailed(KinetoscopeError):
    """The child could not start: this machine's fault, not the file's. Trying again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLimits:
    """What one inspection may take, over all its files together, and what a file may be.

    A WebP may have three fifths of `image_pixels_max`, for the memory its decoder takes.
    """

    total_timeout_s: float = 10.0
    cpu_s_max: int = 10
    memory_bytes_max: int = 1024 * 1024 * 1024
    image_pixels_max: int = 50_000_000
    video_pixels_max: int = 36_000_000
    packets_max: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a file really is.

    `width` and `height` are pixels as a viewer sees them: after EXIF orientation or the display
    matrix, before the sample aspect ratio; 0 for sound. `duration_ms` is that of the picture
    where there is one, counted from packets; 0 for images. `frames` counts coded frames: 1 for
    images (animated or not), 0 for sound.
    """

    kind: MediaKind
    media_type: str
    width: int
    height: int
    duration_ms: int
    frames: int
    has_audio: bool
    bytes_size: int


async def inspect(
    paths: Sequence[Path], limits: InspectLimits, *, stills: bool = False
) -> tuple[Inspected, ...]:
    """Open every file in one child process and say what each is, in the same order.

    It is quicker for still images where nothing but `stills` is expected, and the same otherwise.
    Raises MediaRefused for the first file that is not acceptable, which includes one that kills
    the child or outlasts `total_timeout_s`, and InspectionFailed where no child could start.
    """
    if not paths:
        return ()
    request = {
        "parent": os.getpid(),
        "paths": [str(path.absolute()) for path in paths],
        "limits": asdict(limits),
    }
    lines, in_time = await probing.answers(request, limits.total_timeout_s, stills=stills)
    if not lines:
        raise InspectionFailed("No inspection could be started")
    ending = "cannot be decoded" if in_time else "takes too long to open"
    return tuple(
        _inspected(index, lines[index + 1] if index + 1 < len(lines) else None, ending)
        for index in range(len(paths))
    )


def _inspected(index: int, line: bytes | None, ending: str) -> Inspected:
    if line is None:
        raise MediaRefused(index, ending)
    # The child has read hostile bytes: its answer is checked like anybody's.
    try:
        answer = json.loads(line)
        if "reason" in answer:
            raise MediaRefused(index, str(answer["reason"])[:200])
        return Inspected(
            kind=MEDIA_KINDS[answer["media_type"]],
            media_type=str(answer["media_type"]),
            width=int(answer["width"]),
            height=int(answer["height"]),
            duration_ms=int(answer["duration_ms"]),
            frames=int(answer["frames"]),
            has_audio=answer["has_audio"] is True,
            bytes_size=int(answer["bytes_size"]),
        )
    except (KeyError, TypeError, ValueError):
        raise MediaRefused(index, "cannot be decoded") from None
