"""What the media of a request are for, and whether the output takes their shape."""

from dataclasses import replace
from typing import assert_never

from kinetoscope.catalog.model import FOLLOW_WORDS, Follows, Model, Roles
from kinetoscope.kernel.order import JSON, MediaKind, Reference, Role

IMAGES_AS_REFERENCES = 3
"""From so many images on, Roles.BY_MODE_OR_COUNT reads them as references."""

Inputs = dict[str, JSON]
Urls = dict[MediaKind, list[str]]


def arrange(model: Model, inputs: Inputs) -> tuple[Reference, ...]:
    """Return the references in order: a source first, then images, videos and audio.

    Where `mode` decides, `inputs` afterwards holds the mode that really applies.
    """
    sent: Urls = {}
    for field in model.media:
        value = inputs.get(field.name)
        if isinstance(value, list):
            sent[field.kind] = [url for url in value if isinstance(url, str)]
    if not sent:
        return ()
    match model.roles:
        case Roles.REFERENCES:
            dispensable = {field.kind for field in model.media if field.dispensable}
            return tuple(
                replace(reference, dispensable=reference.kind in dispensable)
                for reference in _references(sent)
            )
        case Roles.FRAMES:
            return _frames(sent)
        case Roles.BY_MODE | Roles.BY_MODE_OR_COUNT:
            mode = _mode(model.roles, sent, inputs.get("mode"))
            inputs["mode"] = mode
            return _references(sent) if mode == "reference" else _frames(sent)
        case Roles.SOURCE:
            return _source(sent)
        case _:
            assert_never(model.roles)


def follows_media(model: Model, aspect_ratio: JSON, references: tuple[Reference, ...]) -> bool:
    """Return whether the output takes the shape of the first image or video given."""
    if all(reference.kind is MediaKind.AUDIO for reference in references):
        return False
    asked = aspect_ratio in FOLLOW_WORDS
    match model.follows:
        case Follows.WHEN_ASKED:
            return asked
        case Follows.UNLESS_SET:
            return asked or aspect_ratio is None
        case Follows.FRAMES_ALWAYS:
            return asked or aspect_ratio is None or references[0].role is Role.FIRST_FRAME
        case Follows.ALWAYS:
            return True
        case _:
            assert_never(model.follows)


def _mode(roles: Roles, sent: Urls, asked: JSON) -> str:
    """Return keyframe or reference, as the table "Reference media" of the model's page has it."""
    if sent.get(MediaKind.VIDEO) or sent.get(MediaKind.AUDIO):
        return "reference"
    if isinstance(asked, str):
        return asked
    many = len(sent.get(MediaKind.IMAGE, ())) >= IMAGES_AS_REFERENCES
    return "reference" if many and roles is Roles.BY_MODE_OR_COUNT else "keyframe"


def _references(sent: Urls) -> tuple[Reference, ...]:
    return tuple(
        Reference(kind=kind, role=Role.REFERENCE, url=url, number=number)
        for kind in (MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.AUDIO)
        for number, url in enumerate(sent.get(kind, ()), start=1)
    )


def _frames(sent: Urls) -> tuple[Reference, ...]:
    """Return the first two images; any more are ignored."""
    roles = (Role.FIRST_FRAME, Role.LAST_FRAME)
    return tuple(
        Reference(kind=MediaKind.IMAGE, role=role, url=url, number=number)
        for number, (role, url) in enumerate(
            zip(roles, sent.get(MediaKind.IMAGE, ()), strict=False), start=1
        )
    )


def _source(sent: Urls) -> tuple[Reference, ...]:
    url = sent[MediaKind.VIDEO][0]
    source = Reference(kind=MediaKind.VIDEO, role=Role.SOURCE, url=url, number=1)
    rest = (
        reference
        for reference in _references(sent)
        if (reference.kind, reference.number) != (source.kind, source.number)
    )
    return (source, *rest)
