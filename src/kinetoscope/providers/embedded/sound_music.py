"""The music of the sound track: pads, a few notes and drums, played as a mood asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kinetoscope.providers.embedded.sound_material import (
    PAD_TOP_HZ,
    Curve,
    Random,
    Samples,
    Stage,
    boom,
    drift,
    drop,
    lay,
    pad_loop,
    ring,
)

ROOT_HZ = 146.83
"""The D below middle C; pieces start within a third of it."""
TWO_CHORDS_S = 4.0
"""The shortest clip with two chords: two already make a story."""
STROLL_S = 0.4
"""Steps shorter than this play a figure, longer ones wander."""
ARPEGGIO = (0, 2, 1, 3, 2, 4, 3, 1)

Chord = tuple[int, ...]


def piano(pitch_hz: float) -> Samples:
    """Return a soft piano note: stretched partials on two strings that beat against each other."""
    partials = []
    for harmonic in range(1, 11):
        stretched_hz = pitch_hz * harmonic * (1 + 0.0004 * harmonic * harmonic) ** 0.5
        decay_s = 1.1 * (220 / pitch_hz) ** 0.4 / harmonic**0.7
        partials += [(stretched_hz * d, decay_s, 0.5 * harmonic**-1.6) for d in (0.9994, 1.0006)]
    return ring(partials, 2.6, 0.006)


def pluck(pitch_hz: float) -> Samples:
    """Return a plucked string; odd and even partials differ as they do off its middle."""
    return ring(
        [
            (pitch_hz * h, 0.55 / h**0.8, abs(np.sin(0.7 * h)) / h**1.1)
            for h in range(1, 13)
            if pitch_hz * h < 2 * PAD_TOP_HZ
        ],
        1.4,
    )


def bell(pitch_hz: float) -> Samples:
    """Return a glass bell: few partials, most of them out of tune with each other."""
    tones = ((1, 1.1, 1), (1.003, 1.0, 0.5), (2.0, 0.7, 0.35), (2.76, 0.4, 0.22), (5.4, 0.15, 0.1))
    return ring([(pitch_hz * ratio, decay_s, part) for ratio, decay_s, part in tones], 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """How a mood is played. Chords are semitones above the root; the piece ends on the first.

    `rolloff` darkens the pads, `density` is the chance of a note on each step of `step_s`,
    `pad`, `drums` and `glint` (a high slow pad) are levels, `rise` makes the piece grow to its
    end. `keys` are the roots to choose from, in semitones from ROOT_HZ.
    """

    chords: tuple[Chord, ...]
    chord_s: float
    rolloff: float = 1.5
    level: float = 1.0
    pad: float = 1.0
    play: Callable[[float], Samples] = piano
    step_s: float = 0.7
    density: float = 0.4
    drums: float = 0.0
    glint: float = 0.2
    rise: bool = False
    keys: tuple[int, ...] = (-4, -3, -2, -1, 0, 1, 2, 3)


OPEN = ((0, 7, 14, 16, 23), (-3, 4, 12, 14, 19), (-7, 0, 9, 16, 19), (-5, 2, 12, 14, 21))
LYDIAN = ((0, 7, 11, 14, 18), (-3, 4, 11, 12, 19), (-8, -1, 7, 14, 18), (0, 9, 14, 18, 21))
MAJOR = ((0, 7, 16, 19, 24), (-3, 4, 12, 16, 19), (-7, 0, 9, 12, 19), (-5, 2, 11, 14, 19))
WISTFUL = ((0, 7, 14, 15, 22), (-4, 3, 7, 12, 19), (-7, 5, 8, 12, 19), (-5, 2, 10, 14, 17))
SHADOW = ((-12, 0, 7, 12, 15), (-12, 0, 8, 12, 17), (-12, 0, 7, 11, 15), (-12, 0, 8, 13, 17))
AEOLIAN = (
    (-12, 0, 7, 12, 15, 19),
    (-16, -4, 3, 8, 12, 15),
    (-9, 3, 7, 10, 15, 19),
    (-14, -2, 5, 10, 14, 17),
)
TENSE = ((-12, 0, 7, 15, 19), (-4, 3, 8, 12, 20), (-7, 5, 8, 12, 17), (-5, 2, 7, 11, 17))

MOODS: Mapping[str, Music] = MappingProxyType(
    {
        "calm": Music(chords=OPEN, chord_s=7),
        "wistful": Music(chords=WISTFUL, chord_s=7, rolloff=1.7, density=0.35),
        "dreamy": Music(
            chords=LYDIAN, chord_s=7, rolloff=1.35, play=bell, step_s=0.6, density=0.45, glint=0.5
        ),
        "cheerful": Music(
            chords=MAJOR, chord_s=3, rolloff=1.3, pad=0.55, play=pluck, step_s=0.25, density=0.9
        ),
        "dark": Music(chords=SHADOW, chord_s=7, rolloff=2.0, level=1.2, density=0.1, glint=0.1),
        "epic": Music(
            chords=AEOLIAN, chord_s=4, rolloff=1.15, level=1.5, density=0, drums=1, rise=True
        ),
        "dramatic": Music(
            chords=TENSE,
            chord_s=4,
            rolloff=1.4,
            level=1.2,
            step_s=0.5,
            density=0.4,
            drums=0.6,
            rise=True,
        ),
    }
)


def compose(stage: Stage, random: Random, music: Music, share: float) -> None:
    """Add pads, notes and drums to a stage; `share` scales them all."""
    root_hz = ROOT_HZ * 2 ** (random.choice(music.keys) / 12)
    fewest = 2 if stage.duration_s >= TWO_CHORDS_S else 1
    slots = max(fewest, round(stage.duration_s / music.chord_s))
    bars = [music.chords[(index + 1 - slots) % len(music.chords)] for index in range(slots)]
    course = np.linspace(0, 1, stage.clock_s.size)
    growth = 0.35 + 0.65 * course**1.5 if music.rise else np.ones_like(course)
    level = growth * share * music.level
    pads(stage, random, music, bars, (root_hz, level * music.pad * 0.06))
    notes(stage, random, music, bars, (root_hz, share * music.level * 0.22))
    if music.drums:
        drums(stage, random, stage.duration_s / slots, level * music.drums * 0.3)


def pads(
    stage: Stage, random: Random, music: Music, bars: list[Chord], tuning: tuple[float, Curve]
) -> None:
    """Hold each chord for its bar, melting into the next; `tuning` is the root and the level."""
    root_hz, level = tuning
    bar_s = stage.duration_s / len(bars)
    melt_s = min(1.8, 0.45 * bar_s)
    for chord in sorted(set(bars)):
        held = np.zeros_like(stage.clock_s)
        for index, bar in enumerate(bars):
            if bar == chord:
                held += hold(stage.clock_s, index * bar_s, (index + 1) * bar_s, melt_s)
        pitches_hz = [root_hz * 2 ** (step / 12) for step in chord]
        loop = pad_loop(random, stage.loop_size, pitches_hz, music.rolloff)
        sides = (0.8 + 0.4 * drift(random, stage.clock_s, 7.0, 2.0) for _ in range(2))
        lay(stage, loop, *(held * level * side for side in sides))
    if music.glint:
        pitches_hz = [root_hz * 2 ** (step / 12) for step in (24, 31, 36)]
        loop = pad_loop(random, stage.loop_size, pitches_hz, 1.5)
        sides = (drift(random, stage.clock_s, 6.0, 0.7) ** 2 for _ in range(2))
        lay(stage, loop, *(level * music.glint * 0.5 * side for side in sides))


def hold(clock_s: Curve, from_s: float, to_s: float, melt_s: float) -> Curve:
    """Return a gain that rises and falls around two times; neighbours keep equal power."""
    # The first bar opens before the stage does, so that a clip does not start from nothing.
    rise = np.clip((clock_s - from_s) / melt_s + (0.5 if from_s else 0.8), 0, 1)
    fall = np.clip((to_s - clock_s) / melt_s + (0.5 if to_s < clock_s[-1] - melt_s else 1), 0, 1)
    return np.sin(rise * np.pi / 2) * np.sin(fall * np.pi / 2)


def notes(
    stage: Stage, random: Random, music: Music, bars: list[Chord], tuning: tuple[float, float]
) -> None:
    """Scatter notes of each chord, each with two fading echoes on the other side."""
    root_hz, level = tuning
    bar_s = stage.duration_s / len(bars)
    steps = max(1, round(bar_s / music.step_s))
    step_s = bar_s / steps
    bank: dict[int, Samples] = {}
    place = int(random.integers(0, 4))
    for index in range(len(bars) * steps):
        at_s = index * step_s + random.uniform(0, 0.012)
        first = index % steps == 0
        if random.random() > music.density + 0.35 * first * (music.density > 0):
            continue
        if at_s > stage.duration_s - 0.6:
            break
        pool = register(bars[index // steps])
        place = next_place(random, music, index, place) % len(pool)
        tone = pool[place]
        if tone not in bank:
            bank[tone] = music.play(root_hz * 2 ** (tone / 12))
        pan, gain = random.uniform(-0.5, 0.5), level * random.uniform(0.55, 0.9) * (1 + 0.2 * first)
        for echo in range(3):
            late_s = at_s + 1.5 * step_s * echo
            drop(
                stage, bank[tone], late_s, gain=gain * 0.38**echo, pan=pan * (-1.4) ** echo, wet=0.6
            )


def register(chord: Chord) -> tuple[int, ...]:
    """Return the tones of a chord in the octave and a half where a melody sits."""
    return tuple(sorted({step % 12 + octave for step in chord for octave in (12, 24)}))[:7]


def next_place(random: Random, music: Music, index: int, place: int) -> int:
    """Return where in the chord the next note lies: a figure when fast, a stroll when slow."""
    if music.step_s < STROLL_S:
        return ARPEGGIO[index % len(ARPEGGIO)]
    return place + int(random.choice((-2, -1, -1, 1, 1, 2)))


def drums(stage: Stage, random: Random, bar_s: float, level: Curve) -> None:
    """Beat low drums, three and three and two to the bar, the first the heaviest."""
    low, high = boom(46.0), boom(78.0)
    eighth_s = bar_s / 8
    for bar in range(round(stage.duration_s / bar_s)):
        for step, wave, gain in ((0, low, 1.0), (3, high, 0.4), (6, high, 0.55), (7, high, 0.3)):
            at_s = bar * bar_s + step * eighth_s + 0.05
            loud = float(level[int(at_s / stage.duration_s * (level.size - 1))]) * gain
            drop(stage, wave, at_s, gain=loud, pan=random.uniform(-0.3, 0.3), wet=0.5)
