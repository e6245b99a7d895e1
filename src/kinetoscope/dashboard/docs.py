"""The guides, for people: an index by group, and a page for each."""

import asyncio
import itertools
import re
from functools import cache

from starlette.responses import Response

from kinetoscope.api import guides
from kinetoscope.api.guides import GUIDES, Guide
from kinetoscope.dashboard.markdown import Written, written
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit

OTHER_GUIDE = re.compile(r"(?:\./)?([a-z-]+)\.md(#.*)?")
OWN_PATH = re.compile(r"/[^/].*|#.+")

ICONS = {
    "quickstart": "rocket",
    "api": "braces",
    "errors": "triangle-alert",
    "webhooks": "webhook",
    "test-keys": "flask-conical",
    "migrating": "arrow-right-left",
    "clients": "list-checks",
    "python": "code",
    "cli": "terminal",
    "agents": "bot",
    "embedded-renderer": "clapperboard",
    "providers": "plug",
    "people": "users",
    "performance": "gauge",
}

ABOUT = {
    "Start": "The first video, in a minute.",
    "Build": "Everything for those who write programs against this server.",
    "Operate": "For those who run it.",
}


def mount(pages: Pages) -> None:
    """Add /docs and its pages."""
    pages.add("GET", "/docs", "anyone", index)
    pages.add("GET", "/docs/{slug}", "anyone", show)


async def index(visit: Visit) -> Response:
    """Show what there is to read."""
    groups = [
        (name, ABOUT[name], list(found))
        for name, found in itertools.groupby(GUIDES, lambda guide: guide.group)
    ]
    return visit.render("docs/index.html", guide_groups=groups, icons=ICONS)


async def show(visit: Visit) -> Response:
    """Show a guide."""
    guide = guides.find(visit.request.path_params["slug"])
    public_url = visit.runtime.settings.public_url
    document = await asyncio.to_thread(document_of, guide.slug, public_url)
    before, after = neighbours(guide)
    return visit.render(
        "docs/guide.html", guide=guide, document=document, before=before, after=after
    )


@cache
def document_of(slug: str, public_url: str) -> Written:
    """Return a guide as its page shows it."""
    return written(guides.guide_text(slug, public_url), href)


def href(stated: str) -> str | None:
    """Return where a link of a guide leads here; None where it leads to a file of the checkout."""
    if stated.startswith(("http://", "https://")) or OWN_PATH.fullmatch(stated):
        return stated
    other = OTHER_GUIDE.fullmatch(stated)
    if other is None or other[1] not in guides.BY_SLUG:
        return None
    return f"/docs/{other[1]}{other[2] or ''}"


def neighbours(guide: Guide) -> tuple[Guide | None, Guide | None]:
    """Return the guides before and after one."""
    place = GUIDES.index(guide)
    before = GUIDES[place - 1] if place else None
    after = GUIDES[place + 1] if place + 1 < len(GUIDES) else None
    return before, after
