"""A forest of firs: rows of trees fading into the air between them, with shafts of light."""

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.layers import SHARPNESS, Cutout, blank, cover_of, put
from kinetoscope.providers.embedded.noise import (
    Plane,
    Planes,
    fractal_line,
    fractal_tile,
    look_up,
    smooth_step,
)
from kinetoscope.providers.embedded.sky import sky_at, sun_distance
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage, lay
from kinetoscope.providers.embedded.tone import Colour, light, mix, spread
from kinetoscope.providers.embedded.vocabulary import AUTUMN

_ROWS = 6
_FRAMES = 12


def scene(stage: Stage) -> Scene:
    """Looking between the trees, towards the light."""
    plate = SlowPlate(_forest(stage), stage.rhythm(_FRAMES))

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)

    return Scene(paint=paint, lens=True)


def _forest(stage: Stage) -> Callable[[int], Planes]:
    palette = stage.palette
    above = sky_at(stage, stage.height)
    rows = [(place / (_ROWS - 1), _trees(stage, place / (_ROWS - 1))) for place in range(_ROWS)]
    rng = stage.chance("mist")
    tile = fractal_tile(rng, 256, 0.7, 2)
    shafts = _shafts(stage)
    down = stage.down()
    air = mix(palette.haze, palette.glow, 0.25)
    thick = 0.8 if stage.reading.weather == "fog" else 0.5
    shine = air + palette.glow * np.float32(0.35)

    def at(frame: int) -> Planes:
        moment = stage.moment_at(frame)
        planes = above(frame)
        planes += (spread(air) - planes) * smooth_step(0.1, 0.7, down) * np.float32(0.7)
        for place, (near, cutout) in enumerate(rows):
            put(planes, cutout, moment.pan * stage.height * 0.35 * (0.1 + near))
            if place % 2 == 0:
                _mist(stage, (tile, air), (near, thick, moment.time_s), planes)
        beam = shafts(moment.time_s)
        planes += spread(shine) * beam
        return planes

    return at


def _mist(
    stage: Stage,
    what: tuple[Plane, Colour],
    where: tuple[float, float, float],
    planes: Planes,
) -> None:
    """Air that lies between one row of trees and the next, thicker towards the ground."""
    tile, air = what
    near, thick, time_s = where
    high = 0.3 + 0.2 * near
    first = int(high * stage.height)
    down = stage.down()[first:]
    drift = np.float32(time_s * 0.012 * (0.4 + near))
    across = stage.across() * np.float32(0.42) + drift + np.float32(near * 3.7)
    mist = look_up(tile, *np.broadcast_arrays(across, down * np.float32(0.9)))
    low = smooth_step(high, 0.95, down) * smooth_step(-1.6, 1.4, mist)
    lay(planes[:, first:], air, low * np.float32(1.4 * thick * (1 - near) ** 0.8 + 0.05))


def _shafts(stage: Stage) -> Callable[[float], Planes]:
    """Rays that fan out from the sun, broken up by the crowns."""
    line = fractal_line(stage.chance("shafts"), 1024, 0.55)
    above = stage.down() - np.float32(stage.horizon - max(stage.palette.sun_height, 0.3) - 0.25)
    side = stage.across() - np.float32(stage.sun_x)
    angle = np.arctan2(side, np.maximum(above, 0.02))
    fade = np.exp(-sun_distance(stage, stage.height) * 1.5) * smooth_step(0.0, 0.35, above)
    strength = np.float32(0.25 if stage.palette.night else 0.5)

    def at(time_s: float) -> Planes:
        place = (angle * 95 + time_s * 1.1).astype(np.float32)
        left = np.floor(place)
        share = place - left
        index = left.astype(np.int32) & 1023
        value = line[index] + (line[(index + 1) & 1023] - line[index]) * share
        return np.asarray(smooth_step(-0.2, 2.4, value) * fade * strength, dtype=np.float32)

    return at


def _trees(stage: Stage, near: float) -> Cutout:
    palette = stage.palette
    margin = int(stage.height * 0.25 * (0.2 + near))
    width = stage.width + 2 * margin
    sheet = blank(width, stage.height)
    draw = ImageDraw.Draw(sheet)
    rng = stage.chance("trees", f"{near:.2f}")
    unit = stage.height * SHARPNESS
    ground = (0.62 + 0.42 * near**1.3) * unit
    slope = fractal_line(rng, 512, 1.6) * np.float32(0.012 * unit)
    step = width * SHARPNESS / 512
    outline = [(place * step, ground + float(slope[place])) for place in range(512)]
    end = width * SHARPNESS
    draw.polygon([*outline, (end, unit), (0, unit)], fill=255)
    tall = (0.2 + 0.75 * near**1.2) * unit
    place = -0.1 * unit
    while place < end:
        foot = ground + float(slope[min(511, max(0, int(place / step)))])
        gap = abs(place / end - 0.5) * 2
        if near < 0.75 or gap > 0.42 * rng.uniform(0.7, 1.3):  # noqa: PLR2004 - the near row opens
            fir(draw, rng, (place, foot + 0.01 * unit), tall * float(rng.uniform(0.6, 1.12)))
        place += tall * float(rng.uniform(0.1, 0.34)) * (1 + 0.8 * near)
    cover = cover_of(sheet)
    green = mix(palette.ground, light("#1d3527") * np.float32(1 - 0.75 * palette.night), 0.55)
    if palette.soil is not None:
        leaf = palette.soil * np.float32(
            (0.3 + 0.5 * float(rng.random())) * (1 - 0.8 * palette.night)
        )
        gold = light("#d89a2a") * np.float32(0.4 * (1 - 0.8 * palette.night))
        gold = gold if stage.reading.words & set(AUTUMN) else leaf * np.float32(0.6)
        green = mix(green, mix(leaf, gold, 0.6 * float(rng.random())), 0.75)
    if stage.reading.weather == "snow":
        green = mix(green, palette.cloud_shade, 0.4)
    air = palette.soiled(mix(palette.haze, palette.middle, 0.3), 0.35)
    body = mix(air, green, 0.12 + 0.88 * near**0.9)
    lift = 1 + np.exp(-sun_distance(stage, stage.height) * 2.4)[:, :1] * 0
    return Cutout(cover, (spread(body) * cover * lift).astype(np.float32), margin)


def fir(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    foot: tuple[float, float],
    tall: float,
) -> None:
    """One fir: drooping tiers of branches, uneven to both sides, around a thin trunk."""
    x, y = foot
    wide = tall * float(rng.uniform(0.15, 0.21))
    tiers = int(rng.integers(20, 30))
    trunk = tall * 0.013
    top = y - tall
    stem = [(x - trunk, y), (x + trunk, y), (x + 0.2 * trunk, top), (x - 0.2 * trunk, top)]
    draw.polygon(stem, fill=255)
    for side in (-1, 1):
        points = [(x, top)]
        for tier in range(1, tiers + 1):
            share = (tier / tiers) ** 0.95
            reach = wide * share**0.9 * float(rng.uniform(0.5, 1.12))
            level = top + tall * 0.93 * share
            droop = tall * 0.02 * float(rng.uniform(0.3, 1.5)) * (0.4 + share)
            points.extend(
                (
                    (x + side * reach, level + droop),
                    (x + side * reach * 0.72, level + droop * 0.55),
                    (x + side * reach * float(rng.uniform(0.3, 0.55)), level - tall * 0.004),
                )
            )
        points.append((x, y - tall * 0.06))
        draw.polygon(points, fill=255)
