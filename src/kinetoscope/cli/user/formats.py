"""What a file's name says of its format, beside what a model makes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinetoscope.client import Model

IMAGE = ("png", "jpeg", "webp", "gif", "avif")
VIDEO = ("mp4", "mov", "webm", "mkv")
AUDIO = ("wav", "mp3", "m4a", "aac", "ogg", "flac")

KINDS = {"image": IMAGE, "video": VIDEO, "audio": AUDIO}

WORDS = {"image": "an image", "video": "a video", "audio": "sound"}

SAME = {"jpg": "jpeg"}
"""Other endings of a format."""

BY_MEDIA_TYPE = {
    "video/quicktime": "mov",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/x-wav": "wav",
}
"""The media types that are not called like the format."""

INPUTS = ("outputFormat", "output_format")
"""Inputs that choose the format."""


def format_of(path: Path) -> str:
    """Return the format that a name promises; empty where it ends like no media file."""
    ending = path.suffix.removeprefix(".").lower()
    word = SAME.get(ending, ending)
    return word if _kind(word) else ""


def format_of_type(media_type: str) -> str:
    """Return the format that a media type stands for; empty where it is none of these."""
    word = BY_MEDIA_TYPE.get(media_type, media_type.partition("/")[2])
    return word if _kind(word) else ""


def mismatch(model: Model, inputs: Mapping[str, Any], path: Path) -> str:
    """Say why a model will not make what a file's name promises; empty where it may."""
    promised = format_of(path)
    if not promised:
        return ""
    fields: Mapping[str, Any] = model.inputs.get("properties", {})
    for name in INPUTS:
        if name in fields:
            field = fields[name]
            chosen = inputs.get(name, field.get("default"))
            made = SAME.get(chosen, chosen)
            if made == promised or not _kind(made):
                return ""
            text = f"{model.id} makes {made}, and {path} would be {promised}"
            offers = [word for word in field.get("enum", ()) if SAME.get(word, word) == promised]
            return f"{text}; -i {name}={offers[0]} makes that" if offers else text
    kind = _kind(promised)
    if model.kind == kind or model.kind not in KINDS:
        return ""
    return f"{model.id} makes {WORDS[model.kind]}, and {path} would be {WORDS[kind]}"


def _kind(word: object) -> str:
    return next((kind for kind, words in KINDS.items() if word in words), "")
