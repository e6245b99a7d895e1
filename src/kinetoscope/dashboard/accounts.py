"""The accounts of a person: which they act for, and a further one to open."""

from starlette.responses import Response

from kinetoscope.accounts import audit, members, people, sessions
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit, safe_path
from kinetoscope.kernel.errors import Conflict, InvalidRequest
from kinetoscope.kernel.ids import AccountId


def mount(pages: Pages) -> None:
    """Add /accounts."""
    pages.add("GET", "/accounts", "person", show)
    pages.add("POST", "/accounts", "person", open_another)
    pages.add("POST", "/accounts/switch", "person", switch)


async def show(visit: Visit) -> Response:
    """Show the accounts one belongs to."""
    return await _page(visit)


async def switch(visit: Visit) -> Response:
    """Act for another account from now on, in this browser."""
    form = await visit.form()
    me, database = visit.me, visit.runtime.database
    account_id = AccountId(form["account"])
    await sessions.switch(database, me.session_id, me.person_id, account_id)
    await audit.note(
        database, visit.actor, "session.switch", account_id, visit.now, account_id=account_id
    )
    own = await people.memberships(database, me.person_id)
    name = next((one.title or one.name for one in own if one.account_id == account_id), "")
    return visit.go(safe_path(form["next"], "/studio"), f"You now act for {name}")


async def open_another(visit: Visit) -> Response:
    """Open a further account, which begins without credits, and act for it."""
    title = (await visit.form())["title"]
    me, database = visit.me, visit.runtime.database
    try:
        read = people.read_name(title)
        account_id = await members.open_another(database, me.person_id, read, visit.now)
    except (InvalidRequest, Conflict) as error:
        return await _page(visit, title, str(error))
    await audit.note(
        database, visit.actor, "account.open", account_id, visit.now, account_id=account_id
    )
    await sessions.switch(database, me.session_id, me.person_id, account_id)
    return visit.go("/members", f"{read} is open. Invite whom you work with.")


async def _page(visit: Visit, title: str = "", error: str = "") -> Response:
    own = await people.memberships(visit.runtime.database, visit.me.person_id)
    status = 422 if error else 200
    return visit.render("accounts/accounts.html", status, accounts=own, title=title, error=error)
