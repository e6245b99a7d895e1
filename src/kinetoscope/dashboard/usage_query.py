"""What usage is asked for in the address: which days, and how they are shown."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from urllib.parse import urlencode

from kinetoscope.dashboard.visit import Visit

RANGES = (7, 30, 60)
"""Days that one click shows, up to today."""

DAYS_DEFAULT = 30
DAYS_MAX = 366

By = Literal["model", "key"]
Show = Literal["credits", "tasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Days of UTC, both included. `days` is None where somebody named dates."""

    first: date
    last: date
    days: int | None
    by: By
    show: Show
    problem: str = ""

    @property
    def since(self) -> datetime:
        """When the first day begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """When the last day is over."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)

    @property
    def dates(self) -> list[date]:
        """Every day of it."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def address(self, path: str = "/usage") -> str:
        """Return where exactly this is shown."""
        values = {"days": str(self.days)} if self.days else {}
        if self.days is None:
            values = {"from": self.first.isoformat(), "to": self.last.isoformat()}
        return f"{path}?{urlencode({**values, 'by': self.by, 'show': self.show})}"

    def in_days(self, days: int, today: date) -> "Query":
        """Return the same for so many days up to today."""
        return replace(self, first=today - timedelta(days=days - 1), last=today, days=days)

    def grouped(self, by: By) -> "Query":
        """Return the same by model or key."""
        return replace(self, by=by)

    def shown(self, show: Show) -> "Query":
        """Return the same with bars of credits or of tasks."""
        return replace(self, show=show)


def read_query(visit: Visit) -> Query:
    """Read what is asked for; what cannot be read is said, and the usual days are shown."""
    today = visit.now.astimezone(UTC).date()
    by: By = "key" if visit.query("by") == "key" else "model"
    show: Show = "tasks" if visit.query("show") == "tasks" else "credits"
    usual = Query(
        first=today - timedelta(days=DAYS_DEFAULT - 1),
        last=today,
        days=DAYS_DEFAULT,
        by=by,
        show=show,
    )
    first_text, last_text = visit.query("from"), visit.query("to")
    if first_text or last_text:
        return _of_dates(usual, first_text, last_text)
    days = visit.query("days")
    if days in {str(each) for each in RANGES}:
        return usual.in_days(int(days), today)
    return usual


def _of_dates(usual: Query, first_text: str, last_text: str) -> Query:
    try:
        last = date.fromisoformat(last_text) if last_text else usual.last
        if not first_text:
            first = last - timedelta(days=DAYS_DEFAULT - 1)
        else:
            first = date.fromisoformat(first_text)
        asked = replace(usual, first=first, last=last, days=None)
        until = asked.until
    except (ValueError, OverflowError):
        return replace(usual, problem="These are no dates such as 2026-11-28.")
    if first > last:
        return replace(usual, problem="The first day is after the last one.")
    if until - asked.since > timedelta(days=DAYS_MAX):
        return replace(usual, problem=f"That is more than {DAYS_MAX} days.")
    return asked
