"""Rock for a lighthouse to stand on: an islet or a cliff whose foot melts into the sea."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_line, fractal_tile, look_up
from kinetoscope.providers.embedded.noise import smooth_step as smooth
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.tone import light, mix, spread

_HIGH_WORDS = {"cliff", "rock", "headland", "cape", "mountain", "tower"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headland:
    """The rock as light and cover, where its left edge and top are, and how high its top stands."""

    cover: Plane
    light: Planes
    left: float
    top: float
    summit: float


def headland(stage: Stage, x: float, size: float) -> Headland:
    """Around `x` (picture heights from the middle), as large as `size` says, from the waterline."""
    rng = stage.chance("headland")
    cliff = bool(stage.reading.words & _HIGH_WORDS)
    water = stage.horizon + 0.035 + 0.05 * size
    rise = (0.2 if cliff else 0.075) * size
    land = float(np.sign(x) or 1)  # a cliff comes in from the nearer side of the picture
    span = (1.2 if cliff else 0.72) * size
    wide, tall = round(span * 2 * stage.height), round((rise + 0.09) * stage.height)
    columns = np.arange(wide, dtype=np.float32)[None, :]
    along = np.asarray(columns / stage.height - span, dtype=np.float32)
    line = fractal_line(rng, 1024, 1.25)[: min(wide, 1024)]
    rough = np.interp(np.linspace(0, 1, wide), np.linspace(0, 1, line.size), line)
    crest = _crest(along[0] * land, rise, size, cliff=cliff)
    crest = crest + rough * ((0.1 if cliff else 0.3) * rise) * np.minimum(
        crest / rise * 2, 1
    ) * _off(along[0], size)
    down = np.asarray(np.arange(tall)[:, None] / stage.height, dtype=np.float32)
    depth = np.asarray(down - (rise + 0.03) + crest[None, :], dtype=np.float32)
    uneven = fractal_line(rng, 1024, 0.8)[np.arange(wide) * 2 % 1024]
    shore = np.float32(rise + 0.03) + uneven[None, :] * np.float32(0.0032 * size)
    foot = np.asarray(down - shore, dtype=np.float32)
    cover = np.clip(depth * stage.height + 0.5, 0, 1) * (1 - smooth(-0.004, 0.011, foot))
    cover *= smooth(-0.001, 0.006, crest[None, :].astype(np.float32))
    shown = _rock(stage, rng, (along, down, depth, foot))
    there = smooth(-0.001, 0.02, crest[None, :].astype(np.float32))
    wet = np.exp(-np.maximum(foot, 0) / 0.016) * (foot > 0) * there * np.float32(0.5)
    cover = np.maximum(cover, wet * smooth(0.06, 0.03, foot))
    hides: Plane = np.pad(cover.astype(np.float32), 1)
    return Headland(
        cover=hides,
        light=np.asarray(np.pad(shown, ((0, 0), (1, 1), (1, 1))) * hides, dtype=np.float32),
        left=x - span,
        top=water - rise - 0.03,
        summit=water - rise,
    )


def _off(along: NDArray[np.float32], size: float) -> NDArray[np.float64]:
    """Level ground where the tower stands."""
    return np.asarray(np.clip(np.abs(along) / (0.09 * size) - 0.8, 0, 1), dtype=np.float64)


def _crest(
    inland: NDArray[np.float32], rise: float, size: float, *, cliff: bool
) -> NDArray[np.float64]:
    """The height of the rock: steep to the sea, gentle or endless to the land."""
    sea = 1 / (1 + np.exp(-(inland / size + (0.15 if cliff else 0.2)) * (34 if cliff else 17)))
    if cliff:
        return np.asarray(rise * sea * (1 + 0.1 * np.clip(inland / size, 0, 1)), dtype=np.float64)
    shore = 1 / (1 + np.exp((inland / size - 0.28) * 12))
    return np.asarray(rise * sea * shore - 0.002, dtype=np.float64)


def _rock(
    stage: Stage,
    rng: np.random.Generator,
    place: tuple[Plane, Plane, Plane, Plane],
) -> Planes:
    """Faces lit from the sun's side, green on top, dark and wet below, then foam."""
    along, down, depth, foot = place
    palette = stage.palette
    tile = -np.abs(fractal_tile(rng, 256, 0.75, 2))
    x, y = np.broadcast_arrays(along * np.float32(1.1), down * np.float32(0.8))
    toward = 1 if stage.sun_x > 0 else -1
    relief = look_up(tile - np.roll(tile, (-2, 2 * toward), axis=(0, 1)), x, y) * np.float32(2.2)
    dim = np.float32((1 - 0.86 * palette.night) * (0.6 if palette.cover > 0.8 else 1.0))  # noqa: PLR2004
    stone = mix(light("#5a5048") * dim, palette.haze, 0.16)
    shade = mix(palette.ground, stone, 0.22)
    bright = smooth(-1.4, 1.8, relief)
    shown = spread(shade) + spread(stone - shade) * bright
    turf = smooth(0.035, 0.0, depth + relief * np.float32(0.006)) * np.float32(0.7)
    grass = mix(light("#4a5a30") * dim, palette.haze, 0.1)
    shown += (spread(grass) * (0.55 + 0.6 * bright) - shown) * turf
    shown *= 1 - np.float32(0.55) * smooth(-0.035, -0.002, foot)
    foam = smooth(-0.011, 0.001, foot + relief * np.float32(0.003))
    white = mix(palette.haze, palette.cloud_lit, 0.4) * np.float32(0.75)
    shown += (spread(white) - shown) * (foam * np.float32(0.75))
    return np.asarray(shown, dtype=np.float32)
