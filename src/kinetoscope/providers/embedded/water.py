"""A sea in perspective: travelling waves, the sky in them, and the sun's glittering path.

Each wave is a plane wave on the water, so along one row of pixels it is a sine of the column. The
sines are tabled once; a frame then costs one small matrix product per row instead of thousands of
sines, and the motion is exact, never a sliding texture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.noise import Plane, Planes, smooth_step
from kinetoscope.providers.embedded.sky import dome
from kinetoscope.providers.embedded.stage import Moment, Stage
from kinetoscope.providers.embedded.tone import mix, spread

_GRAVITY = 3.4
"""In camera heights a second squared: the camera stands about three metres above the water."""
_NEAREST = 0.012
_LEVELS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Swell:
    """The character of the water: `steepness` is the deviation of the slope."""

    steepness: float
    longest: float
    count: int
    mirror: float


CALM = Swell(steepness=0.105, longest=4.0, count=26, mirror=1.0)
ROUGH = Swell(steepness=0.26, longest=9.0, count=28, mirror=0.8)
STILL = Swell(steepness=0.03, longest=2.0, count=22, mirror=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waves:
    """Tabled waves: per row, the cosines and sines of every wave along the columns."""

    table: NDArray[np.float32]
    along: NDArray[np.float64]
    across_number: NDArray[np.float64]
    number: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    pace: NDArray[np.float64]
    unseen: NDArray[np.float32]


def water(stage: Stage, swell: Swell, rows: int) -> Callable[[Moment, Planes], None]:
    """A painter of the water, from the horizon row on, `rows` tall."""
    below = (np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5)) / stage.height
    waves = _make_waves(stage, swell, below)
    shade = _shading(stage, below, waves.unseen, swell)

    def paint(moment: Moment, out: Planes) -> None:
        slopes = _slopes(waves, moment, stage.width)
        shade(slopes[0], slopes[1], slopes[2], out)

    return paint


def _make_waves(stage: Stage, swell: Swell, below: Plane) -> _Waves:
    rng = stage.chance("waves")
    count = swell.count
    length = np.geomspace(0.055, swell.longest, count) * rng.uniform(0.86, 1.16, count)
    heading = rng.normal(0, 0.62, count) + rng.uniform(-0.3, 0.3)
    total = 2 * np.pi / length
    across_number, number = total * np.sin(heading), total * np.cos(heading)
    slope = rng.uniform(0.6, 1.2, count) * (length / 0.4) ** -0.12
    slope *= swell.steepness / np.sqrt((slope**2).sum() / 2)
    depth = 1 / (below.astype(np.float64) + _NEAREST)
    grain_along = np.abs(number) * depth**2 / stage.height
    grain_across = np.abs(across_number) * depth / stage.height
    seen = np.exp(-((grain_along / 1.9) ** 2) - (grain_across / 1.9) ** 2)
    half = (stage.width + 1) // 2 + 1
    columns = (np.arange(half) * 2 + 0.5 - stage.width / 2) / stage.height
    table = np.empty((below.size, 2 * count, half), dtype=np.float32)
    place = (depth * columns).astype(np.float32)
    for wave in range(count):
        phase = place * np.float32(across_number[wave])
        weight = seen[:, wave : wave + 1].astype(np.float32)
        table[:, wave] = np.cos(phase) * weight
        table[:, count + wave] = np.sin(phase) * weight
    unseen = np.sqrt(((1 - seen**2) * slope**2 / 2).sum(axis=1, keepdims=True) + 0.0006)
    return _Waves(
        table=table,
        along=depth * number + rng.uniform(0, 2 * np.pi, count),
        across_number=across_number,
        number=number,
        amplitude=slope / total,
        pace=np.sqrt(_GRAVITY * total),
        unseen=unseen.astype(np.float32),
    )


def _slopes(waves: _Waves, moment: Moment, width: int) -> list[Plane]:
    """The slope across, the slope along and the height of the water at every pixel."""
    phase = (
        waves.along
        + waves.number * moment.dolly
        + waves.across_number * moment.pan
        + waves.pace * moment.time_s
    )
    cosine, sine = np.cos(phase), np.sin(phase)
    steep_across = waves.amplitude * waves.across_number
    steep_along = waves.amplitude * waves.number
    weights = np.stack(
        [
            np.concatenate([steep_across * cosine, -steep_across * sine], axis=1),
            np.concatenate([steep_along * cosine, -steep_along * sine], axis=1),
            np.concatenate([waves.amplitude * sine, waves.amplitude * cosine], axis=1),
        ],
        axis=1,
    ).astype(np.float32)
    half = weights @ waves.table
    full = []
    for number in range(3):
        plane = np.empty((half.shape[0], half.shape[2] * 2 - 2), dtype=np.float32)
        plane[:, 0::2] = half[:, number, :-1]
        np.add(half[:, number, :-1], half[:, number, 1:], out=plane[:, 1::2])
        plane[:, 1::2] *= np.float32(0.5)
        full.append(plane[:, :width])
    return full


def _shading(
    stage: Stage, below: Plane, unseen: Plane, swell: Swell
) -> Callable[[Plane, Plane, Plane, Planes], None]:
    """Reflection by slope (the sky's height it looks up to), Fresnel, depth, and the sun."""
    palette = stage.palette
    levels = np.linspace(0, 1.2, _LEVELS, dtype=np.float32)
    mirror = dome(palette, levels)
    glance = (0.03 + 0.97 * np.exp(-levels * 4.6)) * swell.mirror
    across = stage.across()
    aside = across - np.float32(stage.sun_x)
    warm = np.exp(-np.abs(aside) * 2.4) * np.exp(-below * 1.6) * np.float32(0.5)
    warm = warm if palette.sun_height > -0.1 else warm * 0  # noqa: PLR2004 - glow outlives the sun
    wanted_across = aside / (2 * below + np.float32(0.01))
    wanted_along = (np.float32(max(palette.sun_height, 0.02)) - below) / 2
    narrow = unseen + np.float32(0.016)
    strength = 0.0013 / narrow**2 * np.exp(-below * 1.2)
    far = np.exp(-below * 26) * np.float32(0.75)
    haze = mix(palette.horizon, palette.haze, 0.5)
    deep = palette.water
    crest = mix(palette.water, palette.glow, 0.18) * np.float32(1.6)
    scale = np.float32(_LEVELS / 1.2)
    inverse = np.float32(1) / (narrow * np.float32(1.4142))

    def paint(slope_across: Plane, slope_along: Plane, height: Plane, out: Planes) -> None:
        tilt = slope_along + across * slope_across
        index = np.clip((below + 2 * np.abs(tilt)) * scale, 0, _LEVELS - 1).astype(np.int32)
        facing = np.clip((below + tilt) * scale, 0, _LEVELS - 1).astype(np.int32)
        reflect = glance.take(facing)
        miss = ((slope_across - wanted_across) * inverse) ** 2
        miss += ((tilt - wanted_along) * inverse) ** 2
        glitter = np.exp(-miss) * (strength * reflect)
        rise = smooth_step(-0.06, 0.12, height + slope_along * np.float32(0.2))
        for channel in range(3):
            sky = mirror[channel].take(index)
            sky += warm * palette.glow[channel]
            body = deep[channel] + (crest[channel] - deep[channel]) * rise
            sky -= body
            sky *= reflect
            sky += body
            sky += glitter * palette.sun[channel]
            sky += (haze[channel] - sky) * far
            out[channel] = sky

    return paint
