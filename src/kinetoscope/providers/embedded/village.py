"""A village in the hills: cottages with lit windows among firs."""

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.desert import soft_ridges
from kinetoscope.providers.embedded.forest import fir
from kinetoscope.providers.embedded.layers import SHARPNESS, Cutout, blank, cover_of, glow_of, put
from kinetoscope.providers.embedded.mountains import backdrop
from kinetoscope.providers.embedded.noise import Plane, Planes
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import light, mix, spread

_FRAMES = 8
_ROWS = (0.15, 0.5, 1.0)


def scene(stage: Stage) -> Scene:
    """Two rows of houses on a slope, hills behind them."""
    palette = stage.palette
    winter = stage.reading.weather == "snow"
    dim = np.float32(1 - 0.8 * palette.night)
    shade = mix(light("#33502c"), palette.ground, 0.3) * dim
    lit = mix(light("#8a9a50"), palette.glow, 0.25) * dim
    if winter:
        shade = mix(palette.zenith, palette.haze, 0.5) * np.float32(0.6)
        lit = mix(palette.cloud_lit, palette.haze, 0.4) * np.float32(0.8)
    behind = backdrop(stage, stage.height, soft_ridges(stage, (shade, lit), 0.2, 0.5))
    rows = [(near, _row(stage, near)) for near in _ROWS]

    def at(frame: int) -> Planes:
        planes = behind(frame)
        pan = stage.moment_at(frame).pan
        for near, cutout in rows:
            put(planes, cutout, pan * stage.height * 0.5 * near)
        return planes

    plate = SlowPlate(at, stage.rhythm(_FRAMES))

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)

    return Scene(paint=paint, lens=True)


def _row(stage: Stage, near: float) -> Cutout:
    margin = int(stage.height * 0.35)
    width = stage.width + 2 * margin
    walls, roofs, ground = (blank(width, stage.height) for _ in range(3))
    shine = blank(width, stage.height, "RGB")
    rng = stage.chance("houses", str(near))
    unit = stage.height * SHARPNESS
    level = (stage.horizon + 0.04 + 0.29 * near**1.2) * unit
    swell = [float(rng.uniform(0, 6.28)), float(rng.uniform(2.2, 3.4)) / unit]
    end = width * SHARPNESS

    def slope(x: float) -> float:
        return float(level + 0.022 * unit * np.sin(swell[0] + swell[1] * x))

    edge = [(float(x), slope(float(x))) for x in np.linspace(0, end, 120)]
    ImageDraw.Draw(ground).polygon([*edge, (end, unit), (0, unit)], fill=255)
    sheets = tuple(ImageDraw.Draw(sheet) for sheet in (walls, roofs, shine))
    place = rng.uniform(0, 0.1) * unit
    while place < end:
        size = unit * rng.uniform(0.075, 0.11) * (0.45 + 1.15 * near)
        if rng.random() < 0.55:  # noqa: PLR2004 - houses and firs about half and half
            _house(sheets, rng, (place, slope(place)), size)
            place += size * rng.uniform(1.5, 2.6)
        else:
            fir(sheets[0], rng, (place, slope(place) + size * 0.1), size * rng.uniform(1.3, 2.4))
            place += size * rng.uniform(0.5, 1.1)
    return _coloured(
        stage,
        near,
        margin,
        (cover_of(walls), cover_of(roofs), cover_of(ground)),
        glow_of(shine, stage.height * 0.008),
    )


def _coloured(
    stage: Stage,
    near: float,
    margin: int,
    covers: tuple[Plane, Plane, Plane],
    glow: Planes,
) -> Cutout:
    palette = stage.palette
    walls, roofs, ground = covers
    winter = stage.reading.weather == "snow"
    air = mix(palette.haze, palette.middle, 0.3)
    dim = np.float32(1 - 0.85 * palette.night)
    wall = mix(mix(light("#4a3a34") * dim, palette.ground, 0.5), air, 0.35 * (1 - near))
    roof = mix(light("#6a3a30") * dim, air, 0.3 * (1 - near))
    floor = mix(mix(light("#4a6234") * dim, palette.ground, 0.3), air, 0.35 * (1 - near))
    if winter:
        roof = palette.cloud_lit
        floor = mix(palette.zenith, palette.haze, 0.6) * np.float32(0.6 + 0.1 * near)
    cover = np.maximum(np.maximum(walls, roofs), ground)
    seen = spread(floor) * ground
    fall = np.clip(1.15 - (stage.down() - np.float32(stage.horizon)) * 0.9, 0.5, 1.2)
    seen = seen * fall
    seen += (spread(wall) - seen) * walls
    seen += (spread(roof) - seen) * roofs
    lamp = np.float32(
        0.25 + 0.75 * max(palette.night, 0.6 if stage.reading.time != "day" else 0.35)
    )
    return Cutout(cover, (seen * (cover > 0) + glow * lamp).astype(np.float32), margin)


def _house(
    sheets: tuple[ImageDraw.ImageDraw, ...],
    rng: np.random.Generator,
    foot: tuple[float, float],
    size: float,
) -> None:
    walls, roofs, shine = sheets
    x, y = foot
    wide, tall, ridge = size * rng.uniform(0.9, 1.3), size * 0.55, size * rng.uniform(0.5, 0.65)
    y += size * 0.06
    walls.rectangle((x, y - tall, x + wide, y), fill=255)
    walls.rectangle((x + wide * 0.7, y - tall - ridge * 1.05, x + wide * 0.8, y - tall), fill=255)
    roofs.polygon(
        [(x - size * 0.09, y - tall + size * 0.03), (x + wide * 0.22, y - tall - ridge),
         (x + wide * 0.78, y - tall - ridge), (x + wide + size * 0.09, y - tall + size * 0.03)],
        fill=255,
    )  # fmt: skip
    count = int(rng.integers(2, 4))
    for window in range(count):
        if rng.random() < 0.8:  # noqa: PLR2004 - most are at home
            left = x + wide * ((window + 0.5) / count) - size * 0.07
            top = y - tall * 0.72
            shine.rectangle((left, top, left + size * 0.14, top + size * 0.2), fill=(255, 196, 104))
