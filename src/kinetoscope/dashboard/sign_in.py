"""Signing in and out: by password, or by a link that works once."""

from contextlib import suppress

from starlette.responses import Response

from kinetoscope.accounts import audit, people, sessions, signing_in
from kinetoscope.accounts.audit import Actor
from kinetoscope.accounts.people import Person
from kinetoscope.accounts.sessions import How
from kinetoscope.dashboard.pages import Pages, cookie_name
from kinetoscope.dashboard.visit import Visit, safe_path
from kinetoscope.kernel.errors import Forbidden, NotFound, RateLimited, Unauthenticated
from kinetoscope.kernel.ids import AccountId

HOME = "/studio"


def mount(pages: Pages) -> None:
    """Add /sign-in, /sign-out and /welcome."""
    pages.add("GET", "/sign-in", "anyone", show)
    pages.add("POST", "/sign-in", "anyone", sign_in)
    pages.add("POST", "/sign-out", "anyone", sign_out)
    pages.add("GET", "/welcome", "anyone", welcome)
    pages.add("POST", "/welcome", "anyone", welcome_confirmed)


async def show(visit: Visit) -> Response:
    """Show the form."""
    if visit.visitor is not None:
        return visit.go(safe_path(visit.query("next"), HOME))
    return form_page(visit, visit.query("next"))


async def sign_in(visit: Visit) -> Response:
    """Sign somebody in."""
    form = await visit.form()
    email = form["email"].strip()
    try:
        person = await signing_in.by_password(
            visit.runtime.database, email, form["password"], visit.now
        )
    except Unauthenticated as error:
        return form_page(visit, form["next"], email, str(error), status=422)
    except RateLimited as error:
        text = f"Too many attempts. Try again in {error.wait_s} seconds."
        return form_page(visit, form["next"], email, text, status=429)
    return await let_in(visit, person, "password", safe_path(form["next"], HOME))


async def sign_out(visit: Visit) -> Response:
    """Sign out here."""
    await _end_session(visit)
    if visit.visitor is not None:
        await audit.note(
            visit.runtime.database,
            visit.actor,
            "session.end",
            visit.me.email,
            visit.now,
            account_id=visit.me.account_id,
        )
    response = visit.go("/", "Signed out")
    _forget_cookie(visit, response)
    return response


async def welcome(visit: Visit) -> Response:
    """Sign in whom a link was made for, or ask first.

    Links are opened by programs as well, which look what is behind them; and one that stands on
    another site's page would sign people in as somebody else. Only a person's own doing is enough.
    """
    if not _is_opened_by_person(visit):
        return visit.render("people/welcome.html", token=visit.query("token"), error="")
    return await _use_link(visit, visit.query("token"))


def _is_opened_by_person(visit: Visit) -> bool:
    """Whether a person typed or pasted an address, or came from a page of ours.

    https://www.w3.org/TR/fetch-metadata/
    """
    headers = visit.request.headers
    return (
        visit.request.method == "GET"
        and headers.get("sec-fetch-site") in {"none", "same-origin"}
        and headers.get("sec-fetch-mode", "navigate") == "navigate"
        and "sec-purpose" not in headers
    )


async def welcome_confirmed(visit: Visit) -> Response:
    """Sign in whom a link was made for."""
    return await _use_link(visit, (await visit.form())["token"])


async def _use_link(visit: Visit, token: str) -> Response:
    try:
        person = await signing_in.by_link(visit.runtime.database, token, visit.now)
    except NotFound as error:
        return visit.render("people/welcome.html", 404, token="", error=str(error))
    minutes = int(sessions.FRESH.total_seconds() // 60)
    toast = "Welcome. Set a password in the settings."
    if person.password_hash:
        toast = f"Forgot your password? For {minutes} minutes the settings take a new one."
    return await let_in(visit, person, "link", HOME, toast)


def form_page(
    visit: Visit, next_path: str, email: str = "", error: str = "", status: int = 200
) -> Response:
    """Return the page to sign in on, which leads on to `next_path`."""
    return visit.render(
        "people/sign_in.html",
        status,
        email=email,
        error=error,
        next=safe_path(next_path, ""),
    )


async def let_in(visit: Visit, person: Person, how: How, path: str, toast: str = "") -> Response:
    """Begin a session for somebody who has shown who they are, and lead them on."""
    memberships = await people.memberships(visit.runtime.database, person.id)
    if not memberships:
        raise Forbidden("You belong to no account any more; ask whom you worked with")
    return await begin(visit, person, memberships[0].account_id, how, path, toast)


async def begin(
    visit: Visit, person: Person, account_id: AccountId, how: How, path: str, toast: str = ""
) -> Response:
    """Begin a session for an account; what was signed in here before ends."""
    database = visit.runtime.database
    await _end_session(visit)
    token = await sessions.start(
        database,
        person,
        account_id,
        how=how,
        user_agent=visit.request.headers.get("user-agent", ""),
        client_ip=visit.client_ip,
        now=visit.now,
    )
    actor = Actor(person_id=person.id, name=person.email, client_ip=visit.client_ip)
    await audit.note(
        database,
        actor,
        "session.start",
        person.email,
        visit.now,
        account_id=account_id,
        detail={"how": how},
    )
    response = visit.go(path, toast)
    _keep_cookie(visit, response, token)
    return response


async def _end_session(visit: Visit) -> None:
    """End the session that a request came with; it may have been ended a moment ago."""
    visitor = visit.visitor
    if visitor is not None:
        with suppress(NotFound):
            await sessions.end(visit.runtime.database, visitor.person_id, visitor.session_id)


def _keep_cookie(visit: Visit, response: Response, token: str) -> None:
    """Have the browser keep a session's token, where no script reads it."""
    public_url = visit.runtime.settings.public_url
    response.set_cookie(
        cookie_name(public_url),
        token,
        max_age=int(sessions.LIFETIME.total_seconds()),
        path="/",
        secure=public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


def _forget_cookie(visit: Visit, response: Response) -> None:
    public_url = visit.runtime.settings.public_url
    response.delete_cookie(
        cookie_name(public_url),
        path="/",
        secure=public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
