"""Opens reference pictures and clips, whatever their shape, and fits them to the frame."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.work import Work

_BT709 = 1
_IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
CLIP_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,flac,ogg,aac",
    "protocol_whitelist": "file",
}
"""The formats that inspection lets through; bytes from strangers are opened as nothing else."""
_PAPER = (244, 242, 238)
"""What shows through a transparent reference."""

Yuv = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Brightness at full size, and the two colour differences at half size."""


def picked(work: Work, role: Role, kind: MediaKind) -> list[Path]:
    """The paths of the work's pictures of one role and kind, in order."""
    return [
        picture.path for picture in work.pictures if picture.role is role and picture.kind is kind
    ]


def opened(path: Path) -> Image.Image:
    """The picture upright, in plain red, green and blue."""
    try:
        with Image.open(path, formats=_IMAGE_FORMATS) as file:
            file.load()
            upright = ImageOps.exif_transpose(file)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as cause:
        raise ValueError("A reference picture could not be read as an image.") from cause
    if upright.mode in {"I", "I;16", "I;16B", "F"}:
        values = np.asarray(upright, dtype=np.float32)
        most = 65535 if float(values.max()) > 255 else 255  # noqa: PLR2004 - 8 or 16 bits
        return Image.fromarray((values * (255 / most)).astype(np.uint8)).convert("RGB")
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        paper = Image.new("RGBA", clear.size, (*_PAPER, 255))
        return Image.alpha_composite(paper, clear).convert("RGB")
    return upright.convert("RGB")


def fitted(picture: Image.Image, size: Size) -> Image.Image:
    """The middle of the picture, filling the size entirely."""
    return ImageOps.fit(picture, (size.width, size.height), Image.Resampling.LANCZOS)


def as_yuv(picture: Image.Image) -> Yuv:
    """A fitted picture as the planes a clip is made of."""
    frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
    return planes_of(frame.reformat(format="yuv420p", dst_colorspace=_BT709))


def planes_of(frame: av.VideoFrame) -> Yuv:
    """The planes of a yuv420p frame, as views that can be written to."""
    views = [
        np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)[  # type: ignore[call-overload]
            : plane.height, : plane.width
        ]
        for plane in frame.planes
    ]
    return views[0], views[1], views[2]


def clip_frames(path: Path, size: Size, frames_per_s: int) -> Iterator[av.VideoFrame]:
    """A clip's frames at our rate, each scaled and cropped to fill the size, as yuv420p."""
    try:
        with av.open(str(path), options=CLIP_OPTIONS) as container:
            stream = container.streams.video[0]
            due = 0
            for frame in container.decode(stream):
                time_s = float(frame.time or 0.0) - float(
                    (stream.start_time or 0) * (stream.time_base or 0)
                )
                fit = None
                while due <= time_s * frames_per_s + 0.5:
                    fit = fit or _filling(frame, size)
                    yield fit
                    due += 1
    except (av.FFmpegError, IndexError) as cause:
        raise ValueError("A reference video could not be read.") from cause


def last_frame_of(path: Path, size: Size) -> Image.Image:
    """The last frame of a clip, fitted."""
    last: av.VideoFrame | None = None
    try:
        with av.open(str(path), options=CLIP_OPTIONS) as container:
            for frame in container.decode(video=0):
                last = frame
    except (av.FFmpegError, IndexError) as cause:
        raise ValueError("A reference video could not be read.") from cause
    if last is None:
        raise ValueError("A reference video has no frames.")
    return fitted(shown_by(last), size)


def shown_by(frame: av.VideoFrame) -> Image.Image:
    """A frame as a picture."""
    return Image.fromarray(frame.to_ndarray(format="rgb24"))


def _filling(frame: av.VideoFrame, size: Size) -> av.VideoFrame:
    scale = max(size.width / frame.width, size.height / frame.height)
    width = max(size.width, round(frame.width * scale / 2) * 2)
    height = max(size.height, round(frame.height * scale / 2) * 2)
    large = frame.reformat(width, height, "yuv420p", dst_colorspace=_BT709)
    left, top = (width - size.width) // 4 * 2, (height - size.height) // 4 * 2
    cut = av.VideoFrame(size.width, size.height, "yuv420p")
    for place, (source, target) in enumerate(zip(planes_of(large), planes_of(cut), strict=True)):
        half = 2 if place else 1
        rows = slice(top // half, top // half + target.shape[0])
        columns = slice(left // half, left // half + target.shape[1])
        target[...] = source[rows, columns]
    return cut
