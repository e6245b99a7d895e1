"""The words and codes of what can be wrong with inputs, in the shape of zod issues.

The contract's errors carry zod's code, message and path (kinovi-ai/kinovi-models, "Error
responses"), so its clients can read ours.
"""

import math

from kinetoscope.kernel.errors import InputIssue

SHOWN_CHARACTERS_MAX = 60

_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "number",
    float: "number",
    list: "array",
}


def storable(text: str) -> bool:
    """Return whether the text can be kept: no NUL (jsonb) and no lone surrogates (UTF-8)."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unstorable(*path: str | int) -> InputIssue:
    """Return the issue for a text that cannot be kept."""
    return InputIssue("custom", "Text must not contain NUL or lone surrogate characters", path)


def missing(*path: str | int) -> InputIssue:
    """Return the issue for an input that must be there."""
    return InputIssue("invalid_type", "Required", path)


def wrong_type(expected: str, value: object, *path: str | int) -> InputIssue:
    """Return the issue for a value of another JSON type."""
    return InputIssue("invalid_type", f"Expected {expected}, received {_type_name(value)}", path)


def wrong_word(options: tuple[str, ...], value: str, *path: str | int) -> InputIssue:
    """Return the issue for a word that is not on offer."""
    message = f"Invalid enum value. Expected {quoted(options)}, received '{_shown(value)}'"
    return InputIssue("invalid_enum_value", message, path)


def quoted(options: tuple[str, ...]) -> str:
    """Return `'480p' | '720p'`."""
    return " | ".join(f"'{option}'" for option in options)


def custom(message: str, *path: str | int) -> InputIssue:
    """Return the issue for a rule of the model's own."""
    return InputIssue("custom", message, path)


def too_big(message: str, *path: str | int) -> InputIssue:
    """Return the issue for more than there may be."""
    return InputIssue("too_big", message, path)


def too_small(message: str, *path: str | int) -> InputIssue:
    """Return the issue for less than there must be."""
    return InputIssue("too_small", message, path)


def _shown(text: str) -> str:
    """Return what may stand in an answer: short, and nothing an encoder would stumble over."""
    short = text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}..."
    return short.replace("\0", "?").encode(errors="replace").decode()


def _type_name(value: object) -> str:
    """Return JSON's name of the type; never looks inside, so depth and size do not matter."""
    if type(value) is float and math.isnan(value):
        return "nan"
    return _TYPE_NAMES.get(type(value), "object")
