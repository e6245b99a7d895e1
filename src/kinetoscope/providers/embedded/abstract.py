"""For prompts without a place: folds of coloured silk, never the same for two prompts."""

import colorsys

import numpy as np

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile, look_up, smooth_step
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import Colour, spread, unfilm
from kinetoscope.providers.embedded.vocabulary import COLOURS

_FRAMES = 4
_SHADES = 6


def scene(stage: Stage) -> Scene:
    """Noise bent by noise, lit as if it were cloth."""
    plate = SlowPlate(_Silk(stage).at, _FRAMES if stage.moving else 1)

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)

    return Scene(paint=paint, lens=True)


class _Silk:
    """The cloth of one composition, and its state at any frame."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.chance("silk")
        self._stage = stage
        self._bend = fractal_tile(rng, 256, -0.3, 2)
        self._weave = fractal_tile(rng, 256, -0.15, 2)
        turn = rng.uniform(0, np.pi)
        across, down = np.broadcast_arrays(stage.across(), stage.down() - np.float32(0.5))
        size = np.float32(rng.uniform(0.15, 0.24))
        self._x = (across * np.float32(np.cos(turn)) - down * np.float32(np.sin(turn))) * size
        self._y = (across * np.float32(np.sin(turn)) + down * np.float32(np.cos(turn))) * size
        self._folds = float(rng.uniform(2.6, 4.2))
        self._strength = np.float32(rng.uniform(0.05, 0.085))
        self._shades = np.stack(_shades(stage))
        self._start = rng.uniform(0, 1, 4).astype(np.float32)

    def at(self, frame: int) -> Planes:
        time = np.float32(frame / 24 * 0.011)
        a, b, c, d = self._start
        first = look_up(self._bend, self._x + a + time, self._y + b - time * 0.6)
        second = look_up(self._bend, self._x + c - time * 0.7, self._y + d + time * 0.4)
        x = self._x + first * self._strength
        y = self._y + second * self._strength
        height = look_up(self._weave, x + time * 0.5, y)
        beside = look_up(self._weave, x + time * 0.5 + 0.012, y + 0.008)
        slope = (beside - height) * np.float32(2.6)
        wave = np.sin((height + first * 0.35) * np.float32(self._folds))
        light_on = np.clip(0.5 + slope + wave * np.float32(0.12), 0, 1)
        position = np.clip(0.5 + height * 0.26 + second * 0.16, 0, 0.9999) * (_SHADES - 1)
        planes = _graded(self._shades, position.astype(np.float32))
        planes *= 0.22 + 1.1 * light_on**1.4
        gleam = smooth_step(0.62, 1.05, light_on + wave * np.float32(0.1)) ** 2
        planes += spread(self._shades[-1]) * (gleam * np.float32(0.5))
        return np.asarray(planes, dtype=np.float32)


def _graded(shades: Planes, position: Plane) -> Planes:
    """Colour by position along the row of shades, blended softly."""
    low = position.astype(np.int32)
    share = position - low
    share = share * share * (3 - 2 * share)
    return np.stack(
        [
            channel.take(low) + (channel.take(low + 1) - channel.take(low)) * share
            for channel in np.ascontiguousarray(shades.T)
        ]
    )


def _shades(stage: Stage) -> list[Colour]:
    """A dark, a deep, two neighbours, their opposite, and a light: always in harmony."""
    rng = stage.chance("shades")
    hue = float(rng.uniform())
    if stage.reading.tint:
        tint = COLOURS[stage.reading.tint].removeprefix("#")
        red, green, blue = (int(tint[place : place + 2], 16) / 255 for place in (0, 2, 4))
        hue = colorsys.rgb_to_hls(red, green, blue)[0]
    step = float(rng.choice([-1, 1])) * float(rng.uniform(0.06, 0.11))
    accent = hue + 0.5 + float(rng.uniform(-0.08, 0.08))
    recipe = (
        (hue - step, 0.10, 0.55),
        (hue, 0.26, 0.6),
        (hue + step, 0.42, 0.62),
        (hue + 2 * step, 0.58, 0.68),
        (accent, 0.66, 0.72),
        (accent + step, 0.88, 0.7),
    )
    return [
        unfilm(np.array(colorsys.hls_to_rgb(shade % 1, lightness, full), dtype=np.float32))
        for shade, lightness, full in recipe
    ]
