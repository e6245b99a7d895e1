"""The small corner mark that tells everyone this is a preview, legible on light and on dark."""

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from kinetoscope.providers.embedded.noise import Plane

COMMENT = "Kinetoscope embedded renderer: procedural preview, not AI output"

_TEXT = "preview"
_HEIGHT_SHARE = 0.022
_SMALLEST_PX = 9
_INK = 0.86
_SHADE = 0.46


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the mark is, and how it blends: value = value * keep + add (0 to 255)."""

    left: int
    top: int
    keep: Plane
    add: Plane

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns."""
        height, width = self.keep.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def mark_for(width: int, height: int) -> Mark:
    """The mark for a picture of this size: a small play glyph in a ring, and one word."""
    side = max(_SMALLEST_PX, round(min(height, width * 1.2) * _HEIGHT_SHARE))
    font = ImageFont.load_default(side)
    reach = round(font.getlength(_TEXT))
    pad = max(3, side // 2)
    size = (side + side // 2 + reach + 2 * pad, side + 2 * pad)
    ink = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    draw = ImageDraw.Draw(ink)
    ring = (2 * pad, 2 * pad, 2 * (pad + side), 2 * (pad + side))
    draw.ellipse(ring, outline=255, width=max(2, side // 6))
    middle_x, middle_y, arm = 2 * pad + side, 2 * pad + side, side * 0.46
    draw.polygon(
        [
            (middle_x - arm * 0.62, middle_y - arm),
            (middle_x - arm * 0.62, middle_y + arm),
            (middle_x + arm * 1.1, middle_y),
        ],
        fill=255,
    )
    ink = ink.resize(size, Image.Resampling.LANCZOS)
    write = ImageDraw.Draw(ink)
    write.text((pad + side * 1.5, pad + side / 2), _TEXT, fill=255, font=font, anchor="lm")
    cover = np.asarray(ink, dtype=np.float32) * np.float32(_INK / 255)
    keep = (1 - _pill(size, side) * np.float32(_SHADE)) * (1 - cover)
    margin = max(2, side // 2)
    return Mark(width - size[0] - margin, height - size[1] - margin, keep, cover * 255)


def _pill(size: tuple[int, int], side: int) -> Plane:
    """A soft dark lozenge behind the mark, so that it is read on bright pictures too."""
    width, height = size
    sheet = Image.new("L", (width * 2, height * 2), 0)
    inset = max(2, side // 3)
    box = (inset, inset, width * 2 - inset, height * 2 - inset)
    ImageDraw.Draw(sheet).rounded_rectangle(box, radius=height, fill=255)
    soft = sheet.filter(ImageFilter.GaussianBlur(side / 5)).resize(size, Image.Resampling.BOX)
    return np.asarray(soft, dtype=np.float32) / np.float32(255)


def mark_frame(frame: av.VideoFrame, mark: Mark) -> None:
    """Blends the mark into a frame's brightness alone: its colour stays the picture's own."""
    plane = frame.planes[0]
    luma = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    area = luma[mark.region]
    area[...] = area * mark.keep + mark.add * np.float32(0.9) + np.float32(0.5)


def mark_pixels(pixels: NDArray[np.uint8], mark: Mark) -> None:
    """Blends the mark into red, green, blue and, where there is one, alpha."""
    area = pixels[mark.region]
    blended = area * mark.keep[..., None] + mark.add[..., None]
    if area.shape[2] == 4:  # noqa: PLR2004 - an alpha channel
        seen = np.float32(255) - (255 - area[..., 3]) * mark.keep
        share = np.float32(255) / np.maximum(seen, 1)[..., None]
        colour = area[..., :3] * mark.keep[..., None] * (area[..., 3:] / np.float32(255))
        blended[..., :3] = (colour + mark.add[..., None]) * share
        blended[..., 3] = seen
    area[...] = np.clip(blended + np.float32(0.5), 0, 255)
