"""One value for one field: returned normalised, or refused with an issue."""

import math
import re
from typing import assert_never

from kinetoscope.catalog import issues, urls
from kinetoscope.catalog.fields import Boolean, Choice, Field, Integer, Media, Number, Text
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.order import JSON

Issues = list[InputIssue]

_DIGITS = re.compile(r"[0-9]{1,9}")


def accept(field: Field, value: object, found: Issues) -> JSON:
    """Return the value as it is kept, or None where it counts as not given.

    Types are strict: `"yes"` is no boolean and `true` no number. A number without a fraction is
    whole, so `5.0` is 5: JSON does not tell them apart. What is wrong is added to `found`.
    """
    match field:
        case Choice():
            return _word(field, value, found)
        case Integer():
            return _whole_number(field, value, found)
        case Text():
            return _text(field, value, found)
        case Boolean():
            return _truth(field, value, found)
        case Media():
            return _media(field, value, found)
        case Number():
            return _number(field, value, found)
        case _:
            assert_never(field)


def absent(field: Field) -> InputIssue:
    """Return the issue for a required field that is not there."""
    match field:
        case Media():
            message = f"At least one reference {field.kind} ({field.name}) is required."
            return issues.custom(message, field.name)
        case Integer() if field.message:
            return issues.custom(field.message, field.name)
        case _:
            return issues.missing(field.name)


def _word(field: Choice, value: object, found: Issues) -> str | None:
    if type(value) is not str:
        found.append(issues.wrong_type(issues.quoted(field.options), value, field.name))
        return None
    if value in field.options:
        return value
    synonym = field.synonyms.get(value, field.otherwise)
    if synonym is None:
        found.append(issues.wrong_word(field.options, value, field.name))
    return synonym


def _whole_number(field: Integer, value: object, found: Issues) -> int | None:
    number = _read_whole(field, value)
    if isinstance(number, InputIssue):
        found.append(number)
        return None
    if field.minimum <= number <= field.maximum:
        return number
    if field.message:
        found.append(issues.custom(field.message, field.name))
    elif number < field.minimum:
        message = f"Number must be greater than or equal to {field.minimum}"
        found.append(issues.too_small(message, field.name))
    else:
        message = f"Number must be less than or equal to {field.maximum}"
        found.append(issues.too_big(message, field.name))
    return None


def _read_whole(field: Integer, value: object) -> int | InputIssue:
    if type(value) is int:
        return value
    if type(value) is float and not math.isnan(value):
        if math.isinf(value):
            return InputIssue("not_finite", "Number must be finite", (field.name,))
        if value.is_integer():
            return int(value)
        return InputIssue("invalid_type", "Expected integer, received float", (field.name,))
    if type(value) is str and field.suffix:
        digits = value.removesuffix(field.suffix)
        if _DIGITS.fullmatch(digits):
            return int(digits)
    return issues.wrong_type("number", value, field.name)


def _number(field: Number, value: object, found: Issues) -> float | None:
    if type(value) not in {int, float} or value != value:  # noqa: PLR0124 - NaN is no number
        found.append(issues.wrong_type("number", value, field.name))
        return None
    for option in field.options:
        if option == value:
            return option
    expected = " | ".join(str(option) for option in field.options)
    message = f"Invalid enum value. Expected {expected}, received another number"
    found.append(InputIssue("invalid_enum_value", message, (field.name,)))
    return None


def _truth(field: Boolean, value: object, found: Issues) -> bool | None:
    if type(value) is bool:
        return value
    found.append(issues.wrong_type("boolean", value, field.name))
    return None


def _text(field: Text, value: object, found: Issues) -> str | None:
    if type(value) is not str:
        found.append(issues.wrong_type("string", value, field.name))
        return None
    text = value.strip()
    if not text:
        if field.required:
            message = "String must contain at least 1 character(s)"
            found.append(issues.too_small(message, field.name))
        return None
    if not issues.storable(text):
        found.append(issues.unstorable(field.name))
        return None
    if len(text) <= field.length_max:
        return text
    if field.cut:
        return text[: field.length_max].rstrip()
    message = f"String must contain at most {field.length_max} character(s)"
    found.append(issues.too_big(message, field.name))
    return None


def _media(field: Media, value: object, found: Issues) -> list[JSON] | None:
    if type(value) is not list:
        found.append(issues.wrong_type("array", value, field.name))
        return None
    if len(value) > field.items_max:
        message = f"Array must contain at most {field.items_max} element(s)"
        found.append(issues.too_big(message, field.name))
        return None
    problems = [urls.problem(field.kind, url, field.name, at) for at, url in enumerate(value)]
    found.extend(problem for problem in problems if problem is not None)
    return list(value) or None
