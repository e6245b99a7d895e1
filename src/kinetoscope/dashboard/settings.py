"""A person's own settings: their name, their password, and where they are signed in."""

from starlette.responses import Response

from kinetoscope.accounts import audit, passwords, people, sessions, signing_in
from kinetoscope.accounts.sessions import How
from kinetoscope.dashboard.devices import device, is_handheld
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.sign_in import begin, sign_out
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.errors import InvalidRequest, RateLimited, Unauthenticated

HOW: dict[How, str] = {
    "password": "with the password",
    "link": "by a link",
    "invitation": "by an invitation",
    "sign-up": "by signing up",
    "oidc": "by single sign-on",
    "passkey": "with a passkey",
}
"""How a session began, in words."""


def mount(pages: Pages) -> None:
    """Add /settings and what is below."""
    pages.add("GET", "/settings", "person", show)
    pages.add("POST", "/settings/name", "person", rename)
    pages.add("POST", "/settings/password", "person", change_password)
    pages.add("POST", "/settings/sessions/end", "person", end_session)
    pages.add("POST", "/settings/sessions/end-others", "person", end_others)


async def show(visit: Visit) -> Response:
    """Show everything that is the person's own."""
    return await _page(visit)


async def rename(visit: Visit) -> Response:
    """Change what others read of one."""
    form = await visit.form()
    try:
        name = people.read_name(form["name"])
    except InvalidRequest as error:
        return await _page(visit, {"name": str(error)}, 422, name=form["name"])
    await people.rename(visit.runtime.database, visit.me.person_id, name)
    await _note(visit, "person.rename")
    return visit.go("/settings", "Saved")


async def change_password(visit: Visit) -> Response:
    """Change the password, end every session, and begin another one here."""
    form, me, database = await visit.form(), visit.me, visit.runtime.database
    errors, status = await _password_errors(visit, form)
    if errors:
        return await _page(visit, errors, status)
    password_hash = await passwords.hashed(form["password"])
    await people.set_password(database, me.person_id, password_hash, visit.now)
    await _note(visit, "person.password")
    await sessions.end_others(database, me.person_id, me.session_id)
    person = await people.by_id(database, me.person_id)
    toast = "The password is changed. Everywhere else you are signed out."
    return await begin(visit, person, me.account_id, "password", "/settings", toast)


async def end_session(visit: Visit) -> Response:
    """Sign out in one place."""
    asked = (await visit.form())["id"]
    if asked == visit.me.session_id:
        return await sign_out(visit)
    await sessions.end(visit.runtime.database, visit.me.person_id, asked)
    await _note(visit, "session.end")
    return visit.go("/settings", "Signed out there")


async def end_others(visit: Visit) -> Response:
    """Sign out everywhere but here."""
    await sessions.end_others(visit.runtime.database, visit.me.person_id, visit.me.session_id)
    await _note(visit, "session.end_others")
    return visit.go("/settings", "Signed out everywhere else")


async def _password_errors(visit: Visit, form: Form) -> tuple[dict[str, str], int]:
    """Return what is wrong with each field, and the status that says so.

    The present password is looked at last: whoever guesses is slowed down as at the door.
    """
    me = visit.me
    try:
        passwords.require_good(form["password"], me.email)
    except InvalidRequest as error:
        return {"password": str(error)}, 422
    if not me.must_show_password(visit.now):
        return {}, 200
    try:
        await signing_in.by_password(visit.runtime.database, me.email, form["present"], visit.now)
    except Unauthenticated:
        return {"present": "This is not your present password"}, 422
    except RateLimited as error:
        return {"present": f"Too many attempts. Try again in {error.wait_s} seconds."}, 429
    return {}, 200


async def _page(
    visit: Visit, errors: dict[str, str] | None = None, status: int = 200, name: str | None = None
) -> Response:
    found = await sessions.listing(visit.runtime.database, visit.me.person_id, visit.now)
    found.sort(key=lambda session: session.id != visit.me.session_id)
    shown = [
        {
            "session": session,
            "device": device(session.user_agent),
            "how": HOW[session.how],
            "icon": "smartphone" if is_handheld(session.user_agent) else "monitor",
            "is_this": session.id == visit.me.session_id,
        }
        for session in found
    ]
    return visit.render(
        "settings/settings.html",
        status,
        name=visit.me.person_name if name is None else name,
        sessions=shown,
        errors=errors or {},
    )


async def _note(visit: Visit, action: str) -> None:
    me = visit.me
    await audit.note(
        visit.runtime.database,
        visit.actor,
        action,
        me.email,
        visit.now,
        account_id=me.account_id,
    )
