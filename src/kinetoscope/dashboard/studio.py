"""The studio: where people make media."""

from starlette.responses import Response

from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit


def mount(pages: Pages) -> None:
    """Add /studio."""
    pages.add("GET", "/studio", "person", show)


async def show(visit: Visit) -> Response:
    """Show the studio."""
    return visit.render("studio/studio.html")
