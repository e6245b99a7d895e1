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
from kinetoscope.providers.embedded.stage import Moment, Stage, lay
from kinetoscope.providers.embedded.tone import Colour, mix

_GRAVITY = 3.4
"""In camera heights a second squared: the camera stands about three metres above the water."""
_NEAREST = 0.012
_LEVELS = 512
_HIGHEST = 1.2
_SET = -0.1
"""A sun lower than this leaves no glow."""
_BAND_ROWS = 12
_LEAST_SEEN = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Swell:
    """The character of the water: `steepness` is the deviation of the slope."""

    steepness: float
    longest: float
    count: int
    mirror: float
    foam: float = 0.0


CALM = Swell(steepness=0.105, longest=4.0, count=36, mirror=1.0)
ROUGH = Swell(steepness=0.26, longest=9.0, count=36, mirror=0.8, foam=0.75)
STILL = Swell(steepness=0.03, longest=2.0, count=28, mirror=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waves:
    """One band of rows and the waves that can be told apart there, longest first.

    `table` holds, per row, the cosines and then the sines of every wave along the columns.
    """

    table: NDArray[np.float32]
    along: NDArray[np.float64]
    across_number: NDArray[np.float64]
    number: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    pace: NDArray[np.float64]


Slopes = Callable[[Moment], tuple[Plane, Plane, Plane]]
"""The slope across, the slope along and the height of the water at every pixel."""


def water(stage: Stage, swell: Swell, rows: int) -> Callable[[Moment, Planes], None]:
    """A painter of the water, from the horizon row on, `rows` tall."""
    below = _below(stage, rows)
    bands, unseen = _make_bands(stage, swell, below)
    slopes = _slopes_of(bands, stage.width)
    surface = _surface(stage, below, unseen, swell)

    def paint(moment: Moment, out: Planes) -> None:
        _shade(surface, slopes(moment), out)

    return paint


def slope_painter(stage: Stage, swell: Swell, rows: int) -> Slopes:
    """The water's shape alone, for other surfaces that reflect."""
    return _slopes_of(_make_bands(stage, swell, _below(stage, rows))[0], stage.width)


def _below(stage: Stage, rows: int) -> Plane:
    return (np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5)) / np.float32(stage.height)


def _slopes_of(bands: list[_Waves], width: int) -> Slopes:
    def slopes(moment: Moment) -> tuple[Plane, Plane, Plane]:
        half = np.concatenate([_slopes(band, moment) for band in bands])
        across, along, height = (_widened(half[:, number], width) for number in range(3))
        return across, along, height

    return slopes


def _make_bands(stage: Stage, swell: Swell, below: Plane) -> tuple[list[_Waves], Plane]:
    """All waves, cut into bands of rows; and the deviation of slope too fine to be seen."""
    rng = stage.chance("waves")
    count = swell.count
    length = np.geomspace(swell.longest, 0.05, count) * rng.uniform(0.88, 1.14, count)
    heading = rng.normal(0, 0.75, count) + rng.uniform(-0.3, 0.3)
    total = 2 * np.pi / length
    slope = rng.uniform(0.6, 1.2, count) * np.minimum(1, (length / 0.16) ** 0.5)
    slope *= swell.steepness / np.sqrt((slope**2).sum() / 2)
    across_number, number = total * np.sin(heading), total * np.cos(heading)
    depth = 1 / (below.astype(np.float64) + _NEAREST)
    grain_along = np.abs(number) * depth**2 / stage.height
    grain_across = np.abs(across_number) * depth / stage.height
    seen = np.exp(-((grain_along / 1.7) ** 2) - (grain_across / 1.7) ** 2)
    phase = depth * number + rng.uniform(0, 2 * np.pi, count)
    bands = []
    for top in range(0, below.size, _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        kept = max(1, int((seen[rows].max(axis=0) > _LEAST_SEEN).sum()))
        bands.append(
            _Waves(
                table=_table(stage, depth[rows], across_number[:kept], seen[rows, :kept]),
                along=phase[rows, :kept],
                across_number=across_number[:kept],
                number=number[:kept],
                amplitude=(slope / total)[:kept],
                pace=np.sqrt(_GRAVITY * total)[:kept],
            )
        )
    unseen = np.sqrt(((1 - seen**2) * slope**2 / 2).sum(axis=1, keepdims=True) + 0.0005)
    return bands, unseen.astype(np.float32)


def _table(
    stage: Stage,
    depth: NDArray[np.float64],
    across_number: NDArray[np.float64],
    seen: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Every second column: waves are wider than tall on the screen, halves are enough."""
    half = (stage.width + 1) // 2 + 1
    columns = (np.arange(half) * 2 + 0.5 - stage.width / 2) / stage.height
    phase = (depth * columns)[:, None, :].astype(np.float32)
    phase = phase * across_number[None, :, None].astype(np.float32)
    table = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    table *= np.concatenate([seen, seen], axis=1)[:, :, None].astype(np.float32)
    return table


def _slopes(band: _Waves, moment: Moment) -> NDArray[np.float32]:
    """The slope across, the slope along and the height of the water, at every second column."""
    phase = (
        band.along
        + band.number * moment.dolly
        + band.across_number * moment.pan
        + band.pace * moment.time_s
    )
    cosine, sine = np.cos(phase), np.sin(phase)
    steep_across = band.amplitude * band.across_number
    steep_along = band.amplitude * band.number
    weights = np.stack(
        [
            np.concatenate([steep_across * cosine, -steep_across * sine], axis=1),
            np.concatenate([steep_along * cosine, -steep_along * sine], axis=1),
            np.concatenate([band.amplitude * sine, band.amplitude * cosine], axis=1),
        ],
        axis=1,
    )
    return weights.astype(np.float32) @ band.table


def _widened(half: Plane, width: int) -> Plane:
    """Fills in the columns between."""
    plane = np.empty((half.shape[0], half.shape[1] * 2 - 2), dtype=np.float32)
    plane[:, 0::2] = half[:, :-1]
    np.add(half[:, :-1], half[:, 1:], out=plane[:, 1::2])
    plane[:, 1::2] *= np.float32(0.5)
    return plane[:, :width]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surface:
    """How the water shines: all that does not change from frame to frame.

    `mirror` is the sky's light and `glance` the share reflected, both by height looked up to.
    `wanted_across` and `wanted_along` are the slopes that would show the sun; `sharpness` and
    `strength` how exactly they must be met, and how bright it is then.
    """

    below: Plane
    across: Plane
    mirror: Planes
    glance: NDArray[np.float32]
    warm: Plane
    wanted_across: Plane
    wanted_along: Plane
    sharpness: Plane
    strength: Plane
    far: Plane
    haze: Colour
    deep: Colour
    crest: Colour
    glow: Colour
    sparkle: Colour
    white: Colour
    foam: float


def _surface(stage: Stage, below: Plane, unseen: Plane, swell: Swell) -> _Surface:
    palette, across = stage.palette, stage.across()
    levels = np.linspace(0, _HIGHEST, _LEVELS, dtype=np.float32)
    aside = across - np.float32(stage.sun_x)
    glowing = np.float32(0.3 if palette.sun_height > _SET else 0)
    narrow = unseen + np.float32(0.016)
    rough = 1 + 0.7 * swell.foam
    return _Surface(
        below=below,
        across=across,
        mirror=dome(palette, levels),
        glance=np.asarray((0.04 + 0.96 * np.exp(-levels * 6)) * swell.mirror, dtype=np.float32),
        warm=np.exp(-np.abs(aside) * 2.4) * np.exp(-below * 2.6) * glowing,
        wanted_across=aside / (2 * below + np.float32(0.01)),
        wanted_along=(np.float32(max(palette.sun_height, 0.02)) - below) * np.float32(0.5),
        sharpness=np.float32(1) / (narrow * np.float32(1.4142)),
        strength=np.float32(0.0042) / narrow**2 * np.exp(-below * np.float32(0.5)),
        far=np.exp(-below * 34) * np.float32(0.34),
        haze=mix(palette.horizon, palette.haze, 0.5),
        deep=palette.water * np.float32(1 - 0.35 * swell.foam),
        crest=mix(palette.water, palette.glow, 0.05) * np.float32(1.7 * rough),
        glow=palette.glow,
        sparkle=palette.sun * np.float32(9 / max(float(palette.sun.max()), 3)),
        white=mix(palette.cloud_lit, palette.haze, 0.3),
        foam=swell.foam,
    )


def _shade(surface: _Surface, slopes: tuple[Plane, Plane, Plane], out: Planes) -> None:
    """Reflection by slope, less of it the steeper we look, the water's own colour, and the sun."""
    slope_across, slope_along, height = slopes
    scale, highest = np.float32(_LEVELS / _HIGHEST), _LEVELS - 1
    tilt = slope_along + surface.across * slope_across
    index = np.clip((surface.below + 2 * np.abs(tilt)) * scale, 0, highest).astype(np.int32)
    facing = np.clip((surface.below + tilt) * scale, 0, highest).astype(np.int32)
    reflect = surface.glance.take(facing)
    miss = ((slope_across - surface.wanted_across) * surface.sharpness) ** 2
    miss += ((tilt - surface.wanted_along) * surface.sharpness) ** 2
    glitter = np.exp(-miss) * (surface.strength * reflect)
    rise = smooth_step(-0.06, 0.12, height + slope_along * np.float32(0.2))
    for channel in range(3):
        light = surface.mirror[channel].take(index)
        light += surface.warm * surface.glow[channel]
        body = surface.deep[channel] + (surface.crest[channel] - surface.deep[channel]) * rise
        light -= body
        light *= reflect
        light += body
        light += glitter * surface.sparkle[channel]
        light += (surface.haze[channel] - light) * surface.far
        out[channel] = light
    if surface.foam:
        crest = smooth_step(0.2, 0.6, tilt + height * np.float32(0.5)) * (1 - surface.far)
        lay(out, surface.white, crest * np.float32(surface.foam))
