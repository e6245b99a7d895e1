"""What lists keep in their addresses: filters, and the number of the row to go on before."""

from collections.abc import Mapping
from urllib.parse import urlencode

DIGITS_MAX = 18
"""Of a row's number: more fit into no column."""


def query_of(values: Mapping[str, str]) -> str:
    """Write filters into an address; nothing is written for those that are not set."""
    given = {name: value for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""


def number_of(text: str) -> int | None:
    """Read the number of a row; None for what is none."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX
    return int(text) if is_number else None
