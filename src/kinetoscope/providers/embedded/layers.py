"""Flat things in depth: painted once with room to both sides, then slid past each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from kinetoscope.providers.embedded.noise import Plane, Planes
from kinetoscope.providers.embedded.tone import unfilm

SHARPNESS = 2
"""Shapes are drawn this many times larger and averaged down, which smooths their edges."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """What hides (cover, 0 to 1) and what is seen (light, already multiplied by cover).

    Both are wider than the picture by `margin` pixels on each side.
    """

    cover: Plane
    light: Planes
    margin: int


def blank(width: int, height: int, mode: str = "L") -> Image.Image:
    """An empty sheet to draw on, SHARPNESS times the given size."""
    return Image.new(mode, (width * SHARPNESS, height * SHARPNESS), 0)


def cover_of(sheet: Image.Image) -> Plane:
    """A drawn sheet as 0 to 1, at its real size."""
    small = sheet.reduce(SHARPNESS)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def glow_of(sheet: Image.Image, reach: float) -> Planes:
    """Drawn lights as light, with a bloom around them."""
    small = sheet.reduce(SHARPNESS)
    light = _planes(small) * np.float32(1.5)
    for share, spread in ((0.55, reach), (0.5, reach * 4)):
        # blurred at a quarter of the size: nobody sees it, and it is sixteen times cheaper
        quarter = small.reduce(4) if min(small.size) > 64 else small  # noqa: PLR2004
        scale = small.width / quarter.width
        soft = quarter.filter(ImageFilter.GaussianBlur(max(spread / scale, 0.5)))
        light += _planes(soft.resize(small.size, Image.Resampling.BILINEAR)) * np.float32(share)
    return light


def _planes(picture: Image.Image) -> Planes:
    shown = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    return unfilm(np.ascontiguousarray(shown))


def slid(plane: NDArray[np.float32], offset_px: float, width: int) -> NDArray[np.float32]:
    """The `width` columns that start at a fractional offset (last axis)."""
    most = plane.shape[-1] - width
    offset = min(max(offset_px, 0.0), float(most))
    left = min(int(offset), max(most - 1, 0))
    share = np.float32(offset - left)
    first = plane[..., left : left + width]
    if share == 0 or left + width >= plane.shape[-1]:
        return first
    after = plane[..., left + 1 : left + 1 + width]
    return np.asarray(first + (after - first) * share, dtype=np.float32)


def put(planes: Planes, cutout: Cutout, offset_px: float) -> None:
    """Lays a cutout over the planes, slid sideways from its middle."""
    width = planes.shape[2]
    place = cutout.margin + offset_px
    height = min(planes.shape[1], cutout.cover.shape[0])
    area = planes[:, :height]
    area *= 1 - slid(cutout.cover[:height], place, width)
    area += slid(cutout.light[:, :height], place, width)


def stamp(planes: Planes, sprite: tuple[Plane, Planes], left: float, top: float) -> None:
    """Lays a sprite over the planes at fractions of a pixel, cut off at the edges."""
    cover, light = sprite
    x, y = int(np.floor(left)), int(np.floor(top))
    across, down = np.float32(left - x), np.float32(top - y)
    height, width = cover.shape[0] - 1, cover.shape[1] - 1
    y0, y1 = max(0, -y), min(height, planes.shape[1] - y)
    x0, x1 = max(0, -x), min(width, planes.shape[2] - x)
    if y0 >= y1 or x0 >= x1:
        return
    area = planes[:, y + y0 : y + y1, x + x0 : x + x1]
    part = (slice(y0, y1), slice(x0, x1))
    area *= 1 - _shifted(cover, across, down)[part]
    area += _shifted(light, across, down)[:, part[0], part[1]]


def _shifted(
    plane: NDArray[np.float32], across: np.float32, down: np.float32
) -> NDArray[np.float32]:
    rows = plane[..., 1:, :] * (1 - down) + plane[..., :-1, :] * down
    return np.asarray(rows[..., 1:] * (1 - across) + rows[..., :-1] * across, dtype=np.float32)
