"""The animals of the sound track: short calls, made once and scattered over a stage."""

import numpy as np

from kinetoscope.providers.embedded.sound_material import (
    Random,
    Samples,
    Stage,
    drop,
    moments,
    sweep,
)
from kinetoscope.providers.embedded.work import SAMPLES_PER_S

RESTS = (1,) + (0,) * 15
"""How often a cricket leaves out a chirp."""


def syllable(random: Random, pitch_hz: float) -> Samples:
    """Return one bird syllable: a short glide or trill with a soft onset."""
    seconds = random.uniform(0.05, 0.16)
    course = np.linspace(0, 1, round(seconds * SAMPLES_PER_S))
    bend = random.uniform(-0.35, 0.35) * course + random.uniform(-0.2, 0.2) * np.sin(np.pi * course)
    trill = random.choice((0, 0.06)) * np.sin(2 * np.pi * random.uniform(3, 7) * course)
    return sweep(pitch_hz * (1 + bend + trill), np.sin(np.pi * course) ** 1.5, 0.12)


def birds(stage: Stage, random: Random, level: float) -> None:
    """Perch a few birds, each repeating and varying its own phrase from its own tree."""
    for bird in range(4):
        pitch_hz = random.uniform(2_400, 4_600)
        bank = [syllable(random, pitch_hz * random.uniform(0.8, 1.2)) for _ in range(3)]
        beat_s, pan = random.uniform(0.12, 0.22), random.uniform(-0.8, 0.8)
        near = random.uniform(0.35, 1.0)
        for at_s in moments(random, stage, random.uniform(0.2, 0.8) + 0.7 * bird, 3.6):
            for step in range(random.integers(3, 8)):
                drop(
                    stage,
                    bank[int(random.choice((0, step % 3)))],
                    at_s + step * beat_s * random.uniform(0.95, 1.05),
                    gain=level * 0.11 * near * random.uniform(0.6, 1),
                    pan=pan,
                    wet=0.9 - 0.5 * near,
                )


def gulls(stage: Stage, random: Random, level: float) -> None:
    """Gulls calling over the water, far off."""
    course = np.linspace(0, 1, round(0.42 * SAMPLES_PER_S))
    arch = np.sin(np.pi * course**0.6)
    bank = [
        sweep(pitch_hz * (0.7 + 0.5 * arch), arch**1.5, 0.5) for pitch_hz in (980, 1_080, 1_170)
    ]
    for at_s in moments(random, stage, random.uniform(0.6, 2.4), 6.0):
        pan, near = random.uniform(-0.8, 0.8), random.uniform(0.3, 1)
        for call in range(random.integers(2, 5)):
            wave = bank[random.integers(3)]
            gain = level * 0.055 * near * 0.85**call
            drop(stage, wave, at_s + 0.47 * call, gain=gain, pan=pan, wet=0.8)


def crickets(stage: Stage, random: Random, level: float) -> None:
    """Crickets, each with its own pitch and pace; their pulses make the shimmer of the night."""
    for _ in range(4):
        pitch_hz, pulse_hz = random.uniform(4_100, 4_900), random.uniform(24, 32)
        pulses = int(random.integers(3, 6))
        time_s = np.arange(round(pulses / pulse_hz * SAMPLES_PER_S)) / SAMPLES_PER_S
        gate = np.sin(np.pi * time_s * pulse_hz) ** 2
        chirp = sweep(np.full(time_s.size, pitch_hz), gate * np.minimum(1, 0.5 + time_s * 8))
        gap_s, pan, near = (
            random.uniform(0.42, 0.8),
            random.uniform(-0.9, 0.9),
            random.uniform(0.3, 1),
        )
        now_s = random.uniform(0, gap_s)
        while now_s < stage.duration_s:
            gain = level * 0.09 * near * random.uniform(0.8, 1)
            drop(stage, chirp, now_s, gain=gain, pan=pan, wet=0.2)
            now_s += gap_s * random.uniform(0.97, 1.03) + random.choice(RESTS) * gap_s


def owl(stage: Stage, random: Random, level: float) -> None:
    """Call as an owl: three hoots at a time, a long way into the trees."""
    course = np.linspace(0, 1, round(0.45 * SAMPLES_PER_S))
    hoot = sweep(370 + 25 * np.sin(np.pi * course), np.sin(np.pi * course) ** 1.2, 0.08)
    pan = random.uniform(-0.6, 0.6)
    for at_s in moments(random, stage, random.uniform(0.8, 2.0), 10.0):
        for late_s, gain in ((0.0, 0.7), (0.55, 0.4), (1.25, 1.0)):
            drop(stage, hoot, at_s + late_s, gain=gain * level * 0.06, pan=pan, wet=1.2)
