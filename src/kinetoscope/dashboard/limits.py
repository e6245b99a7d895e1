"""Limits: what holds for an account just now, and how each limit is raised."""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from kinetoscope.accounts import accounts, keys, retention
from kinetoscope.accounts.accounts import Account
from kinetoscope.accounts.caps import caps_of
from kinetoscope.dashboard.key_words import caps_in_short
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.limits.gcra import Pace, Standing
from kinetoscope.limits.present import standings
from kinetoscope.media import files
from kinetoscope.media.uploads import PUT_LIFETIME

HOURS_SHOWN = timedelta(days=2)


def mount(pages: Pages) -> None:
    """Add /limits and the part of it that changes by itself."""
    pages.add("GET", "/limits", "person", show)
    pages.add("GET", "/limits/now", "person", show_now)


async def show(visit: Visit) -> Response:
    """Show all limits."""
    database, settings, me = visit.runtime.database, visit.runtime.settings, visit.me
    kept = await retention.by_name(database, me.account_name)
    lifetimes = [
        ("Media", settings.media_lifetime, kept.media_lifetime_s),
        ("Tasks", settings.task_lifetime, kept.task_lifetime_s),
        ("Uploads", settings.upload_lifetime, kept.upload_lifetime_s),
    ]
    listed = await keys.listing(database, me.account_id)
    capped = [(key, caps_in_short(caps_of(key))) for key in listed if key.active]
    return visit.render(
        "limits/limits.html",
        **await _now(visit),
        lifetimes=[
            (name, span(longest), "" if own_s is None else span(timedelta(seconds=own_s)))
            for name, longest, own_s in lifetimes
        ],
        legal_hold=kept.legal_hold,
        capped=[(key, texts) for key, texts in capped if texts],
        keys=len(listed),
    )


async def show_now(visit: Visit) -> Response:
    """Show only what changes by itself."""
    return visit.render("limits/now.html", **await _now(visit))


async def _now(visit: Visit) -> dict[str, Any]:
    database, settings = visit.runtime.database, visit.runtime.settings
    account = await accounts.by_id(database, visit.me.account_id)
    uploads = await files.live_uploads(
        database,
        account.id,
        visit.now,
        since=visit.now - settings.upload_lifetime,
        put_lifetime=PUT_LIFETIME,
    )
    pace = pace_of(visit, account)
    live: Standing | None = None
    test: Standing | None = None
    if pace is not None:
        live, test = await standings(database, account.id, pace, visit.now)
    return {
        "account": account,
        "pace": pace,
        "live": live,
        "test": test,
        "uploads": uploads.files,
        "uploads_max": settings.uploads_max,
    }


def pace_of(visit: Visit, account: Account) -> Pace | None:
    """Return how fast an account's requests may come; None where nobody counts."""
    settings = visit.runtime.settings
    if not settings.requests_per_second:
        return None
    usual = Pace(settings.requests_per_second, settings.requests_burst)
    return usual.with_own(account.requests_per_second, account.requests_burst)


def span(time: timedelta) -> str:
    """Write a lifetime: `14 days`, `24 hours`."""
    if time < HOURS_SHOWN:
        return _count(int(time.total_seconds() // 3600), "hour")
    hours = int(time.total_seconds() % 86400 // 3600)
    rest = f" {_count(hours, 'hour')}" if hours else ""
    return _count(time.days, "day") + rest


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
