"""What falls, drifts and flashes between the eye and the scene."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kinetoscope.providers.embedded.fireworks import fireworks
from kinetoscope.providers.embedded.layers import SHARPNESS, blank, cover_of, glow_of
from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile, look_up, smooth_step
from kinetoscope.providers.embedded.stage import Moment, Painter, SlowPlate, Stage, lay
from kinetoscope.providers.embedded.tone import light, mix, spread

_FOG_FRAMES = 12
_FLAKES = (
    (520, 0.0013, 0.06, 200, 0.5),
    (190, 0.0022, 0.12, 190, 0.6),
    (26, 0.0066, 0.24, 100, 0.9),
)
"""For each depth: how many, radius and fall a second in heights, how white, how blurred."""
_DROPS = ((420, 0.030, 0.9, 1.5), (150, 0.075, 1.6, 2.4))
"""For each depth: how many streaks, their length, width in 1/720 heights, heights a second."""


def weather_of(stage: Stage) -> list[Painter]:
    """The painters to run over a finished scene, in order."""
    return [*flashes_of(stage), *falling_of(stage)]


def flashes_of(stage: Stage) -> list[Painter]:
    """What lights up far away, behind whatever stands in the scene."""
    weather, words = stage.reading.weather, stage.reading.words
    painters: list[Painter] = []
    if weather == "storm" and words & {"lightning", "thunder", "thunderstorm", "storm"}:
        painters.append(_lightning(stage))
    if "fireworks" in stage.reading.features:
        painters.append(fireworks(stage))
    return painters


def falling_of(stage: Stage) -> list[Painter]:
    """What drifts and falls between the eye and the scene."""
    weather = stage.reading.weather
    if weather == "fog":
        return [_fog(stage, 0.75)]
    if weather in {"rain", "storm"}:
        return [_fog(stage, 0.16), _rain(stage)]
    return [_snow(stage)] if weather == "snow" else []


def _fog(stage: Stage, thick: float) -> Painter:
    tile = fractal_tile(stage.chance("fog"), 256, 0.6, 2)
    across, down = stage.across(), stage.down()
    bank = np.exp(-(((down - np.float32(stage.horizon)) / 0.26) ** 2)) * np.float32(thick)
    air = mix(stage.palette.haze, stage.palette.horizon, 0.3)

    def at(frame: int) -> Planes:
        time_s = stage.moment_at(frame).time_s
        drift = np.float32(time_s * 0.014)
        wisp = look_up(
            tile, across * np.float32(0.33) + drift, down * np.float32(1.1) + drift * 0.2
        )
        return np.asarray((bank * smooth_step(-2.0, 1.6, wisp))[None], dtype=np.float32)

    plate = SlowPlate(at, _FOG_FRAMES if stage.moving else 1)
    veil = np.empty((1, stage.height, stage.width), dtype=np.float32)

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, veil)
        lay(planes, air, veil[0])

    return paint


def _tiled(sheet: Image.Image) -> Plane:
    """A sheet twice over in both directions, so that any offset is one plain slice."""
    return np.asarray(np.tile(cover_of(sheet), (2, 2)), dtype=np.float32)


def _offset(tile: Plane, across_px: float, down_px: float) -> Plane:
    """The tile moved right and down by fractions of a pixel."""
    height, width = tile.shape[0] // 2, tile.shape[1] // 2
    x, y = -across_px % (width - 1), -down_px % (height - 1)
    left, top = int(x), int(y)
    upper = tile[top : top + height, left : left + width + 1]
    lower = tile[top + 1 : top + height + 1, left : left + width + 1]
    rows = upper + (lower - upper) * np.float32(y - top)
    return np.asarray(
        rows[:, :-1] + (rows[:, 1:] - rows[:, :-1]) * np.float32(x - left), dtype=np.float32
    )


def _rain(stage: Stage) -> Painter:
    """Streaks at two depths; too fast for fractions of a pixel to matter."""
    rng = stage.chance("rain")
    slant = float(rng.uniform(-0.18, 0.18)) + (0.25 if stage.reading.weather == "storm" else 0)
    tiles = []
    for count, length, thick, speed in _DROPS:
        sheet = blank(stage.width, stage.height)
        draw = ImageDraw.Draw(sheet)
        unit = stage.height * SHARPNESS
        for _ in range(int(count * stage.aspect)):
            x, y = rng.uniform(0, sheet.width), rng.uniform(0, unit)
            long = length * unit * rng.uniform(0.6, 1.3)
            ink = int(rng.uniform(60, 200))
            for shift in (0, -unit):
                ends = (x, y + shift, x + slant * long, y + shift + long)
                draw.line(ends, fill=ink, width=max(1, round(thick * unit / 720)))
        tiles.append((_tiled(sheet.filter(ImageFilter.GaussianBlur(0.7))), speed))
    palette = stage.palette
    shine = mix(palette.haze, palette.cloud_lit, 0.5) * np.float32(0.42) + np.float32(0.012)

    def paint(moment: Moment, planes: Planes) -> None:
        veil = np.zeros((stage.height, stage.width), dtype=np.float32)
        for tile, speed in tiles:
            fallen = int(moment.time_s * speed * stage.height)
            top = -fallen % stage.height
            left = int(-fallen * slant) % stage.width
            veil += tile[top : top + stage.height, left : left + stage.width]
        planes += spread(shine) * veil

    return paint


def _snow(stage: Stage) -> Painter:
    """Flakes at three depths: fine and many far off, few, large and out of focus near the eye."""
    rng = stage.chance("snow")
    tiles = []
    for count, radius, fall, ink, blur in _FLAKES:
        sheet = blank(stage.width, stage.height)
        draw = ImageDraw.Draw(sheet)
        unit = stage.height * SHARPNESS
        edge = radius * unit * 3.5
        for _ in range(int(count * stage.aspect)):
            x = rng.uniform(edge, sheet.width - edge)
            y = rng.uniform(edge, sheet.height - edge)
            size = max(0.9, radius * unit * rng.uniform(0.5, 1.35))
            shade = int(ink * rng.uniform(0.45, 1.0))
            draw.ellipse((x - size, y - size * 0.9, x + size, y + size * 0.9), fill=shade)
        soft = sheet.filter(ImageFilter.GaussianBlur(max(0.8, radius * unit * blur)))
        tiles.append((_tiled(soft), fall, float(rng.uniform(0, 6))))
    white = mix(stage.palette.cloud_lit, light("#ffffff"), 0.7) * np.float32(
        1.0 - 0.55 * stage.palette.night
    )
    wind = float(rng.choice([-1, 1])) * 0.04

    def paint(moment: Moment, planes: Planes) -> None:
        veil = np.zeros((stage.height, stage.width), dtype=np.float32)
        for tile, fall, phase in tiles:
            sway = wind * moment.time_s * fall * 8 + 0.012 * np.sin(moment.time_s * 0.9 + phase)
            down = moment.time_s * fall * stage.height
            veil += _offset(tile, float(sway - moment.pan * fall * 3) * stage.height, down)
        np.minimum(veil, np.float32(0.85), out=veil)
        lay(planes, white, veil)

    return paint


def _lightning(stage: Stage) -> Painter:
    """A bolt now and then: two quick strokes, the clouds lit around it, then the dark again."""
    rng = stage.chance("lightning")
    bolts = [_bolt(stage, rng) for _ in range(2)]
    first_s, every_s = float(rng.uniform(0.5, 1.1)), float(rng.uniform(1.9, 2.7))
    tint = light("#dde5f4")

    def paint(moment: Moment, planes: Planes) -> None:
        since_s = moment.time_s - first_s
        number = int(since_s // every_s)
        if stage.moving:
            since_s -= number * every_s
            bright = _stroke(since_s) if number >= 0 else 0.0
        else:
            bright = 0.8
        if bright > 0.01:  # noqa: PLR2004 - below, nothing is seen
            bolt, glow = bolts[number % 2]
            planes += bolt * np.float32(bright) + spread(tint) * glow * np.float32(bright * 0.16)

    return paint


def _stroke(since_s: float) -> float:
    """Bright at once, dimmed, bright again, gone within half a second."""
    again = since_s - 0.13
    return float(np.exp(-since_s / 0.07) + (0.8 * np.exp(-again / 0.12) if again >= 0 else 0))


def _bolt(stage: Stage, rng: np.random.Generator) -> tuple[Planes, Plane]:
    sheet = blank(stage.width, stage.height, "RGB")
    draw = ImageDraw.Draw(sheet)
    unit = stage.height * SHARPNESS
    framing = stage.framing
    x = (0.5 - framing.side * float(rng.uniform(0.08, 0.38))) * sheet.width
    foot = (x - framing.side * float(rng.uniform(0, 0.16)) * unit, stage.horizon * unit)
    trunk = _crooked(rng, (x, 0.04 * unit), foot)
    thick = max(1, round(unit * 0.0035))
    draw.line(trunk, fill=(226, 232, 255), width=thick, joint="curve")
    for _ in range(5):
        start = trunk[int(rng.integers(8, len(trunk) * 3 // 4))]
        reach = unit * rng.uniform(0.08, 0.22)
        end = (
            start[0] - reach * framing.side * float(rng.choice([-1, 1], p=[0.2, 0.8])),
            start[1] + reach * rng.uniform(0.5, 1.2),
        )
        draw.line(_crooked(rng, start, end), fill=(150, 165, 220), width=max(1, thick // 2))
    side = stage.across() - np.float32((x / sheet.width - 0.5) * stage.aspect)
    above = stage.down() - np.float32(0.12)
    lit = np.exp(-(side * side * 2.2 + above * above * 5)) * smooth_step(
        -0.1, 0.3, stage.horizon - stage.down()
    )
    lit += np.float32(0.06)
    return glow_of(sheet, stage.height * 0.012) * np.float32(2.2), lit.astype(np.float32)


def _crooked(
    rng: np.random.Generator, start: tuple[float, float], end: tuple[float, float]
) -> list[tuple[float, float]]:
    """A straight line broken in the middle, again and again."""
    points = [start, end]
    bend = np.hypot(end[0] - start[0], end[1] - start[1]) * 0.17
    for _ in range(6):
        finer = [points[0]]
        for before, after in pairwise(points):
            middle = (before[0] + after[0]) / 2 + float(rng.normal(0, bend)) * 0.6
            finer += [(middle, (before[1] + after[1]) / 2), after]
        points, bend = finer, bend * 0.52
    return points
