"""A village in the hills: cottages with lit windows among firs."""

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.desert import snow_of, soft_ridges
from kinetoscope.providers.embedded.forest import fir
from kinetoscope.providers.embedded.layers import SHARPNESS, Cutout, blank, cover_of, glow_of, put
from kinetoscope.providers.embedded.mountains import backdrop
from kinetoscope.providers.embedded.noise import Plane, Planes
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import light, mix, spread

_FRAMES = 8
_ROWS = (0.15, 0.5, 1.0)
_LONE = {"cabin", "cottage", "house", "hut", "barn", "farm", "home", "farmhouse"}
_MANY = {"village", "town", "houses", "cottages", "cabins", "dorf", "pueblo", "huts"}


def scene(stage: Stage) -> Scene:
    """Rows of houses on a slope, or a cabin or two; hills behind them."""
    palette = stage.palette
    dim = np.float32(1 - 0.8 * palette.night)
    shade = palette.soiled(mix(light("#33502c"), palette.ground, 0.3) * dim)
    lit = palette.soiled(mix(light("#8a9a50"), palette.glow, 0.25) * dim)
    if stage.reading.weather == "snow":
        shade, lit = snow_of(palette)
        shade = shade * np.float32(0.75)
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
    sheets = {name: blank(width, stage.height) for name in ("trees", "walls", "roofs", "ground")}
    shine = blank(width, stage.height, "RGB")
    rng = stage.chance("houses", str(near))
    unit = stage.height * SHARPNESS
    level = (stage.horizon + 0.04 + 0.29 * near**1.2) * unit
    swell = [float(rng.uniform(0, 6.28)), float(rng.uniform(2.2, 3.4)) / unit]
    end = width * SHARPNESS

    def slope(x: float) -> float:
        return float(level + 0.022 * unit * np.sin(swell[0] + swell[1] * x))

    edge = [(float(x), slope(float(x))) for x in np.linspace(0, end, 120)]
    pens = {name: ImageDraw.Draw(sheet) for name, sheet in sheets.items()}
    pens["ground"].polygon([*edge, (end, unit), (0, unit)], fill=255)
    pens["shine"] = ImageDraw.Draw(shine)
    _built(stage, pens, rng, (near, end, unit), slope)
    covers = {name: cover_of(sheet) for name, sheet in sheets.items()}
    return _coloured(stage, near, margin, covers, glow_of(shine, stage.height * 0.008))


def _built(
    stage: Stage,
    pens: dict[str, ImageDraw.ImageDraw],
    rng: np.random.Generator,
    room: tuple[float, float, float],
    slope: Callable[[float], float],
) -> None:
    """Houses and firs side by side, each with room of its own; or firs around a cabin."""
    near, end, unit = room
    lone = lone_house(stage.reading)
    homes: list[float] = []
    if lone:
        middle = end / 2 + stage.framing.side * stage.framing.aside * stage.aspect * unit
        homes = [middle, middle - stage.framing.side * 0.5 * unit][: 1 + (stage.seed % 3 == 0)]
        for number, home in enumerate(homes if near == _ROWS[1] else []):
            size = unit * 0.2 * (0.75 + 0.25 * stage.framing.size) * (1 - 0.4 * number)
            _house(pens, rng, (home - size * 0.5, slope(home)), size)
    place = rng.uniform(0, 0.1) * unit
    while place < end:
        size = unit * rng.uniform(0.075, 0.11) * (0.45 + 1.15 * near)
        if not lone and rng.random() < (
            0.5 if near < 1 else 1
        ):  # firs half and half, none in front
            _house(pens, rng, (place, slope(place)), size)
            place += size * rng.uniform(1.7, 2.6 + 1.6 * near)
        else:
            tall = size * rng.uniform(1.5, 2.6) * (1.35 if lone else 1)
            place += tall * 0.2
            if all(abs(place - home) > 0.2 * unit + tall * 0.2 for home in homes):
                fir(pens["trees"], rng, (place, slope(place) + size * 0.1), tall)
            place += tall * rng.uniform(0.22, 0.4) * (2.2 if lone and near == _ROWS[2] else 1)


def lone_house(reading: Reading) -> bool:
    """Whether the prompt means a house or two, not a place where many live."""
    return bool(reading.words & _LONE) and not reading.words & _MANY


def _coloured(
    stage: Stage, near: float, margin: int, covers: dict[str, Plane], glow: Planes
) -> Cutout:
    palette = stage.palette
    winter = stage.reading.weather == "snow"
    air = mix(palette.haze, palette.middle, 0.3)
    dim = np.float32(1 - 0.85 * palette.night)
    wall = mix(mix(light("#5a4234") * dim, palette.ground, 0.4), air, 0.3 * (1 - near))
    roof = mix(light("#6a3a30") * dim, air, 0.3 * (1 - near))
    tree = mix(mix(light("#2c4434") * dim, palette.ground, 0.4), air, 0.45 * (1 - near))
    tree = palette.soiled(tree, 0.6)
    floor = mix(mix(light("#4a6234") * dim, palette.ground, 0.3), air, 0.35 * (1 - near))
    floor = palette.soiled(floor)
    if winter:
        shade, lit = snow_of(palette)
        roof = lit
        tree = mix(tree, shade, 0.22)
        floor = mix(mix(shade, lit, 0.25 + 0.45 * near), air, 0.25 * (1 - near))
    seen = spread(floor) * covers["ground"]
    deep = (stage.down() - np.float32(stage.horizon)) * np.float32(0.5 if winter else 0.9)
    seen = seen * np.clip(1.15 - deep, 0.5, 1.2)
    cover = covers["ground"]
    for name, colour in (("trees", tree), ("walls", wall), ("roofs", roof)):
        seen += (spread(colour) - seen) * covers[name]
        cover = np.maximum(cover, covers[name])
    lamp = np.float32(
        0.25 + 0.75 * max(palette.night, 0.6 if stage.reading.time != "day" else 0.35)
    )
    return Cutout(cover, (seen * (cover > 0) + glow * lamp).astype(np.float32), margin)


def _house(
    sheets: dict[str, ImageDraw.ImageDraw],
    rng: np.random.Generator,
    foot: tuple[float, float],
    size: float,
) -> None:
    walls, roofs, shine = sheets["walls"], sheets["roofs"], sheets["shine"]
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
