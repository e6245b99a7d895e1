"""Which tasks a person looks at, as the page's address says it. What makes no sense is left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from kinetoscope.api.listing import read_place, write_place
from kinetoscope.kernel.order import MediaKind
from kinetoscope.tasks.browse import Sought
from kinetoscope.tasks.listing import Place
from kinetoscope.tasks.task import Status

WORD = re.compile(r"[!-~]{1,100}")
ID_START = re.compile(r"task_[0-9a-z]{4,40}")
TEXT_LENGTH_MAX = 200

MODES = {"live": False, "test": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is looked for, each as it is written in the address; empty where it is left open."""

    text: str = ""
    status: str = ""
    model: str = ""
    key: str = ""
    mode: str = ""
    since: str = ""
    until: str = ""
    kind: str = ""

    @property
    def count(self) -> int:
        """How many things are looked for, beside words."""
        return sum(bool(getattr(self, field.name)) for field in fields(self)) - bool(self.text)

    @property
    def is_any(self) -> bool:
        """Whether everything is left open."""
        return self == Filters()

    def query(self, behind: Place | None = None) -> str:
        """Write these filters, and the place behind which a page begins, as a query."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        named["after"] = "" if behind is None else write_place(behind)
        text = urlencode({name: value for name, value in named.items() if value})
        return f"?{text}" if text else ""

    def sought(self, *, has_media: bool = False) -> Sought:
        """Return which tasks are meant. Days are those of UTC, both included."""
        since, until = _day(self.since), _day(self.until)
        return Sought(
            statuses=(Status(self.status),) if self.status else None,
            model=self.model or None,
            key_id=self.key or None,
            is_test=MODES.get(self.mode),
            created_from=since,
            created_before=None if until is None else until + timedelta(days=1),
            text=self.text or None,
            id_start=self.text if ID_START.fullmatch(self.text) else None,
            kind=MediaKind(self.kind) if self.kind else None,
            has_media=has_media,
        )


def read_filters(query: Mapping[str, str]) -> Filters:
    """Read an address's query."""
    stated = Filters(**{field.name: query.get(field.name, "").strip() for field in fields(Filters)})
    return replace(
        stated,
        text="".join(filter(str.isprintable, stated.text))[:TEXT_LENGTH_MAX],
        status=stated.status if stated.status in set(Status) else "",
        model=stated.model if WORD.fullmatch(stated.model) else "",
        key=stated.key if WORD.fullmatch(stated.key) else "",
        mode=stated.mode if stated.mode in MODES else "",
        since=stated.since if _day(stated.since) else "",
        until=stated.until if _day(stated.until) else "",
        kind=stated.kind if stated.kind in set(MediaKind) else "",
    )


def place_of(query: Mapping[str, str]) -> Place | None:
    """Read behind which task the page begins; None for the first page."""
    return read_place(query.get("after", ""))


def _day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # Years that a calendar offers; also, the day after can be reckoned with.
    return datetime.combine(day, time(), UTC) if 1970 <= day.year <= 9000 else None  # noqa: PLR2004
