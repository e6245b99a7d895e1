"""Writing for people and programs: exact credits, JSON, tables that fit and pipe."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table

Written = None | bool | int | float | str | Decimal | Sequence["Written"] | Mapping[str, "Written"]

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S

PIPED_COLUMNS = 250
"""Lines for programs are not broken at a width that nobody looks at."""


def credits_text(amount: Decimal) -> str:
    """Write credits the shortest exact way: 200, 7.5, 142.57."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_json(value: Written) -> str:
    """Write JSON in one line; a Decimal keeps its digits, and is never a float."""
    match value:
        case Decimal():
            return credits_text(value)
        case Mapping():
            pairs = (f"{json.dumps(name)}: {write_json(item)}" for name, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case str() | bool() | int() | float() | None:
            return json.dumps(value)
        case _:
            return "[" + ", ".join(write_json(item) for item in value) + "]"


def out() -> Console:
    """Return where results are written: as wide as the terminal, and plain where it is none.

    What a server says is text: brackets and colons in it mean nothing.
    """
    width = None if sys.stdout.isatty() else PIPED_COLUMNS
    return Console(highlight=False, markup=False, emoji=False, width=width)


def table(*headings: str) -> Table:
    """Return a table without lines, whose last column takes what is left."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings[:-1]:
        made.add_column(heading, no_wrap=heading == "id", overflow="fold")
    made.add_column(headings[-1], overflow="fold")
    return made


def moment_text(moment: datetime | None) -> str:
    """Write a moment in this machine's time."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def age_text(moment: datetime | None, now: datetime) -> str:
    """Write how long ago a moment was, in the largest unit: 12s, 5m, 3h, 40d.

    Clocks differ: a server's moment may lie ahead of this machine's.
    """
    if moment is None:
        return ""
    seconds = max(int((now - moment).total_seconds()), 0)
    if seconds < MINUTE_S:
        return f"{seconds}s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S}m"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S}h"
    return f"{seconds // DAY_S}d"
