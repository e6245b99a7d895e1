"""Mounts every page, its files, and what a browser is told about paths that there are none of."""

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope import __version__
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.dashboard import (
    accounts,
    billing,
    buying,
    demo,
    docs,
    front,
    gallery,
    invitation,
    keys,
    limits,
    members,
    models,
    oidc,
    passkeys,
    reference,
    settings,
    sign_in,
    sign_up,
    studio,
    studio_runs,
    usage,
    ways,
    webhooks,
)
from kinetoscope.dashboard.assets import Asset, assets
from kinetoscope.dashboard.navigation import groups
from kinetoscope.dashboard.operator import section as operator
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.tasks import actions as task_actions
from kinetoscope.dashboard.tasks import detail as task_detail
from kinetoscope.dashboard.tasks import listing as task_listing
from kinetoscope.kernel.errors import NotFound

SECTIONS = (
    front.mount,
    docs.mount,
    models.mount,
    reference.mount,
    demo.mount,
    sign_in.mount,
    sign_up.mount,
    oidc.mount,
    passkeys.mount,
    ways.mount,
    studio.mount,
    studio_runs.mount,
    webhooks.mount,
    operator.mount,
    task_listing.mount,
    task_detail.mount,
    task_actions.mount,
    gallery.mount,
    keys.mount,
    members.mount,
    invitation.mount,
    accounts.mount,
    settings.mount,
    usage.mount,
    billing.mount,
    buying.mount,
    limits.mount,
)
"""Each adds its pages."""

ASSET = Operation(summary="Load a script, a style or a font", tag="pages", described=False)

ALWAYS = "public, max-age=31536000, immutable"
A_DAY = "public, max-age=86400"


def mount(doors: Doors) -> None:
    """Add all pages and /static."""
    shared = {
        "version": __version__,
        "groups": groups,
        "public_url": doors.runtime.settings.public_url,
        "model_titles": {model.id: model.title for model in doors.runtime.catalog.models},
    }
    pages = Pages(doors, shared)
    for section in SECTIONS:
        section(pages)
    doors.open("GET", "/static/{name}", static, ASSET)
    doors.app.state.pages = pages


async def static(request: Request) -> Response:
    """Send one of the files that pages load."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise NotFound("There is no such file")
    return asset_response(request, asset)


def asset_response(request: Request, asset: Asset) -> Response:
    """Send a file for good where its address names its version, else for a day."""
    tag = f'"{asset.version}"'
    headers = {
        "Cache-Control": ALWAYS if request.query_params.get("v") == asset.version else A_DAY,
        "ETag": tag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match", "").removeprefix("W/") == tag:
        return Response(status_code=304, headers=headers)
    content = asset.content
    if asset.squeezed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = asset.squeezed, "gzip"
    return Response(content, headers=headers, media_type=asset.media_type)


async def answer_nowhere(request: Request) -> Response | None:
    """Answer a browser that looks for a page there is not; None for programs."""
    pages: Pages = request.app.state.pages
    wants_page = "text/html" in request.headers.get("accept", "")
    if not wants_page or request.url.path.startswith("/api/"):
        return None
    visit = await pages.visit(request, pages.stranger(request))
    message = "There is no page at this address."
    response = visit.render("shared/error.html", 404, code=404, message=message)
    return pages.finished(request, response)
