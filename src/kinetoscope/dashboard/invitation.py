"""An invitation's link: whoever has it joins, signed in, with a password, or as somebody new."""

from urllib.parse import urlencode

from starlette.responses import Response

from kinetoscope.accounts import audit, invitations, passwords, people, sessions, signing_in
from kinetoscope.accounts.audit import Actor
from kinetoscope.accounts.invitations import Invitation
from kinetoscope.accounts.people import Person, SignUp
from kinetoscope.dashboard import sign_up
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.sign_in import HOME, begin
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Conflict, NotFound, RateLimited, Unauthenticated
from kinetoscope.kernel.ids import AccountId

NOTHING = Credits(0)
"""Who joins another's account is granted nothing."""

JOINED = "You have joined"


def mount(pages: Pages) -> None:
    """Add /invitation: looking at it uses nothing up."""
    pages.add("GET", "/invitation", "anyone", show)
    pages.add("POST", "/invitation", "person", accept)
    pages.add("POST", "/invitation/sign-up", "anyone", join_as_new)
    pages.add("POST", "/invitation/sign-in", "anyone", join_with_password)


async def show(visit: Visit) -> Response:
    """Show who invites to what, and the way in."""
    return await _page(visit, visit.query("token"), is_here=visit.query("here") == "yes")


async def accept(visit: Visit) -> Response:
    """Join as who is signed in, and act for the account from now on."""
    database, token = visit.runtime.database, (await visit.form())["token"]
    try:
        account_id = await invitations.accept(database, token, visit.me.person_id, visit.now)
    except (NotFound, Conflict):
        return await _page(visit, token)
    await sessions.switch(database, visit.me.session_id, visit.me.person_id, account_id)
    await audit.note(
        database, visit.actor, "member.join", visit.me.email, visit.now, account_id=account_id
    )
    return visit.go(HOME, JOINED)


async def join_as_new(visit: Visit) -> Response:
    """Take somebody new in. They have no account of their own, and are granted nothing."""
    form = await visit.form()
    token, database = form["token"], visit.runtime.database
    errors, status = sign_up.errors_of(form), 422
    if not errors:
        try:
            await invitations.find(database, token, visit.now)  # before a password is hashed
            asked = SignUp(
                email=people.read_email(form["email"]),
                name=people.read_name(form["name"]),
                password_hash=await passwords.hashed(form["password"]),
                client_ip=visit.client_ip,
            )
            also = sign_up.noting(visit, asked, NOTHING)
            joined = await invitations.sign_up(database, token, asked, visit.now, also)
            person = await people.by_id(database, joined.person_id)
            return await begin(visit, person, joined.account_id, "invitation", HOME, JOINED)
        except NotFound:
            return await _page(visit, token)
        except Conflict as error:
            errors, status = {"email": str(error)}, 409
    return await _page(visit, token, form=form, errors=errors, status=status)


async def join_with_password(visit: Visit) -> Response:
    """Sign somebody in who joins, even if they belong to no other account."""
    form = await visit.form()
    token, database = form["token"], visit.runtime.database
    try:
        await invitations.find(database, token, visit.now)
        person = await signing_in.by_password(
            database, form["email"].strip(), form["password"], visit.now
        )
        account_id = await invitations.accept(database, token, person.id, visit.now)
    except (NotFound, Conflict) as error:
        return await _page(visit, token, form=form, errors={"email": str(error)}, is_here=True)
    except Unauthenticated as error:
        errors, status = {"email": str(error)}, 422
    except RateLimited as error:
        text = f"Too many attempts. Try again in {error.wait_s} seconds."
        errors, status = {"email": text}, 429
    else:
        return await _in(visit, person, account_id)
    return await _page(visit, token, form=form, errors=errors, status=status, is_here=True)


async def _in(visit: Visit, person: Person, account_id: AccountId) -> Response:
    actor = Actor(person_id=person.id, name=person.email, client_ip=visit.client_ip)
    await audit.note(
        visit.runtime.database, actor, "member.join", person.email, visit.now, account_id=account_id
    )
    return await begin(visit, person, account_id, "password", HOME, JOINED)


async def _page(
    visit: Visit,
    token: str,
    *,
    form: Form | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
    is_here: bool = False,
) -> Response:
    """Show an invitation: to accept, to sign up, or, for who is here already, to sign in."""
    try:
        invitation = await invitations.find(visit.runtime.database, token, visit.now)
    except NotFound as error:
        return visit.render("members/no_invitation.html", 404, message=str(error))
    if visit.visitor is not None:
        belongs = await _belongs(visit, invitation)
        values = {"invitation": invitation, "token": token, "belongs": belongs}
        return visit.render("members/accept.html", 409 if errors else status, **values)
    here = urlencode({"token": token, "here": "yes"})
    back = urlencode({"next": f"/invitation?{urlencode({'token': token})}"})
    return visit.render(
        "members/join.html",
        status if status != 200 or not errors else 409,  # noqa: PLR2004 - nothing said otherwise
        invitation=invitation,
        token=token,
        is_here=is_here,
        form={"name": form["name"], "email": form["email"]} if form else {},
        errors=errors or {},
        here_path=f"/invitation?{here}",
        other_ways_path=f"/sign-in?{back}",
    )


async def _belongs(visit: Visit, invitation: Invitation) -> bool:
    own = await people.memberships(visit.runtime.database, visit.me.person_id)
    return any(membership.account_id == invitation.account_id for membership in own)
