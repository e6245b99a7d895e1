"""Options written into the prompt, Midjourney's way: `a lighthouse --ar 16:9 --seed 7`."""

import re

from kinetoscope.catalog.fields import Choice, Field, Integer
from kinetoscope.catalog.model import Model

_FLAG = re.compile(r"(?:^|(?<=\s))--([a-z]{1,12})[ \t]+([^\s-][^\s]{0,15})(?=\s|$)[ \t]*")
_NUMBER = re.compile(r"[0-9]{1,10}")


def lift(model: Model, given: dict[str, object]) -> None:
    """Move the flags the model declares, with values it takes, from the prompt to their inputs.

    A flag wins over the input beside it, as it is the later word. Every other flag, and one with
    a value out of range, stays in the prompt for the provider to read.
    """
    prompt = given.get("prompt")
    if not isinstance(prompt, str) or "--" not in prompt:
        return

    def taken(match: re.Match[str]) -> str:
        name = model.names_by_flag.get(match[1])
        value = None if name is None else _value(model.fields_by_name[name], match[2])
        if name is None or value is None:
            return match[0]
        given[name] = value
        return ""

    given["prompt"] = _FLAG.sub(taken, prompt)


def _value(field: Field, text: str) -> str | int | None:
    match field:
        case Choice() if text in field.options:
            return text
        case Integer() if _NUMBER.fullmatch(text):
            return int(text) if field.minimum <= int(text) <= field.maximum else None
        case _:
            return None
