"""Ridges: mountains, hills and dunes, one behind the other, each paler than the one before it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.noise import (
    Plane,
    Planes,
    fractal_line,
    fractal_tile,
    look_up,
    smooth_step,
)
from kinetoscope.providers.embedded.stage import Moment, Stage
from kinetoscope.providers.embedded.tone import Colour, mix, spread

_LINE = 4096
_RELIEF = 512
_PARALLAX = 0.5
_GROWTH = 0.035


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """One ridge.

    `base` and `rise` are in picture heights (base from the top, rise of its peaks);
    `near` is 0 at the horizon and 1 at our feet; `stretch` is how many heights its outline takes
    before it repeats; `mist` is how much it drowns in haze at its foot; `snow` how far down the
    snow lies, in heights.
    """

    base: float
    rise: float
    near: float
    falloff: float
    stretch: float
    mist: float
    snow: float
    colour: Colour
    lit: Colour
    rugged: float


def ridge_painter(stage: Stage, ridge: Ridge, name: str) -> Callable[[Moment, Planes], None]:
    """A painter of one ridge over what is there already."""
    rng = stage.chance("ridge", name)
    line = _outline(rng, ridge)
    facing = np.gradient(_smoothed(line, 40)).astype(np.float32)
    facing /= facing.std()
    tile = _relief(rng)
    start = float(rng.uniform())
    toward = np.float32(np.sign(stage.sun_x) or 1.0)
    across, down = stage.across(), stage.down()

    def paint(moment: Moment, planes: Planes) -> None:
        scale = 1 + _GROWTH * ridge.near * moment.dolly
        place = across / np.float32(scale) + np.float32(moment.pan * ridge.near * _PARALLAX)
        along = place[0] / np.float32(ridge.stretch) + np.float32(start)
        top = ridge.base - _at(line, along) * np.float32(ridge.rise * scale)
        first = max(0, int(top.min() * stage.height) - 1)
        rows = planes.shape[1]
        if first >= rows:
            return
        depth = down[first:rows] - top[None, :]
        cover = np.clip(depth * np.float32(stage.height) + np.float32(0.5), 0, 1)
        depth = np.maximum(depth, 0)
        light = _surface(stage, ridge, (tile, facing, toward), (along, depth))
        area = planes[:, first:]
        light -= area
        light *= cover
        area += light

    return paint


def _surface(
    stage: Stage,
    ridge: Ridge,
    relief: tuple[Plane, NDArray[np.float32], np.float32],
    place: tuple[NDArray[np.float32], Plane],
) -> Planes:
    """Sunlit and shaded faces that spread down from the outline, snow, and mist at the foot."""
    tile, facing, toward = relief
    along, depth = place
    stretch = np.float32(ridge.stretch)
    side = np.broadcast_to(along * stretch * np.float32(0.8), depth.shape)
    rough = look_up(tile, side + depth * np.float32(0.25) * toward, depth * np.float32(0.95))
    bent = along[None, :] + (rough * np.float32(0.1) - toward * np.float32(0.45)) * depth / stretch
    index = (bent * np.float32(_LINE)).astype(np.int32) & (_LINE - 1)
    shallow = np.exp(depth * np.float32(-5 / max(ridge.rise * 2, 0.05)))
    face = facing.take(index) * shallow * toward + rough * np.float32(0.75 * ridge.rugged)
    bright = smooth_step(-1.3, 1.7, face)
    light = spread(ridge.colour) + spread(ridge.lit - ridge.colour) * bright
    if ridge.snow:
        snow_line = np.float32(ridge.snow) * (1 + rough * np.float32(0.5))
        white = 1 - smooth_step(0.0, 0.03, depth - snow_line * smooth_step(-1.2, 1.0, face + 0.5))
        palette = stage.palette
        shade = mix(palette.zenith, palette.haze, 0.55) * np.float32(0.9)
        snow = spread(shade) + spread(palette.cloud_lit * np.float32(1.15) - shade) * bright
        light += (snow - light) * (white * np.float32(0.92 * (1 - ridge.mist * 0.5)))
    drown = smooth_step(0.0, ridge.rise * 1.9 + 0.04, depth) * np.float32(ridge.mist)
    light += (spread(stage.palette.haze) - light) * drown
    return light.astype(np.float32)


def _outline(rng: np.random.Generator, ridge: Ridge) -> NDArray[np.float32]:
    """Rock has sharp crests, where a smooth line is folded over; hills and dunes stay round."""
    swell = fractal_line(rng, _LINE, 1.7)
    broad = fractal_line(rng, _LINE, 1.35)
    rough = fractal_line(rng, _LINE, ridge.falloff)
    crest = 1 - np.abs(broad) * np.float32(1.5)
    shape = swell * (1 - 0.6 * ridge.rugged) + crest * (0.75 * ridge.rugged)
    return np.asarray(shape + rough * (0.09 + 0.13 * ridge.rugged), dtype=np.float32)


def _relief(rng: np.random.Generator) -> Plane:
    """Rock faces as light sees them: the slope of creased noise, seen from one side."""
    creased = -np.abs(fractal_tile(rng, _RELIEF, 0.62, 2))
    slope = creased - np.roll(creased, (-2, 3), axis=(0, 1))
    return np.asarray(slope / slope.std(), dtype=np.float32)


def _smoothed(line: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    kernel = np.hanning(reach * 2 + 1)
    padded = np.concatenate([line[-reach:], line, line[:reach]])
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def _at(line: NDArray[np.float32], along: NDArray[np.float32]) -> NDArray[np.float32]:
    place = (along % 1) * np.float32(_LINE)
    left = place.astype(np.int32) % _LINE
    share = place - np.floor(place)
    return np.asarray(
        line[left] + (line[(left + 1) % _LINE] - line[left]) * share, dtype=np.float32
    )
