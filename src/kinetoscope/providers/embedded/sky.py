"""Skies: a graded dome, a sun or moon with its glow, and clouds lit by it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.aurora import aurora
from kinetoscope.providers.embedded.noise import (
    Plane,
    Planes,
    fractal_tile,
    look_up,
    smooth_step,
)
from kinetoscope.providers.embedded.palette import Palette
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.stage import SlowPlate, Stage
from kinetoscope.providers.embedded.stars import milky_way, scatter_stars
from kinetoscope.providers.embedded.tone import mix, spread

CLOUD_FRAMES = 12
_TILE = 512
_DRIFT_PER_S = 0.006
_STARRY = {"star", "stars", "starry", "milky", "galaxy", "night", "sky"}
_SEEN_THROUGH = {"clear": 1.0, "clouds": 0.4, "fog": 0.15}
"""How much of the stars each weather lets through; the others let none."""
_HIDDEN = 0.8
"""With more cloud than this the sun's disk is not seen."""


def dome(palette: Palette, height: NDArray[np.float32]) -> Planes:
    """The clear sky's light by height above the horizon (0 to about 1); any shape of input."""
    low = np.exp(-((np.maximum(height, 0) * 4.2) ** 1.3))
    high = smooth_step(0.0, 0.8, height)
    shape = (3, *([1] * height.ndim))
    zenith, middle, horizon = (
        np.sqrt(colour).reshape(shape)
        for colour in (palette.zenith, palette.middle, palette.horizon)
    )
    light = middle + (zenith - middle) * high
    light += (horizon - light) * low
    return np.asarray(light * light, dtype=np.float32)


def sky(stage: Stage, rows: int) -> Callable[[int, Planes], None]:
    """A painter of the top `rows` of the picture: call it with the frame and those planes."""
    return SlowPlate(sky_at(stage, rows), CLOUD_FRAMES if stage.moving else 1).show


def sky_at(stage: Stage, rows: int) -> Callable[[int], Planes]:
    """The sky at one frame, in full; for scenes that put something in front of it."""
    if stage.plain_sky is not None:
        plain = np.full((3, rows, stage.width), stage.plain_sky, dtype=np.float32)
        return lambda _frame: plain.copy()
    clear = _clear_sky(stage, rows)
    if "aurora" not in stage.reading.features or not stage.palette.night:
        return _clouded(stage, clear)
    under = _clouded(stage, clear)
    curtains = aurora(stage, rows)
    return lambda frame: under(frame) + curtains(frame)


def sun_distance(stage: Stage, rows: int, squash: float = 1.0) -> Plane:
    """Every pixel's distance from the sun, in picture heights."""
    above = stage.down()[:rows] - np.float32(stage.horizon - stage.palette.sun_height)
    aside = stage.across() - np.float32(stage.sun_x)
    return np.asarray(np.hypot(aside, above * np.float32(squash)), dtype=np.float32)


def _clear_sky(stage: Stage, rows: int) -> Planes:
    palette = stage.palette
    height = (stage.horizon - stage.down()[:rows]) / np.float32(max(stage.horizon, 0.3))
    light = np.repeat(dome(palette, height), stage.width, axis=2)
    away = np.minimum(np.abs(stage.across() - np.float32(stage.sun_x)) * np.float32(0.55), 1)
    low = np.exp(-np.maximum(height, 0) * 4) * away * np.float32(0.55)
    cool = mix(palette.middle, palette.zenith, 0.25)
    light += (spread(cool) - light) * low
    seen = _SEEN_THROUGH.get(stage.reading.weather, 0.0)
    if palette.night and seen:
        stars = scatter_stars(stage, rows)
        band = "milky way" in stage.reading.features
        if stage.reading.words & _STARRY and palette.cover < _HIDDEN:
            stars = stars * np.float32(1.5) + milky_way(stage, rows) * np.float32(
                2.1 if band else 1
            )
        light += stars * (smooth_step(0.02, 0.4, height) * np.float32(seen))
    if palette.sun_height > -0.1 and not _moonless(stage.reading):  # noqa: PLR2004 - the sun's glow outlives it
        _shine(stage, light)
    return light


def _moonless(reading: Reading) -> bool:
    """Nights that are about the stars have no moon to drown them, unless it is asked for."""
    named = reading.words & {"star", "stars", "starry", "milky", "aurora", "northern", "firework"}
    return reading.time == "night" and bool(named) and "moon" not in reading.words


def _shine(stage: Stage, light: Planes) -> None:
    """The sun's disk, its corona, and the wide glow that tints the air around it.

    The air is tinted, not added to: orange light added to a blue sky would turn it pink.
    """
    palette, rows = stage.palette, light.shape[1]
    distance = sun_distance(stage, rows)
    wide = sun_distance(stage, rows, 1.8)
    strength = np.float32(0.35 if palette.night else 1)
    air = (
        np.exp(-wide * 3.6) * np.float32(0.5) + np.exp(-distance * 11) * np.float32(0.5)
    ) * strength
    light += (spread(palette.glow) * np.float32(1.25) - light) * air
    if palette.sun_height <= 0 or palette.cover > _HIDDEN:
        return
    radius = 0.034 if palette.night else 0.042 - 0.014 * min(palette.sun_height / 0.5, 1)
    disk = 1 - smooth_step(radius * 0.9, radius * 1.06, distance)
    if palette.night:
        disk *= _maria(stage, rows, radius)
    beyond = np.maximum(distance - np.float32(radius), 0)
    corona = (
        np.exp(-beyond * 30) * np.float32(0.16) + np.exp(-beyond * 9) * np.float32(0.05)
    ) * strength
    light += spread(palette.sun) * (disk + corona)


def _maria(stage: Stage, rows: int, radius: float) -> Plane:
    """The moon's dark plains, and a hint of its roundness."""
    tile = fractal_tile(stage.chance("moon"), 128, 0.7)
    scale = np.float32(0.25 / radius)
    across = (stage.across() - np.float32(stage.sun_x)) * scale
    down = (stage.down()[:rows] - np.float32(stage.horizon - stage.palette.sun_height)) * scale
    plain = look_up(tile, *np.broadcast_arrays(across, down))
    edge = np.clip(1 - (across**2 + down**2) * np.float32(9), 0.25, 1)
    return np.asarray((0.62 + 0.2 * smooth_step(-0.8, 0.8, plain)) * edge, dtype=np.float32)


def _clouded(stage: Stage, clear: Planes) -> Callable[[int], Planes]:
    """Clouds on a plane overhead seen in perspective, over a veil of high streaks."""
    palette, rows = stage.palette, clear.shape[1]
    rng = stage.chance("clouds")
    tile = fractal_tile(rng, _TILE, 0.78, 4)
    facing = tile - np.roll(tile, (7, 3), axis=(0, 1))
    above = np.maximum(np.float32(stage.horizon) - stage.down()[:rows], 0)
    depth = 1 / (above + np.float32(0.11))
    across = (stage.across() - np.float32(stage.sun_x * 0.5)) * depth * np.float32(0.085)
    across += np.float32(rng.uniform())
    along = np.broadcast_to(depth * np.float32(0.17) + np.float32(rng.uniform()), across.shape)
    fade = smooth_step(0.0, 0.16, above)
    near_sun = np.exp(-sun_distance(stage, rows, 1.2) * 3.0)
    threshold = (0.5 - palette.cover) * 2.4
    wind = float(rng.choice([-1, 1])) * _DRIFT_PER_S * (2.2 if palette.cover > 0.7 else 1)  # noqa: PLR2004
    lit = spread(palette.cloud_lit) + spread(palette.glow) * near_sun * np.float32(0.75)
    shade = spread(palette.cloud_shade) + spread(palette.glow) * near_sun * np.float32(0.07)
    veil_tile = fractal_tile(rng, _TILE, 0.5, 3)
    veil_light = spread(mix(palette.cloud_lit, palette.middle, 0.35)) + spread(
        palette.glow
    ) * near_sun * np.float32(0.3)

    veiled = np.float32(0.55 * min(1.0, max(palette.cover, 0) * 2.6))

    def paint(frame: int) -> Planes:
        drift = np.float32(frame / 24 * wind)
        veil = look_up(veil_tile, across * np.float32(0.55) - drift * 0.4, along * np.float32(2.2))
        thin = smooth_step(0.1, 2.6, veil) * fade * veiled
        light = clear + (veil_light - clear) * thin
        body = look_up(tile, across + drift, along)
        slope = look_up(facing, across + drift, along)
        thick = smooth_step(threshold, threshold + 1.5, body)
        bright = np.clip(0.42 + 0.42 * slope - (thick - 0.5) * 0.55, 0, 1).astype(np.float32)
        thick *= fade * np.float32(0.94)
        light += (shade + (lit - shade) * bright - light) * thick
        return np.asarray(light, dtype=np.float32)

    return paint
