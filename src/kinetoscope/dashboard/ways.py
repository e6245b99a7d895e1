"""The ways somebody signs in besides a password: listed, and what all of them need."""

from collections.abc import Mapping

from starlette.responses import Response

from kinetoscope.accounts import identities, passkeys, signing_in
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import RateLimited, Unauthenticated

SETTINGS = "/settings"


def mount(pages: Pages) -> None:
    """Add /settings/ways, which the settings show as a part."""
    pages.add("GET", "/settings/ways", "person", show)


async def show(visit: Visit) -> Response:
    """List them."""
    return await page(visit, {})


async def page(visit: Visit, errors: Mapping[str, str], status: int = 200) -> Response:
    """Return the list, as a page or as a part of one, with what was filled in wrongly."""
    database, me = visit.runtime.database, visit.me
    return visit.render(
        "settings/ways_list.html" if visit.is_partial else "settings/ways.html",
        status,
        identities=await identities.listing(database, me.person_id),
        passkeys=await passkeys.listing(database, me.person_id),
        errors=errors,
    )


async def password_error(visit: Visit, password: str) -> str:
    """Return why somebody who is signed in does not get to add a way in, or nothing.

    A browser left open is enough to use an account for a while, and not to keep it: whoever has a
    password shows that they know it, or has just come in without it.
    """
    me = visit.me
    if not me.must_show_password(visit.now):
        return ""
    try:
        await signing_in.by_password(visit.runtime.database, me.email, password, visit.now)
    except Unauthenticated:
        return "This is not your password"
    except RateLimited as error:
        return f"Too many attempts. Try again in {error.wait_s} seconds."
    return ""
