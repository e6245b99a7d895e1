"""Usage: what an account's tasks came to, day by day, and how well they went."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from kinetoscope.accounts import alerts
from kinetoscope.dashboard.csv_file import MEDIA_TYPE, attachment, csv_text
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.render import lasted_text
from kinetoscope.dashboard.usage_query import RANGES, Query, read_query
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks.latency import Latency, latency
from kinetoscope.tasks.usage import ROWS_MAX, Usage, usage

SERIES_MAX = 6
"""How many colours people tell apart; the rest is one more, together."""

OTHERS = "Others"

A_DAY = timedelta(days=1)

CSV_HEAD = ("tasks", "success", "fail", "waiting", "generating", "credits", "held", "media_seconds")


def mount(pages: Pages) -> None:
    """Add /usage and /usage.csv."""
    pages.add("GET", "/usage", "person", show)
    pages.add("GET", "/usage.csv", "person", download)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A model's or a key's part of it; `series` is its colour in the chart."""

    id: str
    name: str
    used: Usage
    took: Latency | None
    series: int

    @property
    def tasks(self) -> int:
        """How many there were."""
        return tasks_of(self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One colour of the chart: what each day came to, in hundredths of credits or in tasks."""

    name: str
    values: list[int]


async def show(visit: Visit) -> Response:
    """Show figures, the chart, and the table behind it."""
    database, account_id = visit.runtime.database, visit.me.account_id
    query = read_query(visit)
    totals = await usage(database, account_id, query.since, query.until, ())
    groups = await _groups(database, account_id, query)
    daily = await by_day(database, account_id, query.since, query.until, query.by)
    took = await latency(database, account_id, query.since, query.until, ())
    series = series_of(query, groups, daily)
    today = visit.now.astimezone(UTC).date()
    return visit.render(
        "usage/usage.html",
        query=query,
        today=today,
        ranges=[(days, query.in_days(days, today)) for days in RANGES],
        total=totals[0] if totals else None,
        tasks=tasks_of(totals[0]) if totals else 0,
        took=took[0] if took else None,
        parts=groups,
        series=series,
        chart=chart_of(query, series),
        seconds=lasted_text,
        percent=percent_text,
        low=await alerts.of_account(database, account_id),
    )


async def download(visit: Visit) -> Response:
    """Send every day's sums as a file."""
    query = read_query(visit)
    database, account_id = visit.runtime.database, visit.me.account_id
    rows = await by_day(database, account_id, query.since, query.until, query.by)
    named = ("key_id", "key") if query.by == "key" else ("model",)
    table = [("day", *named, *CSV_HEAD), *(_csv_row(row, query) for row in reversed(rows))]
    name = f"usage-{query.first}-{query.last}.csv"
    return Response(csv_text(table), headers=attachment(name), media_type=MEDIA_TYPE)


def _csv_row(row: Usage, query: Query) -> tuple[object, ...]:
    named = (row.key_id, row.key_name) if query.by == "key" else (row.model,)
    return (
        row.day,
        *named,
        tasks_of(row),
        row.success,
        row.fail,
        row.waiting,
        row.generating,
        format_credits(row.charged),
        format_credits(row.held),
        f"{row.media_ms / 1000:.3f}",
    )


async def by_day(
    database: Database, account_id: AccountId, since: datetime, until: datetime, by: str
) -> list[Usage]:
    """Sum up each day by model or key, the latest day first, however many rows that makes."""
    rows = await usage(database, account_id, since, until, ("day", by))
    days = (until - since) // A_DAY
    if len(rows) < ROWS_MAX or days <= 1:
        return rows
    middle = since + A_DAY * (days // 2)
    later = await by_day(database, account_id, middle, until, by)
    return [*later, *await by_day(database, account_id, since, middle, by)]


async def _groups(database: Database, account_id: AccountId, query: Query) -> list[Group]:
    """Return the models or keys, the largest first."""
    used = await usage(database, account_id, query.since, query.until, (query.by,))
    took = await latency(database, account_id, query.since, query.until, (query.by,))
    took_of = {one.key_id or one.model: one for one in took}
    used.sort(key=lambda one: (-weight(one, query), -tasks_of(one), id_of(one)))
    # A colour of its own for as many as there are colours; one too many would be a colour as well.
    own = SERIES_MAX if len(used) > SERIES_MAX + 1 else SERIES_MAX + 1
    return [
        Group(
            id=id_of(one),
            name=one.key_name or id_of(one),
            used=one,
            took=took_of.get(id_of(one)),
            series=min(place, own),
        )
        for place, one in enumerate(used)
    ]


def series_of(query: Query, groups: Sequence[Group], daily: Sequence[Usage]) -> list[Series]:
    """Return what the chart stacks: the largest groups, and the others as one."""
    place_of = {day.isoformat(): place for place, day in enumerate(query.dates)}
    series_by_id = {group.id: group.series for group in groups}
    values: dict[int, list[int]] = defaultdict(lambda: [0] * len(place_of))
    for row in daily:
        series = series_by_id.get(id_of(row))  # none, of one made just now
        if series is not None and row.day in place_of:
            values[series][place_of[row.day]] += weight(row, query)
    names: dict[int, list[str]] = defaultdict(list)
    for group in groups:
        names[group.series].append(group.name)
    return [
        Series(name=named[0] if len(named) == 1 else OTHERS, values=values[series])
        for series, named in sorted(names.items())
    ]


def chart_of(query: Query, series: Sequence[Series]) -> dict[str, Any]:
    """Return what the script draws."""
    return {
        "unit": query.show,
        "days": [day.strftime("%-d %b") for day in query.dates],
        "series": [{"name": one.name, "values": one.values} for one in series],
    }


def id_of(row: Usage) -> str:
    """Return which model or key a row is of."""
    return row.key_id or row.model or ""


def weight(row: Usage, query: Query) -> int:
    """Return what is shown of a row."""
    return tasks_of(row) if query.show == "tasks" else row.charged


def tasks_of(row: Usage) -> int:
    """Return how many tasks a row sums up."""
    return row.waiting + row.generating + row.success + row.fail


def percent_text(row: Usage) -> str:
    """Write how many of the ended tasks failed: `0%`, `4.5%`; `none` where none has ended."""
    ended = row.success + row.fail
    if not ended:
        return "none"
    percent = f"{100 * row.fail / ended:.1f}"
    return f"{percent.removesuffix('.0')}%"
