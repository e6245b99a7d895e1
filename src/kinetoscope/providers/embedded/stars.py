"""Stars: a few bright, many faint, none square."""

import numpy as np

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile, look_up, smooth_step
from kinetoscope.providers.embedded.stage import Stage

_TINTS = np.array([[1.0, 0.86, 0.72], [1.0, 1.0, 1.0], [0.74, 0.85, 1.0]], dtype=np.float32)
_STARS_PER_SQUARE = 1400


def scatter_stars(stage: Stage, rows: int, share: float = 1.0) -> Planes:
    """A starry sky over the top `rows`, denser along a faint band, as light to add."""
    rng = stage.chance("stars")
    height, width = stage.height, stage.width
    count = int(_STARS_PER_SQUARE * stage.aspect * share)
    x = rng.uniform(0, width, count).astype(np.float32)
    y = rng.uniform(0, height, count).astype(np.float32)
    magnitude = rng.pareto(1.6, count).astype(np.float32)
    tint = _TINTS[rng.integers(0, 3, count)]
    light = np.zeros((3, height, width), dtype=np.float32)
    power = np.minimum(magnitude, 14) * np.float32(0.066 * (height / 360) ** 1.2)
    _splat(light, _settled(x), _settled(y), power[:, None] * tint)
    for place in np.argsort(magnitude)[-int(6 * share + 1) :]:
        _bloom(light, float(x[place]), float(y[place]), power[place] * tint[place])
    return light[:, :rows]


def _settled(place: Plane) -> Plane:
    """Nearer to the middle of its pixel: the star is smaller there, and none the less placed."""
    middle = np.floor(place) + np.float32(0.5)
    return np.asarray(middle + (place - middle) * np.float32(0.45), dtype=np.float32)


def _splat(light: Planes, x: Plane, y: Plane, power: Plane) -> None:
    """Shares each star's light among its four nearest pixels, so that none is a hard square."""
    height, width = light.shape[1:]
    left, top = np.floor(x - 0.5), np.floor(y - 0.5)
    for down in (0, 1):
        for across in (0, 1):
            weight = (1 - np.abs(x - 0.5 - left - across)) * (1 - np.abs(y - 0.5 - top - down))
            row = np.clip(top + down, 0, height - 1).astype(np.intp)
            column = np.clip(left + across, 0, width - 1).astype(np.intp)
            for plane, strength in zip(light, power.T, strict=True):
                np.add.at(plane, (row, column), strength * weight)


def _bloom(light: Planes, x: float, y: float, power: Plane) -> None:
    height, width = light.shape[1:]
    reach = max(3, round(height / 180))
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    bottom, right = min(height, int(y) + reach + 1), min(width, int(x) + reach + 1)
    down = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
    across = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - x)
    falloff = np.exp(-(down * down + across * across) / np.float32((reach / 2.6) ** 2))
    light[:, top:bottom, left:right] += power[:, None, None] * falloff * np.float32(0.35)


def milky_way(stage: Stage, rows: int) -> Planes:
    """A slanted band of dusty light across the sky."""
    rng = stage.chance("milky way")
    tile = fractal_tile(rng, 256, 0.75)
    slant = np.float32(rng.uniform(-0.9, 0.9))
    down = stage.down()[:rows] - np.float32(rng.uniform(0.2, 0.4))
    across = stage.across()
    offset = np.abs(down - across * slant) / np.float32(np.hypot(1, float(slant)))
    cloud = look_up(tile, *np.broadcast_arrays(across * 0.4, down * np.float32(0.4)))
    band = np.exp(-((offset / 0.17) ** 2)) * smooth_step(-1.6, 1.8, cloud)
    dust = np.exp(-((offset / 0.05) ** 2)) * smooth_step(-0.2, 1.4, -cloud)
    light = band * (1 - 0.75 * dust) * np.float32(0.085)
    return np.stack([light * 0.95, light * 0.9, light * 1.15]).astype(np.float32)
