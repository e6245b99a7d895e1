"""Clips that begin or end with a given picture, or play a given clip: the picture comes alive.

Worked in yuv420p at full size, so that a given picture keeps all of its detail.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile, look_up, smooth_step
from kinetoscope.providers.embedded.pictures import Yuv, as_yuv, planes_of
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.stage import Painter, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import film, grey
from kinetoscope.providers.embedded.weather import weather_of

_CLOSER = 0.13
_DISSOLVE = (0.28, 0.72)
_RISE_S = 0.7
_LIGHT = 0.16
_LIGHT_FRAMES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The pictures a clip starts and ends with, fitted to its size; at least the first is there."""

    first: Image.Image
    last: Image.Image | None


def living_frames(stage: Stage, ends: Ends, size: Size, frames: int) -> Iterator[av.VideoFrame]:
    """Exactly the first picture, then life, then, where there is one, exactly the last."""
    first = as_yuv(ends.first)
    last = as_yuv(ends.last) if ends.last is not None else None
    air = air_of(stage)
    thresholds = _thresholds(stage, size) if last is not None else None
    for number in range(frames):
        share = number / max(frames - 1, 1)
        frame = av.VideoFrame(size.width, size.height, "yuv420p")
        target = planes_of(frame)
        _moved(first, _box(stage.reading, size, share), target)
        strength = min(1.0, number / 24 / _RISE_S)
        if last is not None and thresholds is not None:
            strength = min(strength, (frames - 1 - number) / 24 / _RISE_S)
            _dissolve(target, last, thresholds, (stage.reading, size, share))
        if strength > 0:
            air(number, strength, target)
        yield frame


def air_of(stage: Stage) -> Callable[[int, float, Yuv], None]:
    """The prompt's light and weather, laid over full-size planes by strength (0 to 1)."""
    painters = weather_of(stage)
    drift = _drifting_light(stage)
    light = np.empty((3, stage.height, stage.width), dtype=np.float32)
    shown = np.empty_like(light)
    spare = np.empty_like(light[0])
    colour = _tint(stage)

    def lay(frame: int, strength: float, target: Yuv) -> None:
        cover = drift(frame)
        if painters:
            cover = cover + _weather(painters, (light, shown, spare), stage, frame)
        cover = cover * np.float32(strength)
        mask = Image.fromarray((np.minimum(cover, 1) * np.float32(255)).astype(np.uint8))
        for plane, value in zip(target, colour, strict=True):
            size = (plane.shape[1], plane.shape[0])
            sized = mask if mask.size == size else mask.resize(size, Image.Resampling.BILINEAR)
            tint = Image.new("L", size, round(value))
            plane[...] = np.asarray(Image.composite(tint, Image.fromarray(plane), sized))

    return lay


def _weather(
    painters: list[Painter], buffers: tuple[NDArray[np.float32], ...], stage: Stage, frame: int
) -> Plane:
    """What the weather alone would show on black, as how much it covers."""
    light, shown, spare = buffers
    light[...] = 0
    moment = stage.moment_at(frame)
    for painter in painters:
        painter(moment, light)
    film(light, shown, spare)
    return np.asarray(np.minimum(grey(shown) * np.float32(0.8), 0.9), dtype=np.float32)


def _tint(stage: Stage) -> tuple[float, float, float]:
    """The light's colour as brightness and colour differences."""
    glow = stage.palette.cloud_lit if stage.reading.weather != "clear" else stage.palette.glow
    shown = np.empty((3, 1, 1), dtype=np.float32)
    film((glow * np.float32(1.3)).reshape(3, 1, 1), shown, np.empty((1, 1), dtype=np.float32))
    red, green, blue = (float(value) for value in shown.ravel())
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def _drifting_light(stage: Stage) -> Callable[[int], Plane]:
    """Soft light that wanders over the picture, stronger towards the sun's side."""
    tile = fractal_tile(stage.chance("drifting light"), 64, -0.6, 1)
    across, down = stage.across(), stage.down()
    lean = np.float32(np.sign(stage.sun_x) * 0.5 / max(stage.aspect, 1))
    side = np.clip(0.55 + across * lean, 0, 1)
    dim = np.float32(_LIGHT * (1 - 0.6 * stage.palette.night))

    def at(frame: int) -> Planes:
        drift = np.float32(stage.moment_at(frame).time_s * 0.035)
        x = across * np.float32(0.25) + down * np.float32(0.12) + drift
        wisp = look_up(tile, *np.broadcast_arrays(x, down * np.float32(0.2) - drift * 0.4))
        return np.asarray((smooth_step(-0.6, 2.0, wisp) * side * dim)[None], dtype=np.float32)

    plate = SlowPlate(at, _LIGHT_FRAMES)
    shown = np.empty((1, stage.height, stage.width), dtype=np.float32)

    def show(frame: int) -> Plane:
        plate.show(frame, shown)
        return np.asarray(shown[0], dtype=np.float32)

    return show


def _box(
    reading: Reading, size: Size, share: float, *, arriving: bool = False
) -> tuple[float, float, float, float]:
    """The part of the picture seen: all of it at rest, then slowly closer, or along the words."""
    if "still" in reading.camera:
        return (0.0, 0.0, float(size.width), float(size.height))
    gone = 1 - share if arriving else share
    eased = gone * gone * (3 - 2 * gone) * 0.6 + gone * gone * 0.4
    zoom = 1 + _CLOSER * eased
    wide, tall = size.width / zoom, size.height / zoom
    way = -1 if arriving else 1
    side = (
        ("right" in reading.camera or "orbit" in reading.camera) - ("left" in reading.camera)
    ) * way
    rise = (("down" in reading.camera) - ("up" in reading.camera)) * way
    left = (size.width - wide) / 2 * (1 + side * 0.95)
    top = (size.height - tall) / 2 * (1 + rise * 0.95)
    return (left, top, left + wide, top + tall)


def _moved(source: Yuv, box: tuple[float, float, float, float], target: Yuv) -> None:
    for place, (picture, plane) in enumerate(zip(source, target, strict=True)):
        half = 2 if place else 1
        height, width = picture.shape
        left, top, right, bottom = (value / half for value in box)
        cut = (max(0.0, left), max(0.0, top), min(right, float(width)), min(bottom, float(height)))
        if cut == (0.0, 0.0, float(width), float(height)):
            plane[...] = picture
            continue
        moved = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box=cut)
        plane[...] = np.asarray(moved)


def _thresholds(stage: Stage, size: Size) -> tuple[Plane, Plane]:
    """When each pixel gives way: in soft clouds, not all at once; at full and at half size."""
    tile = fractal_tile(stage.chance("dissolve"), 128, 0.0, 2)
    across, down = np.broadcast_arrays(stage.across() * 0.35, stage.down() * np.float32(0.35))
    small = smooth_step(-2.2, 2.2, look_up(tile, across, down))
    sheet = Image.fromarray(small)
    full = sheet.resize((size.width, size.height), Image.Resampling.BILINEAR)
    half = sheet.resize((size.width // 2, size.height // 2), Image.Resampling.BILINEAR)
    return np.asarray(full), np.asarray(half)


def _dissolve(
    target: Yuv, last: Yuv, thresholds: tuple[Plane, Plane], place: tuple[Reading, Size, float]
) -> None:
    reading, size, share = place
    start, end = _DISSOLVE
    progress = (share - start) / (end - start)
    if progress <= 0:
        return
    arriving: Yuv = (np.empty_like(target[0]), np.empty_like(target[1]), np.empty_like(target[2]))
    _moved(last, _box(reading, size, share, arriving=True), arriving)
    for number, (plane, coming) in enumerate(zip(target, arriving, strict=True)):
        if progress >= 1:
            plane[...] = coming
            continue
        threshold = thresholds[1 if number else 0]
        weight = smooth_step(-0.35, 0.35, np.float32(progress * 1.7 - 0.35) - threshold)
        mixed = plane.astype(np.float32)
        mixed += (coming - mixed) * weight
        plane[...] = mixed + np.float32(0.5)
