"""Under water: light falling from above, fish, and small things adrift."""

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.layers import SHARPNESS, Cutout, blank, cover_of, put
from kinetoscope.providers.embedded.noise import (
    Planes,
    fractal_line,
    fractal_tile,
    look_up,
    smooth_step,
)
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage, lay
from kinetoscope.providers.embedded.swimmers import swimmers_of
from kinetoscope.providers.embedded.tone import Colour, light, mix, spread
from kinetoscope.providers.embedded.vocabulary import COLOURS

_FRAMES = 6
_FISH = 26
_DARK = {"deep", "abyss", "night", "dark"}
_KOI = {"koi", "goldfish", "carp", "clownfish"}
_KOI_INKS = ("#f2701e", "#f4ece0", "#d8321e")


def scene(stage: Stage) -> Scene:
    """Rays sway, the school turns, the reef stands still."""
    plate = SlowPlate(_Depths(stage).at, stage.rhythm(_FRAMES))
    school = _School(stage)
    large = swimmers_of(stage)

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)
        for painter in large:
            painter(moment, planes)
        school.paint(moment, planes)

    return Scene(paint=paint, lens=True)


class _Depths:
    """Water, rays and reef."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.chance("depths")
        self._stage = stage
        self._line = fractal_line(rng, 1024, 0.5)
        self._tile = fractal_tile(rng, 256, 0.4, 3)
        down = stage.down()
        surface = light(("#7fe0e0", "#8ad8f0", "#9ae8d0")[int(rng.integers(3))])
        middle, floor = light("#1478a0"), light("#06213e")
        if stage.reading.words & _DARK:
            surface, middle, floor = (
                shade * np.float32(share)
                for shade, share in ((surface, 0.3), (middle, 0.42), (floor, 0.5))
            )
        high = np.exp(-down * 3.4)
        low = smooth_step(0.2, 1.1, down)
        water = spread(middle) + spread(floor - middle) * low
        water = water + (spread(surface) - water) * high
        self._water = np.repeat(water, stage.width, axis=2).astype(np.float32)
        side = stage.across() - np.float32(stage.sun_x)
        glow = np.exp(-np.hypot(side, down + 0.05) * 2.4)
        self._water += spread(surface) * (glow * np.float32(0.8))
        self._angle = np.arctan2(side, down + np.float32(0.5))
        self._fade = np.exp(-down * 1.5) * np.exp(-np.abs(side) * 0.6) * np.float32(0.55)
        self._surface = surface
        air = mix(middle, floor, 0.5)
        self._reef = [
            (near, _reef(stage, near, mix(air, light("#020a14"), 0.25 + 0.7 * near)))
            for near in (0.1, 0.5, 1.0)
        ]

    def at(self, frame: int) -> Planes:
        stage = self._stage
        moment = stage.moment_at(frame)
        place = (self._angle * 90 + moment.time_s * 0.8).astype(np.float32)
        left = np.floor(place)
        index = left.astype(np.int32) & 1023
        share = place - left
        ray = self._line[index] + (self._line[(index + 1) & 1023] - self._line[index]) * share
        other = (self._angle * 57 - moment.time_s * 0.5).astype(np.float32).astype(np.int32) & 1023
        ray = ray + self._line[other] * np.float32(0.15)
        beam = smooth_step(-0.3, 2.4, ray) * self._fade
        planes = self._water + spread(self._surface) * beam
        drift = np.float32(moment.time_s * 0.02)
        murk = look_up(
            self._tile,
            stage.across() * np.float32(0.3) + drift,
            stage.down() * np.float32(0.5) - drift,
        )
        planes *= 1 + murk * np.float32(0.035)
        for near, cutout in self._reef:
            put(planes, cutout, moment.pan * stage.height * 0.4 * near)
        return np.asarray(planes, dtype=np.float32)


def _reef(stage: Stage, near: float, colour: Colour) -> Cutout:
    margin = int(stage.height * 0.3 * near) + 2
    width = stage.width + 2 * margin
    sheet = blank(width, stage.height)
    draw = ImageDraw.Draw(sheet)
    rng = stage.chance("reef", str(near))
    unit = stage.height * SHARPNESS
    line = fractal_line(rng, 256, 1.3)
    step = width * SHARPNESS / 255
    ground = [
        (place * step, unit * (0.8 + 0.13 * near - 0.045 * float(line[place])))
        for place in range(256)
    ]
    draw.polygon([*ground, (width * SHARPNESS, unit), (0, unit)], fill=255)
    for _ in range(int(16 * stage.aspect)):
        foot = ground[int(rng.integers(256))]
        _weed(draw, rng, foot, unit * float(rng.uniform(0.06, 0.2)) * (0.5 + 0.6 * near))
    cover = cover_of(sheet)
    return Cutout(cover, (spread(colour) * cover).astype(np.float32), margin)


def _weed(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, foot: tuple[float, float], tall: float
) -> None:
    """A tuft of fronds."""
    for _ in range(int(rng.integers(4, 9))):
        lean, bend = rng.normal(0, 0.35), rng.normal(0, 0.25)
        long = tall * rng.uniform(0.6, 1.1)
        share = np.linspace(0, 1, 9)
        x = foot[0] + long * (lean * share + bend * np.sin(share * 3.1))
        y = foot[1] + tall * 0.06 - long * share
        thick = tall * 0.05 * (1.05 - share)
        edge = [*zip(x - thick, y, strict=True), *zip((x + thick)[::-1], y[::-1], strict=True)]
        draw.polygon([(float(a), float(b)) for a, b in edge], fill=255)


class _School:
    """Fish that keep together without keeping in step, and specks of drifting life."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.chance("school")
        self._stage = stage
        words, framing = stage.reading.words, stage.framing
        koi = bool(words & _KOI)
        self._fish = 0 if words & {"jellyfish"} else 14 if koi else _FISH
        wide, grown = (0.42, 1.9) if koi else (0.2, 0.8 + 0.2 * framing.size)
        self._x = rng.normal(0, wide, _FISH) + framing.side * framing.aside * 0.9 * stage.aspect
        self._y = rng.normal(0.4 + 0.16 * framing.horizon, 0.15 if koi else 0.085, _FISH)
        self._size = rng.uniform(0.012, 0.034, _FISH) * grown
        self._phase = rng.uniform(0, 6.28, _FISH)
        self._way = int(rng.choice([-1, 1]))
        named = stage.reading.tint
        inks = _KOI_INKS if koi else (COLOURS[named],) if named else ("#0a2c44",)
        self._inks = [light(ink) for ink in inks]
        count = int(150 * stage.aspect)
        self._specks = rng.uniform(0, 1, (count, 2))
        self._pace = rng.uniform(0.2, 1.0, count)

    def paint(self, moment: Moment, planes: Planes) -> None:
        stage = self._stage
        for number, ink in enumerate(self._inks if self._fish else ()):
            sheet = blank(stage.width, stage.height)
            draw = ImageDraw.Draw(sheet)
            for fish in range(number, self._fish, len(self._inks)):
                self._swim(draw, fish, moment.time_s)
            lay(planes, ink, cover_of(sheet) * np.float32(0.85))
        self._drift(moment, planes)

    def _swim(self, draw: ImageDraw.ImageDraw, fish: int, time_s: float) -> None:
        unit = self._stage.height * SHARPNESS
        time = time_s * (0.9 + 6 * min(self._size[fish], 0.034)) + self._phase[fish]
        x = self._x[fish] + self._way * time_s * 0.035 - self._way * 0.1
        x = (x + self._stage.aspect / 2) * unit + np.sin(time) * 0.01 * unit
        y = (self._y[fish] + 0.012 * np.sin(time * 0.7)) * unit
        long = float(self._size[fish] * unit * self._way)
        _fish(draw, (float(x), float(y)), long, float(time * 7))

    def _drift(self, moment: Moment, planes: Planes) -> None:
        stage = self._stage
        x = (self._specks[:, 0] + 0.01 * np.sin(moment.time_s * self._pace + self._pace * 40)) % 1
        y = (self._specks[:, 1] + 0.012 * moment.time_s * self._pace) % 1
        column, row = x * (stage.width - 2), y * (stage.height - 2)
        left, top = column.astype(np.intp), row.astype(np.intp)
        across, down = column - left, row - top
        strength = self._pace * 0.22 * (1 - y * 0.6)
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (across if dx else 1 - across) * (down if dy else 1 - down) * strength
            for plane in planes:
                np.add.at(plane, (top + dy, left + dx), weight.astype(np.float32))


def _fish(draw: ImageDraw.ImageDraw, middle: tuple[float, float], long: float, beat: float) -> None:
    x, y = middle
    tall = abs(long) * 0.26
    share = np.linspace(0, 1, 9)
    back = tall * np.sin(np.pi * share**0.75)
    spine = x + long * (1 - 2 * share)
    edge = [*zip(spine, y - back, strict=True), *zip(spine[::-1], (y + back)[::-1], strict=True)]
    draw.polygon([(float(a), float(b)) for a, b in edge], fill=255)
    sway = tall * 0.5 * float(np.sin(beat))
    tail = x - long * 0.9
    draw.polygon(
        [(tail, y), (tail - long * 0.45, y - tall + sway), (tail - long * 0.45, y + tall + sway)],
        fill=255,
    )
