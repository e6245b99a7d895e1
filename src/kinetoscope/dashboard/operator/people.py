"""People: who may sign in, who operates the server, and a link for who cannot get in."""

from starlette.responses import Response

from kinetoscope.accounts import audit, directory, people, signing_in
from kinetoscope.accounts.directory import Known
from kinetoscope.accounts.people import PersonId
from kinetoscope.dashboard.operator.finding import ROWS, asked_id, asked_text, rows_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import Conflict


def mount(pages: Pages) -> None:
    """Add /operator/people and the page of each."""
    path = "/operator/people/{id}"
    pages.add("GET", "/operator/people", "operator", show)
    pages.add("GET", path, "operator", person)
    pages.add("POST", path + "/operator", "operator", change_operator)
    pages.add("POST", path + "/disabled", "operator", change_disabled)
    pages.add("POST", path + "/link", "operator", make_link)


async def show(visit: Visit) -> Response:
    """List people, the newest first."""
    text, before = asked_text(visit, "q"), asked_text(visit, "before")
    found = await directory.people(
        visit.runtime.database, text, PersonId(before) if before else None, ROWS + 1, visit.now
    )
    return visit.render(
        "operator/people.html",
        text=text,
        shown=rows_of(found, "/operator/people", {"q": text}, "id"),
    )


async def person(visit: Visit) -> Response:
    """Show somebody."""
    return await page(visit, await _asked(visit))


async def page(visit: Visit, found: Known, link: str = "") -> Response:
    """Show somebody, with a link that was just made."""
    return visit.render(
        "operator/person.html",
        person=found,
        belongings=await directory.accounts_of(visit.runtime.database, found.id),
        link=link,
    )


async def change_operator(visit: Visit) -> Response:
    """Make somebody an operator, or no longer."""
    found = await _asked(visit)
    is_operator = (await visit.form())["value"] == "1"
    _require_other(visit, found, "stop operating the server yourself")
    await people.set_operator(visit.runtime.database, found.email, is_operator=is_operator)
    await _note(visit, found, "person.operator" if is_operator else "person.no_operator")
    text = "operates this server now" if is_operator else "operates this server no more"
    return visit.go(f"/operator/people/{found.id}", f"{found.name} {text}")


async def change_disabled(visit: Visit) -> Response:
    """Let somebody in no more, from their next request on, or again."""
    found = await _asked(visit)
    is_disabled = (await visit.form())["value"] == "1"
    _require_other(visit, found, "lock yourself out")
    at = visit.now if is_disabled else None
    await people.set_disabled(visit.runtime.database, found.id, at)
    await _note(visit, found, "person.disable" if is_disabled else "person.enable")
    text = "cannot sign in any more" if is_disabled else "can sign in again"
    return visit.go(f"/operator/people/{found.id}", f"{found.name} {text}")


async def make_link(visit: Visit) -> Response:
    """Make a link that signs somebody in once, and show it this once."""
    found = await _asked(visit)
    if found.disabled_at is not None:
        raise Conflict("Let them in again first: a link opens nothing for who is disabled")
    token = await signing_in.make_link(visit.runtime.database, found.id, visit.now)
    await _note(visit, found, "person.link")
    link = f"{visit.runtime.settings.public_url}/welcome?token={token}"
    if visit.is_partial:
        return visit.render("operator/link.html", person=found, link=link)
    return await page(visit, found, link)


async def _asked(visit: Visit) -> Known:
    person_id = PersonId(asked_id(visit))
    return await directory.person(visit.runtime.database, person_id, visit.now)


def _require_other(visit: Visit, found: Known, what: str) -> None:
    """Keep operators from locking themselves out; raises Conflict."""
    if found.id == visit.me.person_id:
        raise Conflict(f"You cannot {what}; another operator can do that")


async def _note(visit: Visit, found: Known, action: str) -> None:
    await audit.note(visit.runtime.database, visit.actor, action, found.email, visit.now)
