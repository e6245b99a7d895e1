"""The members of an account: who they are, as what, who is invited, and what it is called."""

from urllib.parse import urlencode

from starlette.responses import Response

from kinetoscope.accounts import audit, invitations, members, people
from kinetoscope.accounts.people import PersonId, Role
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import Conflict, InvalidRequest
from kinetoscope.kernel.order import JSON

ROLES: dict[str, tuple[Role, str]] = {
    "member": ("member", "makes media, sees keys and bills"),
    "owner": ("owner", "also manages keys, credits and members"),
}


def mount(pages: Pages) -> None:
    """Add /members and what is below."""
    pages.add("GET", "/members", "person", show)
    pages.add("POST", "/members/title", "owner", set_title)
    pages.add("POST", "/members/invite", "owner", invite)
    pages.add("POST", "/members/withdraw", "owner", withdraw)
    pages.add("POST", "/members/role", "owner", set_role)
    pages.add("POST", "/members/remove", "owner", remove)
    pages.add("POST", "/members/leave", "person", leave)


async def show(visit: Visit) -> Response:
    """Show everybody who belongs to the account."""
    return await _page(visit)


async def set_title(visit: Visit) -> Response:
    """Change what people call the account."""
    title = (await visit.form())["title"]
    try:
        read = people.read_name(title)
    except InvalidRequest as error:
        return await _page(visit, {"title": title}, {"title": str(error)})
    await members.set_title(visit.runtime.database, visit.me.account_id, read)
    await _note(visit, "account.rename", visit.me.account_id, title=read)
    return visit.go("/members", "Saved")


async def invite(visit: Visit) -> Response:
    """Make an invitation, and show its link this once: in this answer, which nobody keeps."""
    form = await visit.form()
    shown = {"email": form["email"], "role": form["role"]}
    try:
        email, role = people.read_email(form["email"]), _role(form["role"])
        token = await invitations.invite(
            visit.runtime.database,
            visit.me.account_id,
            visit.me.person_id,
            email,
            role,
            visit.now,
        )
    except (InvalidRequest, Conflict) as error:
        errors = {"email": str(error)}
        if visit.is_partial:
            values = {"form": shown, "errors": errors, "roles": ROLES}
            return visit.render("members/invite_form.html", 422, **values)
        return await _page(visit, shown, errors)
    await _note(visit, "member.invite", email, role=role)
    link = f"{visit.runtime.settings.public_url}/invitation?{urlencode({'token': token})}"
    template = "members/invited_note.html" if visit.is_partial else "members/invited.html"
    return visit.render(template, link=link, email=email, role=role)


async def withdraw(visit: Visit) -> Response:
    """Make an invitation open nothing any more."""
    asked = (await visit.form())["id"]
    await invitations.withdraw(visit.runtime.database, visit.me.account_id, asked)
    await _note(visit, "member.withdraw", asked)
    return visit.go("/members", "The invitation is withdrawn")


async def set_role(visit: Visit) -> Response:
    """Make a member an owner, or no longer one."""
    form = await visit.form()
    person_id, role = PersonId(form["person"]), _role(form["role"])
    await members.set_role(visit.runtime.database, visit.me.account_id, person_id, role)
    await _note(visit, "member.role", person_id, role=role)
    return visit.go("/members", f"Now {'an owner' if role == 'owner' else 'a member'}")


async def remove(visit: Visit) -> Response:
    """Let somebody belong to the account no more."""
    person_id = PersonId((await visit.form())["person"])
    if person_id == visit.me.person_id:
        return await leave(visit)
    await members.remove(visit.runtime.database, visit.me.account_id, person_id)
    await _note(visit, "member.remove", person_id)
    return visit.go("/members", "Removed")


async def leave(visit: Visit) -> Response:
    """Belong to the account no more oneself."""
    await members.leave(visit.runtime.database, visit.me.account_id, visit.me.person_id)
    await _note(visit, "member.leave", visit.me.person_id)
    return visit.go("/accounts", f"You have left {visit.me.account}")


def _role(text: str) -> Role:
    if text not in ROLES:
        raise InvalidRequest("Choose member or owner")
    return ROLES[text][0]


async def _page(
    visit: Visit, form: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> Response:
    database, account_id = visit.runtime.database, visit.me.account_id
    pending = []
    if visit.me.is_owner:
        pending = await invitations.pending(database, account_id, visit.now)
    everybody = await members.listing(database, account_id)
    return visit.render(
        "members/members.html",
        422 if errors else 200,
        members=everybody,
        owners=sum(member.role == "owner" for member in everybody),
        pending=pending,
        roles=ROLES,
        form=form or {},
        errors=errors or {},
    )


async def _note(visit: Visit, action: str, target: str, **detail: JSON) -> None:
    await audit.note(
        visit.runtime.database,
        visit.actor,
        action,
        target,
        visit.now,
        account_id=visit.me.account_id,
        detail=detail,
    )
