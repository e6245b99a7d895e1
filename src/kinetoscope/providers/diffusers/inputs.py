"""References as pipelines take them: pictures, and clips as lists of pictures."""

from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageOps

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.diffusers.making import Making
from kinetoscope.providers.diffusers.mapping import Factors, frames_for, rounded_up
from kinetoscope.providers.diffusers.signature import Signature

FORMATS = "mov,matroska,webm,mp3,wav,flac,ogg,aac,gif"
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")


def arguments_from_media(
    making: Making, signature: Signature, factors: Factors, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Open every reference, cut to the shape of the result where the pipeline would squeeze it."""
    found: dict[str, Any] = {}
    size = _size(making, factors, arguments)
    squeezes = making.kind is MediaKind.VIDEO or "width" not in signature.parameters
    for medium in making.media:
        path = Path(medium.path)
        if medium.kind is MediaKind.VIDEO:
            limit = frames_for(making.duration_s, making.fps, factors.temporal)
            found[medium.argument] = clip(path, making.fps, limit, size)
        elif medium.many:
            found.setdefault(medium.argument, []).append(picture(path, None))
        else:
            found[medium.argument] = picture(path, size if squeezes else None)
    return found


def picture(path: Path, size: tuple[int, int] | None) -> Image.Image:
    """Open one picture upright, in plain colours, cut to a shape if need be."""
    with Image.open(path, formats=PICTURES) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return upright if size is None else ImageOps.fit(upright, size, Image.Resampling.LANCZOS)


def clip(path: Path, fps: float, limit: int, size: tuple[int, int] | None) -> list[Image.Image]:
    """Return a clip's pictures as they are seen at another rate, so many at most."""
    pictures: list[Image.Image] = []
    # A nameless file: FFmpeg takes a name for an address.
    with (
        path.open("rb", buffering=0) as file,
        av.open(_Nameless(file), "r", options={"format_whitelist": FORMATS}) as container,
    ):
        for frame in container.decode(video=0):
            while len(pictures) < limit and (frame.time or 0.0) * fps >= len(pictures) - 0.5:
                seen: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
                pictures.append(
                    seen if size is None else ImageOps.fit(seen, size, Image.Resampling.LANCZOS)
                )
            if len(pictures) >= limit:
                break
    return pictures


class _Nameless:
    """A file without its name."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - a raw file
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _size(making: Making, factors: Factors, arguments: dict[str, Any]) -> tuple[int, int] | None:
    if not (making.width and making.height):
        return None
    multiple = making.size_multiple or factors.multiple
    return (
        arguments.get("width", rounded_up(making.width, multiple)),
        arguments.get("height", rounded_up(making.height, multiple)),
    )
