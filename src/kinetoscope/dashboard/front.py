"""The front page, and what every page can open: the palette."""

from starlette.responses import Response

from kinetoscope.catalog.price import price_summary
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit


def mount(pages: Pages) -> None:
    """Add / and /palette."""
    pages.add("GET", "/", "anyone", front)
    pages.add("GET", "/palette", "anyone", palette)


async def front(visit: Visit) -> Response:
    """Say what this is, or lead whoever is signed in to the studio."""
    if visit.visitor is not None:
        return visit.go("/studio")
    models = [(model, price_summary(model)) for model in visit.runtime.catalog.models]
    return visit.render("front.html", models=models)


async def palette(visit: Visit) -> Response:
    """List everything that can be gone to."""
    return visit.render("shared/palette.html", models=visit.runtime.catalog.models)
