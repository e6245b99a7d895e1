"""The sound track of the renderer, composed from what a prompt says that can be heard."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.sound_ambience import AMBIENCES
from kinetoscope.providers.embedded.sound_material import (
    Random,
    Samples,
    empty_stage,
    reverberate,
)
from kinetoscope.providers.embedded.sound_music import MOODS, Music, bell, compose, piano, pluck
from kinetoscope.providers.embedded.work import SAMPLES_PER_S

CEILING = 0.98
LEVEL = 0.08
"""The loudness of a finished track, as an rms before its limiter: about -20 LUFS."""
FADE_IN_S, FADE_OUT_S = 0.15, 0.5
BLOCK = 65_536

Levels = Mapping[str, float]

SCENES: Mapping[str, Levels] = MappingProxyType(
    {
        "sea": {"surf": 1, "wind": 0.15},
        "lake": {"stream": 0.3, "wind": 0.25},
        "mountains": {"wind": 1, "whistle": 0.35},
        "city": {"hum": 1, "passing": 1},
        "village": {"wind": 0.3, "leaves": 0.5},
        "forest": {"leaves": 1, "wind": 0.15},
        "desert": {"wind": 0.8, "whistle": 0.4, "sand": 0.6},
        "space": {"drone": 1},
        "underwater": {"depths": 1, "bubbles": 1},
        "meadow": {"wind": 0.2, "leaves": 0.6},
        "abstract": {"air": 1},
    }
)
ALIVE = frozenset({"lake", "village", "forest", "meadow"})
SEALED = frozenset({"space", "underwater"})
"""Scenes that the weather above does not reach."""

DAWN = frozenset({"sunrise", "dawn"})
LATE = frozenset({"sunset", "dusk", "golden"})

WEATHERS: Mapping[str, Levels] = MappingProxyType(
    {
        "rain": {"rain": 1},
        "storm": {"rain": 1.1, "wind": 0.7, "thunder": 1},
        "snow": {"hush": 1, "wind": 0.2},
        "fog": {"air": 1},
    }
)

_NAMES: Mapping[str, tuple[str, ...]] = {
    "fire": ("fire", "campfire", "fireplace", "bonfire", "flame", "flames", "embers"),
    "surf": ("wave", "waves", "surf", "ocean", "beach"),
    "rain": ("rain", "raining", "drizzle", "downpour"),
    "thunder": ("thunder", "lightning", "thunderstorm"),
    "wind": ("wind", "winds", "windy", "breeze", "gale"),
    "stream": ("river", "brook", "stream", "creek", "fountain"),
    "falls": ("waterfall", "waterfalls", "cascade", "rapids"),
    "birds": ("bird", "birds", "birdsong", "songbird", "songbirds", "nightingale"),
    "gulls": ("gull", "gulls", "seagull", "seagulls"),
    "owl": ("owl", "owls"),
    "crickets": ("cricket", "crickets", "cicada", "cicadas"),
    "bubbles": ("bubble", "bubbles", "bubbling"),
    "passing": ("traffic", "car", "cars", "highway", "motorway"),
    "applause": ("applause", "clap", "clapping", "audience", "ovation"),
    "tick": ("clock", "ticking", "tick"),
    "heart": ("heartbeat", "heartbeats"),
    "foghorn": ("foghorn",),
}
WORDS = {word: name for name, words in _NAMES.items() for word in words}
"""Sounds that a prompt may name; a plain word never takes a sound away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundCues:
    """What a prompt says that can be heard; `words` are its lower-case whole words."""

    scene: str
    time: str
    weather: str
    mood: str
    words: frozenset[str]


PLAYERS: Mapping[str, Callable[[float], Samples]] = MappingProxyType(
    dict.fromkeys(("piano", "pianist", "keyboard"), piano)
    | dict.fromkeys(("guitar", "harp", "ukulele", "banjo", "lute", "koto", "synth"), pluck)
    | dict.fromkeys(
        ("bell", "bells", "chime", "chimes", "celesta", "glockenspiel", "xylophone"), bell
    )
)
DRUMS = frozenset({"drum", "drums", "percussion", "beat", "beats", "taiko"})
STRINGS = frozenset({"strings", "violin", "violins", "cello", "orchestra", "orchestral", "choir"})
MUSICAL = frozenset(
    {"music", "musical", "melody", "song", "soundtrack", "score", "symphony", "tune"}
)
SPOKEN = frozenset({"voice", "speech", "say", "says", "saying", "speak", "speaks", "narrator"})
PLAIN = frozenset(
    {
        "noise",
        "sfx",
        "asmr",
        "foley",
        "recording",
        "ambience",
        "effect",
        "silence",
        "sound",
        "sounds",
    }
)


def synthesise(cues: SoundCues, duration_s: float, seed: int) -> NDArray[np.float32]:
    """Return stereo sound at 48 kHz, shape (round(duration_s * 48000), 2), within +-0.98."""
    count = round(duration_s * SAMPLES_PER_S)
    stage = empty_stage(count)
    place = cues.scene in SCENES.keys() - {"abstract", "space"}
    music, share = music_of(cues), music_share(cues.words, 0.55 if place else 0.9)
    # Music that leads pushes the place back.
    for name, level in sorted(ambience_levels(cues).items()):
        AMBIENCES[name](stage, stream(cues, seed, name), level * (1.6 - share))
    if share:
        compose(stage, stream(cues, seed, "music"), music, share)
    reverberate(stage, stream(cues, seed, "room"), 2.4, 0.5)
    return finish(stage.dry.reshape(2, -1)[:, :count])


def stream(cues: SoundCues, seed: int, part: str) -> Random:
    """Return the chance of one part, so that adding a sound leaves the others as they were."""
    facts = (cues.scene, cues.time, cues.weather, cues.mood, *sorted(cues.words), str(seed), part)
    digest = hashlib.sha256("\x1f".join(facts).encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def ambience_levels(cues: SoundCues) -> dict[str, float]:
    """Return the natural sounds of a prompt with their levels."""
    scene = cues.scene if cues.scene in SCENES else "abstract"
    levels = dict(SCENES[scene])
    weather = {} if scene in SEALED else WEATHERS.get(cues.weather, {})
    named = dict.fromkeys((WORDS[word] for word in cues.words & WORDS.keys()), 0.9)
    for more in (life(scene, cues.time, cues.weather), weather, named):
        for name, level in more.items():
            levels[name] = max(levels.get(name, 0), level)
    if named.keys() & {"stream", "falls"} and "surf" not in named:
        # A river may be pictured as open water; it must not break on a beach.
        for name in ("surf", "gulls"):
            levels.pop(name, None)
    elif scene == "sea" and cues.weather == "fog":
        levels["foghorn"] = 0.8
    return levels


def life(scene: str, time: str, weather: str) -> Levels:
    """Return the animals of a place: they follow the light and hide from the weather."""
    mild = {"clear": 1.0, "clouds": 0.9, "fog": 0.5, "rain": 0.15}.get(weather, 0.0)
    if scene in ALIVE and mild:
        if time in DAWN:
            return {"birds": 1.2 * mild}
        if time in LATE:
            return {"birds": 0.5 * mild, "crickets": 0.4 * mild}
        if time == "night":
            return {"crickets": mild} | ({"owl": mild} if scene == "forest" else {})
        return {"birds": mild}
    if scene == "sea" and time != "night":
        return {"gulls": 0.6 * mild} if mild else {}
    return {"crickets": 0.4 * mild} if scene == "desert" and time == "night" else {}


def music_share(words: frozenset[str], usual: float) -> float:
    """Return how much of the whole is music: 0 where a prompt wants none, over 1 where it leads."""
    if "music" in words and words & {"no", "without"}:
        return 0.0
    if words & (MUSICAL | SPOKEN | DRUMS | STRINGS | PLAYERS.keys()):
        return 1.2
    return 0.0 if words & PLAIN else usual


def music_of(cues: SoundCues) -> Music:
    """Return how the music is played, from the mood and whatever else colours it."""
    mood = cues.mood if cues.mood in MOODS else "calm"
    if mood == "calm":
        mood = colour_of_calm(cues)
    music = MOODS[mood]
    dull = 0.3 * (cues.time == "night") + 0.3 * (cues.weather in {"fog", "snow"})
    music = replace(music, rolloff=music.rolloff + dull + 0.6 * (cues.scene == "underwater"))
    for word in sorted(cues.words & PLAYERS.keys()):
        music = replace(music, play=PLAYERS[word], pad=0.45, density=max(0.65, music.density))
    if cues.scene == "space":
        # The drone of space is in D.
        music = replace(music, keys=(0,))
    if cues.words & DRUMS:
        music = replace(music, drums=1.2)
    if cues.words & STRINGS:
        music = replace(music, rolloff=1.15, level=1.3 * music.level)
    return music


def colour_of_calm(cues: SoundCues) -> str:
    """Return the mood that place, hour and weather suggest where the prompt is calm or silent."""
    if cues.weather == "storm":
        return "dramatic"
    if cues.scene in SEALED:
        return "dreamy"
    return "wistful" if cues.weather == "rain" or cues.time == "night" else "calm"


def finish(sound: Samples) -> Samples:
    """Return two channels as frames: faded at both ends, levelled and softly limited."""
    count = sound.shape[1]
    sound -= sound.mean(axis=1, keepdims=True)
    for size_s, part in ((FADE_IN_S, sound), (FADE_OUT_S, sound[:, ::-1])):
        size = min(round(size_s * SAMPLES_PER_S), count // 3)
        part[:, :size] *= (0.5 - 0.5 * np.cos(np.pi * np.arange(size) / size)).astype(np.float32)
    blocks = [sound[:, first : first + BLOCK] for first in range(0, count, BLOCK)]
    power = sum(loudness(block) for block in blocks) / (2 * count)
    sound *= np.float32(LEVEL / (power + 1e-12) ** 0.5)
    frames = np.empty((count, 2), np.float32)
    for index, block in enumerate(blocks):
        frames[index * BLOCK : (index + 1) * BLOCK] = limited(block).T
    return frames


def loudness(sound: Samples) -> float:
    """Return the power of a block, high pitches counting for more as they do to the ear."""
    slopes = np.diff(sound, axis=1)
    return float(np.square(sound).sum() + np.square(slopes).sum())


def limited(sound: Samples) -> Samples:
    """Return the sound bent to stay within the ceiling, by a rational tanh."""
    # Unlike tanh itself it is the same on every machine; at 3 it reaches 1 with a level slope.
    bent = np.clip(sound, -3, 3)
    square = np.square(bent)
    bent *= (27 + square) / (27 + 9 * square)
    return bent * np.float32(CEILING)
