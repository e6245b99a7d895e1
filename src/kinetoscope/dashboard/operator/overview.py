"""The overview: what waits, who works, what went wrong, and whether the books agree."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from kinetoscope import engine
from kinetoscope.accounts import audit as audit_log
from kinetoscope.accounts import directory
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.tasks import alerts, circuits, overview, served
from kinetoscope.tasks.audit import audit as audit_books
from kinetoscope.tasks.overview import Hour, Load
from kinetoscope.wiring import Runtime

DAY = timedelta(days=1)
HOURS = 24
REASONS = 6
ALERTS_SHOWN = 8
DISCREPANCIES_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What waits for a provider, in which queue, and since when nobody works there."""

    provider: str
    queue: str
    waiting: int
    generating: int
    oldest_waiting_at: datetime | None
    jobs: int
    seen_ago_s: float | None

    @property
    def is_served(self) -> bool:
        """Whether somebody works on it."""
        return self.seen_ago_s is not None and self.seen_ago_s < served.UNSERVED_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An hour of the chart: where it stands, and how high its parts are, of 100."""

    label: str
    x: int
    good_y: float
    good_height: float
    bad_y: float
    bad_height: float
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How the last 24 hours went, hour by hour."""

    bars: tuple[Bar, ...]
    succeeded: int
    failed: int
    tests: int

    @property
    def ended(self) -> int:
        """How many tasks of live keys came to an end."""
        return self.succeeded + self.failed

    @property
    def failed_percent(self) -> int:
        """Which part of them failed."""
        return round(100 * self.failed / self.ended) if self.ended else 0


def mount(pages: Pages) -> None:
    """Add /operator and its checks."""
    pages.add("GET", "/operator", "operator", show)
    pages.add("GET", "/operator/load", "operator", load)
    pages.add("POST", "/operator/books", "operator", check_books)


async def show(visit: Visit) -> Response:
    """Show how the deployment does."""
    return await page(visit)


async def load(visit: Visit) -> Response:
    """Show what waits and who works, for what looks at it again and again."""
    return visit.render("operator/load.html", **await load_now(visit.runtime))


async def page(visit: Visit, books: dict[str, Any] | None = None) -> Response:
    """Show everything; `books` is what a check has just found."""
    runtime, now = visit.runtime, visit.now
    database, since = runtime.database, now - DAY
    return visit.render(
        "operator/overview.html",
        **await load_now(runtime),
        day=day_of(await overview.hours(database, since), since),
        reasons=await overview.failures(database, since, REASONS),
        alerts=(await alerts.recent(database, since))[:ALERTS_SHOWN],
        circuits=await circuits.listed(database, now),
        problems=runtime.problems,
        books=books,
    )


async def load_now(runtime: Runtime) -> dict[str, Any]:
    """Return what waits, and who works."""
    database = runtime.database
    return {
        "lanes": lanes_of(
            await overview.loads(database),
            runtime,
            await engine.waiting(database),
            {each.queue: each.ago_s for each in await served.listed(database)},
        ),
        "workers": await overview.workers(database),
        "totals": await directory.totals(database),
    }


def lanes_of(
    loads: list[Load], runtime: Runtime, jobs: dict[str, int], seen: dict[str, float]
) -> list[Lane]:
    """Join what waits for each provider to who works on its queue; the busiest first."""
    queues, by_provider = runtime.routes.queues, {load.provider: load for load in loads}
    lanes = []
    for provider in sorted({*queues, *by_provider}):
        open_tasks, queue = by_provider.get(provider), queues.get(provider, "")
        lanes.append(
            Lane(
                provider=provider,
                queue=queue,
                waiting=open_tasks.waiting if open_tasks else 0,
                generating=open_tasks.generating if open_tasks else 0,
                oldest_waiting_at=open_tasks.oldest_waiting_at if open_tasks else None,
                jobs=jobs.get(queue, 0),
                seen_ago_s=seen.get(queue),
            )
        )
    return sorted(lanes, key=lambda lane: -(lane.waiting + lane.generating))


def day_of(hours: list[Hour], since: datetime) -> Day:
    """Draw the last day: a bar for each hour, the highest one as high as the chart."""
    by_number = {hour.number: hour for hour in hours if 0 <= hour.number < HOURS}
    most = max((hour.succeeded + hour.failed for hour in by_number.values()), default=0) or 1
    bars = []
    for number in range(HOURS):
        hour = by_number.get(number)
        good, bad = (hour.succeeded, hour.failed) if hour else (0, 0)
        good_height, bad_height = round(100 * good / most, 2), round(100 * bad / most, 2)
        bars.append(
            Bar(
                label=f"{since + timedelta(hours=number):%H:%M}",
                x=number * 10,
                good_y=round(100 - good_height, 2),
                good_height=good_height,
                bad_y=round(100 - good_height - bad_height, 2),
                bad_height=bad_height,
                succeeded=good,
                failed=bad,
            )
        )
    return Day(
        bars=tuple(bars),
        succeeded=sum(bar.succeeded for bar in bars),
        failed=sum(bar.failed for bar in bars),
        tests=sum(hour.tests for hour in by_number.values()),
    )


async def check_books(visit: Visit) -> Response:
    """Compare balances, entries and tasks, and follow the audit log's chain."""
    database = visit.runtime.database
    found = await audit_books(database)
    books: dict[str, Any] = {
        "discrepancies": found[:DISCREPANCIES_SHOWN],
        "count": len(found),
        "broken": await audit_log.first_broken(database),
    }
    if visit.is_partial:
        return visit.render("operator/books.html", books=books)
    return await page(visit, books)
