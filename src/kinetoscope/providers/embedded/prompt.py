"""Reads a prompt for the few things the renderer can honour: place, light, weather, subjects."""

import re
from dataclasses import dataclass

from kinetoscope.providers.embedded.vocabulary import (
    CAMERA,
    COLOURS,
    MOODS,
    SCENES,
    STYLES,
    SUBJECT_SCENES,
    SUBJECTS,
    TIMES,
    WEATHERS,
)

ABSTRACT = "abstract"

_WORD = re.compile(r"[^\W\d_]+")
_COLOUR_REACH_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing to show, with the colour the prompt gave it (or none)."""

    kind: str
    colour: str | None
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a prompt asks for, in the renderer's own words.

    `tint` is a colour that belongs to no subject. `stars` and `aurora` are asked for by name.
    """

    scene: str
    time: str
    weather: str
    mood: str
    style: str
    camera: frozenset[str]
    subjects: tuple[Subject, ...]
    tint: str | None
    words: frozenset[str]


def read(prompt: str) -> Reading:
    """Whole words only, in any case; the most often named scene wins, then the first named."""
    words = [_singular(word) for word in _WORD.findall(prompt.lower())]
    text = f" {' '.join(words)} "
    subjects = _subjects(words, frozenset(_WORD.findall(prompt.lower())))
    weather = _first(text, WEATHERS) or "clear"
    scene = _most(text, SCENES) or _scene_of(subjects, text)
    style = _first(text, STYLES) or "natural"
    taken = {subject.colour for subject in subjects}
    colours = [word for word in words if word in COLOURS and word not in taken]
    return Reading(
        scene=scene,
        time=_time(text, scene, style),
        weather=weather,
        mood=_first(text, MOODS) or "calm",
        style=style,
        camera=_camera(text),
        subjects=subjects,
        tint=colours[0] if colours else None,
        words=frozenset(_WORD.findall(prompt.lower())) | frozenset(words),
    )


def _singular(word: str) -> str:
    """Simple English plurals; words that merely end in s are left alone."""
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):  # noqa: PLR2004 - "gas", "bus"
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word.removesuffix("s")


def _hits(text: str, phrases: tuple[str, ...]) -> int:
    return sum(_says(text, phrase) for phrase in phrases)


def _says(text: str, phrase: str) -> bool:
    """Scripts without spaces between words (phrases beyond Latin) match anywhere."""
    return phrase in text if phrase[0] > "\u2fff" else f" {phrase} " in text


def _first(text: str, table: tuple[tuple[str, tuple[str, ...]], ...]) -> str | None:
    return next((name for name, phrases in table if _hits(text, phrases)), None)


def _most(text: str, table: tuple[tuple[str, tuple[str, ...]], ...]) -> str | None:
    counted = [(_hits(text, phrases), -place) for place, (_, phrases) in enumerate(table)]
    best, place = max(counted)
    return table[-place][0] if best else None


def _scene_of(subjects: tuple[Subject, ...], text: str) -> str:
    """Without a place, the subject's usual one; without a subject, what time or weather suggest."""
    if subjects:
        return SUBJECT_SCENES[subjects[0].kind]
    if _first(text, TIMES):
        return "sea"
    return "mountains" if _first(text, WEATHERS) else ABSTRACT


def _camera(text: str) -> frozenset[str]:
    """Bare words ("pan", "zoom") stand for one way; the other must be said, and wins."""
    named = {name for name, phrases in CAMERA if _hits(text, phrases)}
    usual = {"left": "right", "out": "in", "down": "up"}
    return frozenset(named - {other for said, other in usual.items() if said in named})


def _time(text: str, scene: str, style: str) -> str:
    named = _first(text, TIMES)
    if named:
        return named
    if scene == "space" or style == "neon":
        return "night"
    return {"city": "dusk", "desert": "golden", "mountains": "golden"}.get(scene, "day")


def _subjects(words: list[str], spoken: frozenset[str]) -> tuple[Subject, ...]:
    found: dict[str, Subject] = {}
    for place, word in enumerate(words):
        kind = next((name for name, names in SUBJECTS if word in names), None)
        if kind is None or kind in found:
            continue
        before = words[max(0, place - _COLOUR_REACH_WORDS) : place]
        colour = next((near for near in reversed(before) if near in COLOURS), None)
        found[kind] = Subject(kind=kind, colour=colour, many=word not in spoken)
    return tuple(found.values())
