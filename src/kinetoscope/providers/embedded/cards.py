"""Reference pictures in a scene: prints that float in its air, each with a border and a shadow."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.chance import chance
from kinetoscope.providers.embedded.pictures import Yuv, clip_frames, opened, picked, planes_of
from kinetoscope.providers.embedded.work import FRAMES_PER_S, Work

_BORDER = (246, 243, 236)
_MOST_CARDS = 9
_AREAS = (0.30, 0.20, 0.145, 0.11, 0.085, 0.075, 0.062, 0.055, 0.048)
"""Each card's share of the picture, by how many there are."""


@dataclass(frozen=True, slots=True)
class Print:
    """One card as planes to blend: value = value * keep + add. Offsets are its resting place."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    left: float
    top: float
    near: float
    phase: float


def prints(work: Work, seed: int, *, colour_planes: bool) -> list[Print]:
    """All reference images as cards; in red, green, blue, or as yuv420p planes."""
    paths = picked(work, Role.REFERENCE, MediaKind.IMAGE)[:_MOST_CARDS]
    count = min(len(paths) + len(_clips(work)), _MOST_CARDS)
    made = []
    for number, path in enumerate(paths[:count]):
        sheet, left, top, lean = _sheet(opened(path), work.size, (number, count), seed)
        layers = _rgb_layers(sheet) if colour_planes else _yuv_layers(sheet)
        made.append(Print(layers, left, top, 0.6 + 0.4 * lean, number * 1.9 + lean))
    return made


def lay_prints(
    planes: tuple[NDArray[np.uint8], ...], cards: list[Print], time_s: float, pan: float
) -> None:
    """Blends the cards into display planes; they sway a little, and slide with the camera."""
    height = planes[0].shape[0]
    for card in cards:
        sway = np.sin(time_s * 0.7 + card.phase)
        x = (
            card.left
            + (0.004 * np.sin(time_s * 0.5 + card.phase * 2) - pan * 0.12 * card.near) * height
        )
        y = card.top + 0.006 * sway * height
        for plane, (keep, add) in zip(planes, card.layers, strict=True):
            scale = plane.shape[0] / height
            _blend(plane, (keep, add), x * scale, y * scale)


def screens(work: Work) -> list["Screen"]:
    """All reference clips as cards that play."""
    clips = _clips(work)
    images = len(picked(work, Role.REFERENCE, MediaKind.IMAGE))
    count = min(images + len(clips), _MOST_CARDS)
    made = []
    for number, path in enumerate(clips):
        tall = _tallness(work.size, (min(images + number, count - 1), count), 16 / 9)
        size = Size(width=int(tall * 16 / 9 / 4) * 4, height=int(tall / 4) * 4)
        place = (min(images + number, count - 1), count)
        x, y = _place(place, work.size, chance(work.seed, "screen", str(number)))
        left, top = max(4, x - size.width / 2), max(4, y - size.height / 2)
        frames = clip_frames(path, size, FRAMES_PER_S)
        made.append(Screen(frames, round(left / 2) * 2, round(top / 2) * 2))
    return made


def _clips(work: Work) -> list[Path]:
    return picked(work, Role.REFERENCE, MediaKind.VIDEO)[:3]


def _tallness(size: Size, order: tuple[int, int], shape: float) -> float:
    """A card's height: its share of the picture, within its row and column."""
    rows, columns = _grid(size, order[1])
    tall = (_AREAS[order[1] - 1] * size.width * size.height / shape) ** 0.5
    return float(min(tall, size.height * 0.66 / rows, size.width * 0.8 / columns / shape))


def _grid(size: Size, count: int) -> tuple[int, int]:
    """One row, or two or three on upright and crowded pictures."""
    upright = size.height > size.width * 1.1
    rows = min(count, 3) if upright else 1 if count <= 3 else 2  # noqa: PLR2004
    return rows, -(-count // rows)


class Screen:
    """A clip playing inside the picture; it holds its last frame when it is over."""

    def __init__(self, frames: Iterator[av.VideoFrame], left: int, top: int) -> None:
        self._frames = frames
        self._left, self._top = left, top
        self._shown: Yuv | None = None

    def lay(self, planes: Yuv) -> None:
        """Shows the next frame, inside a thin bright border and a soft shadow."""
        frame = next(self._frames, None)
        if frame is not None:
            self._shown = planes_of(frame)
        if self._shown is None:
            return
        border = max(2, planes[0].shape[0] // 180) * 2
        for place, (plane, picture) in enumerate(zip(planes, self._shown, strict=True)):
            half = 2 if place else 1
            left, top = self._left // half, self._top // half
            height, width = picture.shape
            edge = border // half
            outer = plane[
                max(0, top - edge) : top + height + edge, max(0, left - edge) : left + width + edge
            ]
            outer[...] = 128 if place else 226
            target = plane[top : top + height, left : left + width]
            target[...] = picture[: target.shape[0], : target.shape[1]]


def _sheet(
    picture: Image.Image, size: Size, order: tuple[int, int], seed: int
) -> tuple[Image.Image, float, float, float]:
    """The card with border and shadow on a clear sheet, and where the sheet goes."""
    rng = chance(seed, "card", str(order[0]))
    shape = min(max(picture.width / picture.height, 0.5), 2.2)
    tall = _tallness(size, order, shape)
    width, height = max(8, round(tall * shape)), max(8, round(tall))
    border = max(2, round(height * 0.035))
    card = Image.new("RGBA", (width + 2 * border, height + 2 * border), (*_BORDER, 255))
    scale = max(width / picture.width, height / picture.height)
    box_wide, box_tall = width / scale, height / scale
    left, top = (picture.width - box_wide) / 2, (picture.height - box_tall) / 2
    box = (left, top, left + box_wide, top + box_tall)
    card.paste(picture.resize((width, height), Image.Resampling.LANCZOS, box=box), (border, border))
    lean = float(rng.uniform(-1, 1))
    pad = round(height * 0.16) + 4
    sheet = Image.new("RGBA", (card.width + 2 * pad, card.height + 2 * pad), (0, 0, 0, 0))
    sheet.paste(card, (pad, pad))
    sheet = sheet.rotate(lean * 2.6, Image.Resampling.BICUBIC)
    shadow = Image.new("RGBA", sheet.size, (6, 8, 14, 0))
    soft = sheet.getchannel("A").filter(ImageFilter.GaussianBlur(height * 0.045))
    faint = soft.point([round(level * 0.55) for level in range(256)])
    shadow.putalpha(faint)
    under = Image.new("RGBA", sheet.size, (6, 8, 14, 0))
    under.paste(shadow, (round(height * 0.012), round(height * 0.035)))
    whole = Image.alpha_composite(under, sheet)
    x, y = _place(order, size, rng)
    return whole, x - whole.width / 2, y - whole.height / 2, lean


def _place(order: tuple[int, int], size: Size, rng: np.random.Generator) -> tuple[float, float]:
    """The middle of one card; never quite in line with the others."""
    number, count = order
    rows, columns = _grid(size, count)
    row, column = divmod(number, columns)
    here = columns if row < rows - 1 else count - columns * (rows - 1)
    x = 0.5 + (column + 0.5 - here / 2) * (0.9 / max(here, columns))
    y = 0.46 if rows == 1 else 0.14 + 0.72 * (row + 0.5) / rows
    jitter = rng.uniform(-0.022, 0.022, 2)
    return (x + float(jitter[0])) * size.width, (y + float(jitter[1])) * size.height


def _rgb_layers(sheet: Image.Image) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    pixels = np.asarray(sheet, dtype=np.float32)
    cover = np.asarray(np.pad(pixels[..., 3], 1), dtype=np.float32) / np.float32(255)
    keep = 1 - cover
    return tuple((keep, np.pad(pixels[..., channel], 1) * cover) for channel in range(3))


def _yuv_layers(sheet: Image.Image) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """BT.709, limited range; colour at half size."""
    pixels = np.asarray(sheet, dtype=np.float32)
    pixels = np.pad(pixels, ((2, 2 + pixels.shape[0] % 2), (2, 2 + pixels.shape[1] % 2), (0, 0)))
    red, green, blue, alpha = (np.ascontiguousarray(pixels[..., place]) for place in range(4))
    cover = alpha / np.float32(255)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    layers = [(1 - cover, (16 + luma * (219 / 255)) * cover)]
    small = _halved(cover)
    for colour, span in ((blue, 1.8556), (red, 1.5748)):
        difference = 128 + (colour - luma) / span * (224 / 255)
        layers.append((1 - small, _halved(difference * cover)))
    return tuple((keep.astype(np.float32), add.astype(np.float32)) for keep, add in layers)


def _halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    tall, wide = plane.shape
    return np.asarray(plane.reshape(tall // 2, 2, wide // 2, 2).mean(axis=(1, 3)), np.float32)


def _blend(
    plane: NDArray[np.uint8],
    layer: tuple[NDArray[np.float32], NDArray[np.float32]],
    left: float,
    top: float,
) -> None:
    """One layer at fractions of a pixel, cut off at the edges."""
    keep, add = layer
    x, y = int(np.floor(left)), int(np.floor(top))
    across, down = np.float32(left - x), np.float32(top - y)
    height, width = keep.shape[0] - 1, keep.shape[1] - 1
    y0, y1 = max(0, -y), min(height, plane.shape[0] - y)
    x0, x1 = max(0, -x), min(width, plane.shape[1] - x)
    if y0 >= y1 or x0 >= x1:
        return
    area = plane[y + y0 : y + y1, x + x0 : x + x1]
    part = (slice(y0, y1), slice(x0, x1))
    blended = area * _shifted(keep, across, down)[part] + _shifted(add, across, down)[part]
    area[...] = np.clip(blended + np.float32(0.5), 0, 255)


def _shifted(
    plane: NDArray[np.float32], across: np.float32, down: np.float32
) -> NDArray[np.float32]:
    rows = plane[1:] * (1 - down) + plane[:-1] * down
    return np.asarray(rows[:, 1:] * (1 - across) + rows[:, :-1] * across, dtype=np.float32)
