"""The places of the sound track: every recipe here turns one natural sound into layers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from kinetoscope.providers.embedded.sound_creatures import birds, crickets, gulls, owl
from kinetoscope.providers.embedded.sound_material import (
    Curve,
    Random,
    Samples,
    Stage,
    band_gains,
    boom,
    burst,
    drift,
    drop,
    grain_loop,
    lay,
    moments,
    noise_loop,
    pad_loop,
    ring,
    spectrum_of,
    sweep,
)
from kinetoscope.providers.embedded.work import SAMPLES_PER_S

Ambience = Callable[[Stage, Random, float], None]
"""Adds one natural sound to a stage at a level, about 1 where it leads the scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breath:
    """A sound made of moving noise; it never falls below `rest` (1 is the height of a gust).

    A band is (low hertz, high hertz, slope, power, share): a higher power opens later in a gust,
    so that pitch seems to rise with strength.
    """

    slowest_s: float
    fastest_s: float
    rest: float
    bands: tuple[tuple[float, float, int, int, float], ...]


BREATHS: Mapping[str, Breath] = MappingProxyType(
    {
        "wind": Breath(
            slowest_s=9,
            fastest_s=1.1,
            rest=0.15,
            bands=((90, 260, 1, 1, 0.04), (330, 900, 2, 3, 0.08)),
        ),
        "whistle": Breath(slowest_s=7, fastest_s=0.9, rest=0, bands=((560, 640, 3, 3, 0.08),)),
        "leaves": Breath(
            slowest_s=5, fastest_s=0.35, rest=0.15, bands=((1_800, 6_500, 1, 3, 0.03),)
        ),
        "sand": Breath(slowest_s=6, fastest_s=0.5, rest=0.05, bands=((3_000, 9_000, 1, 3, 0.025),)),
        "hum": Breath(
            slowest_s=10,
            fastest_s=2,
            rest=0.6,
            bands=((50, 150, 1, 1, 0.024), (220, 1_100, 1, 1, 0.024)),
        ),
        "depths": Breath(
            slowest_s=6,
            fastest_s=0.8,
            rest=0.3,
            bands=((45, 140, 2, 1, 0.035), (160, 480, 2, 2, 0.045)),
        ),
        "air": Breath(slowest_s=12, fastest_s=2, rest=0.5, bands=((150, 1_200, 1, 1, 0.015),)),
        "hush": Breath(
            slowest_s=9,
            fastest_s=2,
            rest=0.5,
            bands=((120, 520, 1, 1, 0.03), (4_000, 9_000, 1, 2, 0.006)),
        ),
        "stream": Breath(
            slowest_s=2,
            fastest_s=0.2,
            rest=0.5,
            bands=((350, 1_400, 1, 1, 0.03), (1_800, 6_000, 1, 2, 0.02)),
        ),
        "falls": Breath(
            slowest_s=5,
            fastest_s=0.5,
            rest=1.2,
            bands=((60, 400, 1, 1, 0.05), (600, 6_000, 1, 1, 0.04)),
        ),
    }
)


def hiss(stage: Stage, random: Random, band: tuple[float, float, int]) -> Samples:
    """Return a noise loop between two frequencies in hertz, with a slope of 1 (soft) or more."""
    low_hz, high_hz, slope = band
    return noise_loop(random, stage.loop_size, band_gains(stage.loop_size, low_hz, high_hz, slope))


def gusts(random: Random, stage: Stage, slowest_s: float, fastest_s: float) -> tuple[Curve, Curve]:
    """Return two wandering curves, alike but not the same, for the two channels."""
    clock_s = stage.clock_s
    common = drift(random, clock_s, slowest_s, fastest_s)
    left, right = (drift(random, clock_s, slowest_s, fastest_s) for _ in range(2))
    return 0.6 * common + 0.4 * left, 0.6 * common + 0.4 * right


def breathe(stage: Stage, random: Random, level: float, *, breath: Breath) -> None:
    """Lay the bands of one kind of moving air or water, each under its own gusts."""
    for low_hz, high_hz, slope, power, share in breath.bands:
        loop = hiss(stage, random, (low_hz, high_hz, slope))
        left, right = gusts(random, stage, breath.slowest_s, breath.fastest_s)
        rest = breath.rest
        lay(stage, loop, *((rest + side**power) * level * share for side in (left, right)))


def surf(stage: Stage, random: Random, level: float) -> None:
    """Waves that gather, break and run out over the sand."""
    clock_s = stage.clock_s
    body, foam = np.full((2, 2, clock_s.size), 0.10)
    for at_s in moments(random, stage, random.uniform(0.9, 1.9) - 6.5, 6.5):
        size, pan = random.uniform(0.55, 1.0), random.uniform(-0.35, 0.35)
        late_s = clock_s - at_s
        swell = size * np.exp(np.where(late_s < 0, late_s / 0.9, -late_s / 1.5))
        wash_s = late_s - 0.35
        wash = size * np.exp(np.where(wash_s < 0, wash_s / 0.3, -wash_s / 1.7))
        for channel, side in enumerate((1 - pan, 1 + pan)):
            body[channel] += swell * side
            foam[channel] += wash * side
    lay(stage, hiss(stage, random, (55, 330, 1)), *(body * level * 0.055))
    lay(stage, hiss(stage, random, (500, 4_000, 1)), *(foam * level * 0.042))


def rain(stage: Stage, random: Random, level: float) -> None:
    """Lay a steady hiss of far drops under a patter of near ones."""
    size = stage.loop_size
    left, right = gusts(random, stage, 8.0, 1.5)
    for loop, share in (
        (hiss(stage, random, (1_500, 10_000, 1)), 0.04),
        (grain_loop(random, size, 700, band_gains(size, 900, 7_000)), 0.018),
        (grain_loop(random, size, 60, band_gains(size, 250, 1_400)), 0.012),
    ):
        lay(stage, loop, (0.7 + 0.5 * left) * level * share, (0.7 + 0.5 * right) * level * share)


def thunder(stage: Stage, random: Random, level: float) -> None:
    """Strikes that crack, tumble and roll away."""
    clock_s = stage.clock_s
    roll, crack = np.zeros((2, clock_s.size))
    for at_s in moments(random, stage, random.uniform(0.5, 1.3), 11.0):
        for lump in range(7):
            late_s = clock_s - at_s - lump * random.uniform(0.15, 0.7)
            size = random.uniform(0.4, 1.0) * 0.8**lump
            shape = np.clip(late_s / 0.05, 0, np.exp(-np.maximum(late_s, 0) / 0.8))
            roll += size * shape
            crack += size * shape * np.exp(-np.maximum(late_s, 0) / 0.3) * (0.5**lump)
    lean = random.uniform(0.7, 1.3)
    lay(
        stage,
        hiss(stage, random, (32, 110, 1)),
        *(roll * level * 0.16 * s for s in (lean, 2 - lean)),
    )
    lay(stage, hiss(stage, random, (120, 900, 1)), crack * level * 0.09, crack * level * 0.09)


def passing(stage: Stage, random: Random, level: float) -> None:
    """Vehicles sweeping by at a distance, from one side to the other."""
    clock_s = stage.clock_s
    left, right = np.zeros((2, clock_s.size))
    for at_s in moments(random, stage, random.uniform(0.8, 1.8), 3.8):
        pace = (clock_s - at_s) / random.uniform(0.5, 0.9)
        side = random.choice((-0.85, 0.85)) * np.tanh(pace)
        near = random.uniform(0.3, 1) / (1 + pace * pace) ** 1.5
        left += near * (1 - side)
        right += near * (1 + side)
    lay(stage, hiss(stage, random, (160, 1_300, 1)), left * level * 0.05, right * level * 0.05)
    lay(stage, hiss(stage, random, (900, 5_000, 1)), *(c**2 * level * 0.012 for c in (left, right)))


def fire(stage: Stage, random: Random, level: float) -> None:
    """Burn: a soft roar, a fine sizzle and pops that never repeat in time."""
    left, right = gusts(random, stage, 3.0, 0.3)
    lay(stage, hiss(stage, random, (50, 280, 1)), left * level * 0.045, right * level * 0.045)
    fine = grain_loop(random, stage.loop_size, 90, band_gains(stage.loop_size, 1_200, 6_000))
    lay(stage, fine, left**2 * level * 0.022, right**2 * level * 0.022)
    bank = [burst(random, decay_s) for decay_s in (0.0006, 0.001, 0.0016, 0.0025, 0.004)]
    for at_s in random.uniform(0, stage.duration_s, round(7 * stage.duration_s)):
        gain = level * 0.15 * random.random() ** 4
        drop(
            stage, bank[random.integers(5)], at_s, gain=gain, pan=random.uniform(-0.5, 0.5), wet=0.1
        )


def bubbles(stage: Stage, random: Random, level: float) -> None:
    """Strings of bubbles; each sings higher as it rises and shrinks."""
    course = np.linspace(0, 1, round(0.09 * SAMPLES_PER_S))
    shape = np.minimum(1, course * 12) * (1 - course) ** 2
    bank = [
        sweep(pitch_hz * (1 + 0.9 * course**2), shape) for pitch_hz in np.geomspace(260, 1_300, 9)
    ]
    for at_s in moments(random, stage, random.uniform(0.3, 0.9), 1.9):
        pan, low = random.uniform(-0.7, 0.7), int(random.integers(0, 5))
        for step in range(random.integers(3, 11)):
            late_s = at_s + step * 0.085 * random.uniform(0.6, 1.5)
            gain = level * 0.1 * random.uniform(0.3, 1)
            drop(stage, bank[low + int(random.integers(5))], late_s, gain=gain, pan=pan, wet=0.6)


def drone(stage: Stage, random: Random, level: float) -> None:
    """Lay the imagined hum of space: a deep fifth with a slow glint far above it."""
    for pitches_hz, rolloff, share in (
        ((55, 73.42, 110, 164.81), 1.0, 0.045),
        ((440, 587.33, 880), 1.2, 0.014),
    ):
        left, right = gusts(random, stage, 11.0, 2.5)
        loop = pad_loop(random, stage.loop_size, pitches_hz, rolloff)
        lay(stage, loop, (0.3 + left) * level * share, (0.3 + right) * level * share)


def applause(stage: Stage, random: Random, level: float) -> None:
    """Fill a hall with people clapping."""
    # A few hands rather than one: each burst has a colour of its own.
    size = stage.loop_size
    claps = np.zeros(size, np.float32)
    for _ in range(3):
        clap = spectrum_of(burst(random, 0.004), size) * band_gains(size, 500, 4_000)
        claps += grain_loop(random, size, 90, clap)
    swell = 0.75 + 0.5 * drift(random, stage.clock_s, 8.0, 1.0)
    lay(stage, claps, swell * level * 0.03, swell * level * 0.03)
    lay(stage, hiss(stage, random, (700, 3_500, 1)), swell * level * 0.03, swell * level * 0.03)


def repeat(stage: Stage, random: Random, level: float, *, wave: Samples, gap_s: float) -> None:
    """Sound one thing again and again: a clock, a heart, a horn in the fog."""
    for index in range(int(stage.duration_s / gap_s) + 1):
        late_s = 0.3 + index * gap_s + random.uniform(0, 0.01)
        drop(stage, wave, late_s, gain=level * (0.8 + 0.2 * (index % 2)), wet=0.5)


def tick(stage: Stage, random: Random, level: float) -> None:
    """Tick as a clock does."""
    wave = ring(((2_100, 0.004, 0.6), (3_700, 0.003, 0.5), (1_050, 0.006, 0.4)), 0.06, 0.0005)
    repeat(stage, random, level * 0.12, wave=wave, gap_s=0.5)


def heart(stage: Stage, random: Random, level: float) -> None:
    """Beat as a heart does: two beats close together."""
    beat = boom(48.0)
    late = np.zeros(round(0.28 * SAMPLES_PER_S), np.float32)
    pair = np.concatenate([beat, late])
    pair[late.size :] += beat * np.float32(0.7)
    repeat(stage, random, level * 0.3, wave=pair, gap_s=0.95)


def foghorn(stage: Stage, random: Random, level: float) -> None:
    """Sound a horn a long way out in the fog."""
    course = np.linspace(0, 1, round(2.6 * SAMPLES_PER_S))
    horn = sweep(np.full(course.size, 103.0), np.sin(np.pi * course) ** 0.7, 0.6)
    repeat(stage, random, level * 0.06, wave=horn, gap_s=9.0)


EVENTS: tuple[Ambience, ...] = (surf, rain, thunder, birds, gulls, crickets, owl, passing)
EVENTS += (fire, bubbles, drone, applause, tick, heart, foghorn)

AMBIENCES: Mapping[str, Ambience] = MappingProxyType(
    {name: partial(breathe, breath=breath) for name, breath in BREATHS.items()}
    | {event.__name__: event for event in EVENTS}
)
"""Every natural sound by its name."""
