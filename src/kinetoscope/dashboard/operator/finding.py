"""What the operator's lists have in common: pages of rows, and filters in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kinetoscope.dashboard.addresses import query_of
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import NotFound

Row = TypeVar("Row")

ROWS = 50

TEXT_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Generic[Row]):
    """A page of rows, and where the next one is; empty at the end."""

    rows: Sequence[Row]
    next_address: str


def rows_of(found: Sequence[Row], path: str, kept: Mapping[str, str], last_id: str) -> Rows[Row]:
    """Cut off the row that was only asked for to know whether there is more.

    `last_id` names what a row is found by; `kept` are the filters that go on.
    """
    page = found[:ROWS]
    following = ""
    if len(found) > ROWS:
        following = path + query_of({**kept, "before": str(getattr(page[-1], last_id))})
    return Rows(rows=page, next_address=following)


def asked_text(visit: Visit, name: str) -> str:
    """Return a filter from the address, without what no database would read."""
    text = "".join(letter for letter in visit.query(name) if letter.isprintable())
    return text.strip()[:TEXT_LENGTH_MAX]


def asked_id(visit: Visit) -> str:
    """Return what the address names; raises NotFound for what nothing could be called."""
    text = str(visit.request.path_params["id"])
    if not text.isprintable() or len(text) > TEXT_LENGTH_MAX:
        raise NotFound("There is no such thing")
    return text
