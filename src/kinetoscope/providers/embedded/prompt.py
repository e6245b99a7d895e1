"""Reads a prompt for the few things the renderer can honour: place, light, weather, subjects."""

import re
from dataclasses import dataclass, replace

from kinetoscope.providers.embedded.vocabulary import (
    AUTUMN,
    CAMERA,
    COLOURS,
    FEATURES,
    HINTS,
    MOODS,
    OWNERS,
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
_KEPT = {"cosmos", "mars", "always", "christmas"}
_JOINS = {"and", "or", "with", "on", "in", "over", "of"}
_FLYING = {"bird", "balloon"}
_INSTEAD_OF_TREE = {"palm", "blossom"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing to show, with the colour the prompt gave it (or none)."""

    kind: str
    colour: str | None
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tint:
    """A colour of no subject: of the "sky", the "water", the "ground" or the "whole"."""

    colour: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a prompt asks for, in the renderer's own words.

    `features` is what the sky shows besides its hour and weather.
    """

    scene: str
    time: str
    weather: str
    mood: str
    style: str
    camera: frozenset[str]
    subjects: tuple[Subject, ...]
    tints: tuple[Tint, ...]
    features: frozenset[str]
    words: frozenset[str]

    @property
    def tint(self) -> str | None:
        """The first colour that belongs to no subject."""
        return self.tints[0].colour if self.tints else None

    def tint_of(self, part: str) -> str | None:
        """The colour named for one part, or for the whole."""
        named = {tint.of: tint.colour for tint in reversed(self.tints)}
        return named.get(part) or named.get("whole")


def read(prompt: str) -> Reading:
    """Whole words only, in any case; the most often named scene wins, then the first named."""
    spoken = frozenset(_WORD.findall(prompt.lower()))
    text = heard(prompt)
    words = text.split()
    owners = _owners(words)
    subjects = _subjects(words, spoken, owners)
    weather = _first(text, WEATHERS) or "clear"
    scene = _most(text, SCENES) or _most(text, HINTS) or _scene_of(subjects, text)
    style = _first(text, STYLES) or "natural"
    if scene == "meadow" and not subjects and any(word in AUTUMN for word in words):
        subjects = (Subject(kind="tree", colour="rust", many=True),)
    return Reading(
        scene=scene,
        time=_time(text, scene, style, weather),
        weather=weather,
        mood=_first(text, MOODS) or "calm",
        style=style,
        camera=_camera(text, subjects),
        subjects=subjects,
        tints=_tints(words, owners, {subject.colour for subject in subjects}),
        features=frozenset(name for name, phrases in FEATURES if _hits(text, phrases)),
        words=spoken | frozenset(words),
    )


def heard(prompt: str) -> str:
    """The prompt's words alone, in the singular, a space around each."""
    return f" {' '.join(_singular(word) for word in _WORD.findall(prompt.lower()))} "


def _owners(words: list[str]) -> dict[int, str]:
    """For each place of a colour word, whose it is where one of the next words says so."""
    kinds = {name: kind for kind, names in OWNERS for name in names}
    found = {}
    for place, word in enumerate(words):
        if word in COLOURS:
            after = words[place + 1 : place + _COLOUR_REACH_WORDS]
            owner = next((kinds[near] for near in after if near in kinds), None)
            if owner and not any(near in COLOURS or near in _JOINS for near in after[:1]):
                found[place] = owner
    return found


def _tints(words: list[str], owners: dict[int, str], taken: set[str | None]) -> tuple[Tint, ...]:
    """Every colour named that belongs to no subject, and what autumn brings."""
    found: dict[str, Tint] = {}
    for place, word in enumerate(words):
        of = owners.get(place, "whole")
        if word not in COLOURS or of in {"dressed", "thing"}:
            continue
        if of == "whole" and (word in taken or _phrased(words, place)):
            continue
        found.setdefault(word, Tint(colour=word, of=of))
    if any(word in AUTUMN for word in words):
        found.setdefault("rust", Tint(colour="rust", of="ground"))
    return tuple(found.values())


def _phrased(words: list[str], place: int) -> bool:
    """Colours that are part of a saying: "black and white", "golden retriever"."""
    around = words[max(0, place - 2) : place + 3]
    saying = {"black", "white"} <= set(around)
    return saying or words[place + 1 : place + 2] in (["retriever"], ["screen"], ["age"])


def _singular(word: str) -> str:
    """Simple English plurals; words that merely end in s are left alone."""
    if len(word) <= 3 or word in _KEPT or word.endswith(("ss", "us", "is")):  # noqa: PLR2004 - "gas", "bus"
        return word
    if word == "leaves":
        return "leaf"
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word.removesuffix("s")


def _hits(text: str, phrases: tuple[str, ...]) -> int:
    """Phrases weigh as much as they have words: "under water" is more than "water"."""
    return sum(1 + phrase.count(" ") for phrase in phrases if _says(text, phrase))


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


def _camera(text: str, subjects: tuple[Subject, ...]) -> frozenset[str]:
    """Bare words ("pan", "zoom") stand for one way; the other must be said, and wins."""
    if any(subject.kind in _FLYING for subject in subjects):
        text = re.sub(r" (flying|fly|soaring) ", " ", text)  # it is they who fly
    named = {name for name, phrases in CAMERA if _hits(text, phrases)}
    usual = {"left": "right", "out": "in", "down": "up"}
    return frozenset(named - {other for said, other in usual.items() if said in named})


def _time(text: str, scene: str, style: str, weather: str) -> str:
    named = _first(text, TIMES)
    if named:
        return named
    if scene == "space" or style == "neon":
        return "night"
    if weather in {"storm", "rain"} and scene != "city":
        return "day"
    if any(f" {word} " in text for word in AUTUMN):
        return "golden"
    return {"city": "dusk", "desert": "golden", "mountains": "golden"}.get(scene, "day")


def _subjects(
    words: list[str], spoken: frozenset[str], owners: dict[int, str]
) -> tuple[Subject, ...]:
    found: dict[str, Subject] = {}
    dress = next((words[place] for place, owner in owners.items() if owner == "dressed"), None)
    for place, word in enumerate(words):
        kind = next((name for name, names in SUBJECTS if word in names), None)
        if kind is None or kind in found:
            continue
        before = range(place - 1, max(-1, place - 1 - _COLOUR_REACH_WORDS), -1)
        free = (words[near] for near in before if near not in owners)
        colour = next((near for near in free if near in COLOURS), None)
        if kind == "person":
            colour = colour or dress
        found[kind] = Subject(kind=kind, colour=colour, many=word not in spoken)
    instead = found.keys() & _INSTEAD_OF_TREE
    tree = found.pop("tree", None) if instead else None
    if tree is not None:
        found |= {
            kind: replace(found[kind], many=tree.many or found[kind].many) for kind in instead
        }
    return tuple(found.values())
