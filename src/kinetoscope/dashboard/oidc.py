"""Signing in with an OpenID Connect issuer, and linking it to somebody who is signed in.

A browser goes to the issuer and comes back; what ties the two is sealed in a cookie of its own.
Who the issuer says comes back is signed in only where that link was made before, or where nobody
here has their address: an address alone opens nobody's account.
"""

import secrets
from collections.abc import Mapping

import structlog
from starlette.responses import RedirectResponse, Response

from kinetoscope.accounts import audit, identities, oidc, people
from kinetoscope.accounts.oidc import NotProven, Proven
from kinetoscope.accounts.people import SignUp
from kinetoscope.dashboard import brief, issuer
from kinetoscope.dashboard.issuer import Returned
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.sign_in import HOME, let_in
from kinetoscope.dashboard.sign_up import TOO_MANY, settling, welcomed
from kinetoscope.dashboard.visit import SEE_OTHER, Visit, safe_path
from kinetoscope.dashboard.ways import SETTINGS, page, password_error
from kinetoscope.kernel.calling import CallFailed, Malformed
from kinetoscope.kernel.errors import Conflict, InvalidRequest, NotFound, RateLimited

log = structlog.get_logger(__name__)

PURPOSE = "oidc"
CALLBACK = "/sign-in/oidc/callback"

TAKEN = (
    "Somebody with your e-mail address is here already. Sign in with your password first, then"
    " link this sign-in in the settings."
)
UNVERIFIED = "Your sign-in says of no e-mail address that it is yours, so nobody can be made of it."
STALE = "This sign-in took too long, was begun elsewhere, or is over already. Begin it again."
AWAY = "The sign-in service did not answer as it should. Try again in a moment."
INVITED = "Here one signs up by invitation only, and nobody here has linked this sign-in."


def mount(pages: Pages) -> None:
    """Add /sign-in/oidc, and linking in the settings."""
    pages.add("GET", "/sign-in/oidc", "anyone", start)
    pages.add("GET", CALLBACK, "anyone", callback)
    pages.add("POST", "/settings/identities", "person", link)
    pages.add("POST", "/settings/identities/{id}/remove", "person", remove)


async def start(visit: Visit) -> Response:
    """Send a browser to the issuer."""
    require_on(visit)
    return await _sent(visit, {"next": safe_path(visit.query("next"), "")}, by_page=False)


async def link(visit: Visit) -> Response:
    """Send who is signed in to the issuer, to come back as who they are there."""
    require_on(visit)
    error = await password_error(visit, (await visit.form())["link_password"])
    if error:
        return await page(visit, {"link_password": error}, status=422)
    # By a page: browsers let no form lead to another host, and ours does not.
    return await _sent(visit, {"session": visit.me.session_id}, by_page=True)


async def remove(visit: Visit) -> Response:
    """Unlink a sign-in."""
    identity_id = visit.request.path_params["id"]
    database, me = visit.runtime.database, visit.me
    await identities.unlink(database, me.person_id, identity_id)
    await audit.note(
        database, visit.actor, "identity.unlink", identity_id, visit.now, account_id=me.account_id
    )
    return visit.go(SETTINGS, "Unlinked")


async def callback(visit: Visit) -> Response:
    """Take a browser back from the issuer; the attempt is over, whatever comes of it."""
    require_on(visit)
    begun = brief.kept(visit, PURPOSE)
    try:
        response = await _answered(visit, begun)
    except (NotProven, Conflict, InvalidRequest) as error:
        response = not_let_in(visit, 403, str(error))
    except RateLimited:
        response = not_let_in(visit, 429, TOO_MANY)
    except (CallFailed, Malformed) as error:
        log.warning("oidc.failed", error=str(error))
        response = not_let_in(visit, 502, AWAY)
    brief.forget(visit, response, PURPOSE)
    return response


def require_on(visit: Visit) -> None:
    """Hide what the operator has not set up; raises NotFound."""
    if not visit.runtime.settings.oidc_issuer:
        raise NotFound("There is no such page")


def not_let_in(visit: Visit, status: int, message: str) -> Response:
    """Say why nobody was signed in."""
    return visit.render("people/not_let_in.html", status, message=message)


async def _sent(visit: Visit, values: Mapping[str, str], *, by_page: bool) -> Response:
    settings, begun = visit.runtime.settings, oidc.begin()
    try:
        there = await issuer.metadata(settings)
    except (CallFailed, Malformed, NotProven) as error:
        log.warning("oidc.failed", error=str(error))
        return not_let_in(visit, 502, AWAY)
    url = oidc.authorization_url(there, settings.oidc_client_id, redirect_url(visit), begun)
    response: Response
    if by_page:
        response = visit.render("people/leaving.html", url=url)
    else:
        response = RedirectResponse(url, SEE_OTHER)
    kept = {"state": begun.state, "nonce": begun.nonce, "verifier": begun.verifier}
    brief.keep(visit, response, PURPOSE, {**values, **kept})
    return response


def redirect_url(visit: Visit) -> str:
    """Return where the issuer sends browsers back to; the operator tells it there."""
    return visit.runtime.settings.public_url + CALLBACK


async def _answered(visit: Visit, begun: dict[str, str] | None) -> Response:
    if begun is None or not secrets.compare_digest(
        visit.query("state").encode(), begun["state"].encode()
    ):
        raise NotProven(STALE)
    settings = visit.runtime.settings
    if visit.query("error") or not visit.query("code"):
        raise NotProven("You were not signed in there, and so not here.")
    returned = Returned(
        code=visit.query("code"),
        issuer=visit.query("iss"),
        redirect_url=redirect_url(visit),
        verifier=begun["verifier"],
        nonce=begun["nonce"],
    )
    who = await issuer.prove(settings, returned, visit.now)
    if "session" in begun:
        return await _linked(visit, begun["session"], who)
    return await _signed_in(visit, who, safe_path(begun.get("next", ""), HOME))


async def _linked(visit: Visit, session_id: str, who: Proven) -> Response:
    visitor, database = visit.visitor, visit.runtime.database
    if visitor is None or visitor.session_id != session_id:
        raise NotProven(STALE)
    await identities.link(database, visitor.person_id, who, who.email or who.name, visit.now)
    await audit.note(
        database,
        visit.actor,
        "identity.link",
        who.email or who.name,
        visit.now,
        account_id=visitor.account_id,
        detail={"issuer": who.issuer},
    )
    return visit.go(SETTINGS, "Linked")


async def _signed_in(visit: Visit, who: Proven, path: str) -> Response:
    database = visit.runtime.database
    known = await identities.used(database, who, visit.now)
    if known is None:
        return await _signed_up(visit, who, path)
    person = await people.by_id(database, known.person_id)
    if person.disabled_at is not None:
        raise NotProven("You cannot sign in here any more; ask whoever runs this server.")
    return await let_in(visit, person, "oidc", path)


async def _signed_up(visit: Visit, who: Proven, path: str) -> Response:
    database, settings = visit.runtime.database, visit.runtime.settings
    if not who.email:
        raise NotProven(UNVERIFIED)
    email = people.read_email(who.email)
    if await people.by_email(database, email) is not None:
        raise Conflict(TAKEN)
    if settings.sign_up != "open":
        raise NotProven(INVITED)
    asked = SignUp(email=email, name=_name(who), password_hash=None, client_ip=visit.client_ip)
    per_hour, also = settings.sign_ups_per_hour, settling(visit, asked)
    made = await identities.sign_up(database, asked, who, visit.now, per_hour, also)
    return await welcomed(visit, made, "oidc", path)


def _name(who: Proven) -> str:
    try:
        return people.read_name(who.name[: people.NAME_LENGTH_MAX])
    except InvalidRequest:
        return who.email.partition("@")[0]
