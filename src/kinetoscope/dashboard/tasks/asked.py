"""What a task was asked for, in words for people. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from kinetoscope.catalog.fields import Integer, Media
from kinetoscope.catalog.model import Model
from kinetoscope.dashboard.tasks.pieces import on_this_server
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.media.signing import Signer

PROMPT = "prompt"

LONG_LETTERS = 60
"""From here on a text has lines of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A piece of media that was brought along. `here` shows it, while it is here and permitted."""

    kind: MediaKind
    shown: str
    url: str
    here: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input: a text, or media."""

    label: str
    name: str
    text: str
    sources: tuple[Source, ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether its text needs lines of its own."""
        return len(self.text) > LONG_LETTERS


def inputs_for_people(
    model: Model | None, inputs: Mapping[str, JSON], signer: Signer, now: datetime
) -> tuple[Input, ...]:
    """Return all inputs but the prompt, as the model's form names and orders them."""
    known = {} if model is None else model.fields_by_name
    names = [name for name in known if name in inputs]
    names += [name for name in inputs if name not in known]
    return tuple(
        _input(model, name, inputs[name], signer, now)
        for name in names
        if name != PROMPT and inputs[name] not in (None, [], "")
    )


def prompt_of(inputs: Mapping[str, JSON]) -> str:
    """Return a task's prompt."""
    prompt = inputs.get(PROMPT)
    return prompt if isinstance(prompt, str) else ""


def _input(model: Model | None, name: str, value: JSON, signer: Signer, now: datetime) -> Input:
    field = None if model is None else model.fields_by_name.get(name)
    label = name if field is None else field.title
    if isinstance(field, Media) and isinstance(value, list):
        sources = tuple(_source(field.kind, str(url), signer, now) for url in value)
        return Input(label=label, name=name, text="", sources=sources)
    text = words(value)
    if isinstance(field, Integer) and field.suffix and text.isdigit():
        text = f"{text} {field.suffix}"
    return Input(label=label, name=name, text=text)


def words(value: JSON) -> str:
    """Write a value as people would."""
    match value:
        case bool():
            return "Yes" if value else "No"
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(words(each) for each in value)
        case dict():
            return ", ".join(f"{name}: {words(each)}" for name, each in value.items())
        case _:
            return str(value)


def _source(kind: MediaKind, url: str, signer: Signer, now: datetime) -> Source:
    if url.startswith("data:"):
        shown = f"Sent within the request, {len(url) * 3 // 4000} kB"
        return Source(kind=kind, shown=shown, url="", here="")
    try:
        is_here = signer.own_name(url, now) is not None
    except KinetoscopeError:
        is_here = False
    try:
        parts = urlsplit(url)
    except ValueError:  # what looks like an IPv6 address and is none
        return Source(kind=kind, shown=url, url="", here="")
    is_safe = parts.scheme in {"http", "https"}
    return Source(
        kind=kind,
        shown=f"{parts.netloc}{parts.path}",
        url=url if is_safe else "",
        here=on_this_server(signer, url) if is_here else "",
    )
