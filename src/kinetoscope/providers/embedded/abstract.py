"""For prompts without a place: sheets of coloured silk, never the same for two prompts."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.noise import Planes, fractal_line, smooth_step
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import Colour, mix, spread, unfilm
from kinetoscope.providers.embedded.vocabulary import COLOURS
from kinetoscope.providers.embedded.work import FRAMES_PER_S

_FRAMES = 6
_SHADES = 6
_SHEETS = 7
_LINE = 2048


def scene(stage: Stage) -> Scene:
    """Sheets that rise and fall, each in its own time."""
    plate = SlowPlate(_silk(stage), stage.rhythm(_FRAMES))

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)

    return Scene(paint=paint, lens=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """One sheet: everything below a moving edge."""

    level: float
    swing: float
    slow: NDArray[np.float32]
    quick: NDArray[np.float32]
    start: float
    pace: float
    bright: Colour
    deep: Colour


def _silk(stage: Stage) -> Callable[[int], Planes]:
    """Sheets in front of each other; each shades the one behind and catches light at its edge."""
    rng = stage.chance("silk")
    shades = _shades(stage)
    slant = np.float32(rng.uniform(-0.7, 0.7) / max(stage.aspect, 1))
    across, down = stage.across(), stage.down()
    sheets = [_sheet(rng, shades, place / (_SHEETS - 1)) for place in range(_SHEETS)]
    high = smooth_step(-0.1, 1.0, down + across * slant)
    behind = spread(shades[1]) + spread(shades[3] - shades[1]) * high
    side = np.float32(np.sign(stage.sun_x) or 1)
    lamp = np.exp(-((across - side * stage.aspect * 0.3) ** 2) * 1.2 - down * down * 2.2)
    behind = behind + spread(shades[5]) * (lamp * np.float32(0.8))
    breadth = np.clip(0.75 + across * side * np.float32(0.5 / max(stage.aspect, 1)), 0.4, 1.2)
    height = np.float32(stage.height)

    def at(frame: int) -> Planes:
        time_s = frame / FRAMES_PER_S
        planes = behind.astype(np.float32)
        for sheet in sheets:
            depth = down + across * slant - _edge(sheet, across[0], time_s)[None, :]
            cover = np.clip(depth * height * np.float32(0.7) + np.float32(0.5), 0, 1)
            inside = np.maximum(depth, 0)
            planes *= 1 - np.exp(np.minimum(depth, 0) * 13) * np.float32(0.42) * (1 - cover)
            fall = 1 - np.exp(-inside * np.float32(4.2))
            light = spread(sheet.bright) + spread(sheet.deep - sheet.bright) * fall
            gleam = np.exp(-inside * 46) * np.float32(0.5) + np.exp(-inside * 9) * np.float32(0.22)
            light = light * breadth + spread(shades[5]) * (gleam * breadth)
            planes += (light - planes) * cover
        return planes

    return at


def _sheet(rng: np.random.Generator, shades: list[Colour], near: float) -> _Sheet:
    place = near * (_SHADES - 2)
    low = min(int(place), _SHADES - 3)
    bright = mix(shades[_SHADES - 2 - low], shades[max(0, _SHADES - 3 - low)], place - low)
    return _Sheet(
        level=0.12 + 0.74 * near + float(rng.uniform(-0.03, 0.03)),
        swing=float(rng.uniform(0.09, 0.17)),
        slow=fractal_line(rng, _LINE, 3.2),
        quick=fractal_line(rng, _LINE, 3.6),
        start=float(rng.uniform()),
        pace=float(rng.choice([-1, 1])) * float(rng.uniform(0.006, 0.012)),
        bright=bright,
        deep=mix(bright * np.float32(0.25), shades[0], 0.45),
    )


def _edge(sheet: _Sheet, across: NDArray[np.float32], time_s: float) -> NDArray[np.float32]:
    """Two slow lines that slide against each other, so that the edge bends as it moves."""
    along = across * np.float32(0.17) + np.float32(sheet.start)
    first = _at(sheet.slow, along + np.float32(sheet.pace * time_s))
    second = _at(sheet.quick, along * np.float32(1.6) - np.float32(sheet.pace * 0.8 * time_s))
    return np.asarray(
        sheet.level + (first + second * np.float32(0.45)) * np.float32(sheet.swing),
        dtype=np.float32,
    )


def _at(line: NDArray[np.float32], along: NDArray[np.float32]) -> NDArray[np.float32]:
    place = (along % 1) * np.float32(_LINE)
    left = place.astype(np.int32) % _LINE
    share = place - np.floor(place)
    return np.asarray(line[left] + (line[(left + 1) % _LINE] - line[left]) * share, np.float32)


def _shades(stage: Stage) -> list[Colour]:
    """From a dark through neighbouring hues to a light: always in harmony."""
    rng = stage.chance("shades")
    hue = float(rng.uniform())
    step = float(rng.choice([-1, 1])) * float(rng.uniform(0.055, 0.1))
    if stage.reading.tints:
        return _named([COLOURS[tint.colour] for tint in stage.reading.tints], step * 0.25)
    recipe = (
        (hue - step, 0.10, 0.6),
        (hue, 0.30, 0.62),
        (hue + step, 0.44, 0.62),
        (hue + 2 * step, 0.55, 0.66),
        (hue + 3 * step, 0.66, 0.72),
        (hue + 3.6 * step, 0.86, 0.75),
    )
    return [_shade(*shade) for shade in recipe]


def _named(names: list[str], step: float) -> list[Colour]:
    """The prompt's own colours from dark to light, each as itself; one alone drifts a little."""
    wanted = []
    for name in names[:_SHADES]:
        digits = name.removeprefix("#")
        red, green, blue = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
        wanted.append(colorsys.rgb_to_hls(red, green, blue))
    wanted.sort(key=lambda shade: shade[1])
    if len(wanted) == 1:
        hue, lightness, full = wanted[0]
        wanted = [(hue - step, lightness * 0.8, full), (hue, lightness, full),
                  (hue + step, lightness * 1.15, full)]  # fmt: skip
    places = np.linspace(0, len(wanted) - 1, _SHADES)
    shades = []
    for place, lift in zip(places, (0.45, 1.0, 1.05, 1.0, 1.1, 1.45), strict=True):
        hue, lightness, full = wanted[round(float(place))]
        shades.append(_shade(hue, min(lightness * lift, 0.9), full))
    return shades


def _shade(hue: float, lightness: float, full: float) -> Colour:
    shown = colorsys.hls_to_rgb(hue % 1, lightness, full)
    return unfilm(np.array(shown, dtype=np.float32))
