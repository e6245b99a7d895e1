"""Signing up: a person, an account of their own, and what the operator gives every new one."""

from collections.abc import Callable

from starlette.responses import Response

from kinetoscope.accounts import audit, passwords, people
from kinetoscope.accounts.audit import Actor
from kinetoscope.accounts.people import Also, SignedUp, SignUp
from kinetoscope.accounts.sessions import How
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.sign_in import HOME, begin
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Conflict, InvalidRequest, NotFound, RateLimited
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection

GRANT_REASON = "sign-up"

TOO_MANY = "Too many people signed up from your network just now. Try again in an hour."


def mount(pages: Pages) -> None:
    """Add /sign-up."""
    pages.add("GET", "/sign-up", "anyone", show)
    pages.add("POST", "/sign-up", "anyone", sign_up)


async def show(visit: Visit) -> Response:
    """Show the form."""
    if visit.visitor is not None:
        return visit.go(HOME)
    if visit.runtime.settings.sign_up != "open":
        return visit.render("people/by_invitation.html")
    return visit.render("people/sign_up.html", form={}, errors={})


async def sign_up(visit: Visit) -> Response:
    """Take somebody in."""
    if visit.runtime.settings.sign_up != "open":
        raise NotFound("Here one signs up by invitation only")
    form = await visit.form()
    errors, status = errors_of(form), 422
    if not errors:
        try:
            return await _taken_in(visit, form)
        except Conflict as error:
            errors, status = {"email": str(error)}, 409
        except RateLimited:
            errors, status = {"email": TOO_MANY}, 429
    shown = {"name": form["name"], "email": form["email"]}
    return visit.render("people/sign_up.html", status, form=shown, errors=errors)


def errors_of(form: Form) -> dict[str, str]:
    """Return what is wrong with each field that is filled in wrongly."""
    checks: dict[str, Callable[[], object]] = {
        "name": lambda: people.read_name(form["name"]),
        "email": lambda: people.read_email(form["email"]),
        "password": lambda: passwords.require_good(form["password"], form["email"]),
    }
    errors = {}
    for field, check in checks.items():
        try:
            check()
        except InvalidRequest as error:
            errors[field] = str(error)
    return errors


async def _taken_in(visit: Visit, form: Form) -> Response:
    database, settings = visit.runtime.database, visit.runtime.settings
    asked = SignUp(
        email=people.read_email(form["email"]),
        name=people.read_name(form["name"]),
        password_hash=await passwords.hashed(form["password"]),
        client_ip=visit.client_ip,
    )
    per_hour, also = settings.sign_ups_per_hour, settling(visit, asked)
    made = await people.sign_up(database, asked, visit.now, per_hour, also)
    return await welcomed(visit, made, "sign-up", HOME)


def settling(visit: Visit, asked: SignUp) -> Also:
    """Return what is done in the transaction of a sign-up: what is given and noted, or neither."""
    return noting(visit, asked, visit.runtime.settings.sign_up_grant)


def noting(visit: Visit, asked: SignUp, grant: Credits) -> Also:
    """Do the same with so many credits."""
    now = visit.now

    async def also(connection: Connection, made: SignedUp) -> None:
        if grant:
            await book.grant_within(
                connection, made.account_id, grant, reason=GRANT_REASON, now=now
            )
        actor = Actor(person_id=made.person_id, name=asked.email, client_ip=visit.client_ip)
        await audit.note_within(
            connection, actor, "person.sign_up", asked.email, now, account_id=made.account_id
        )

    return also


async def welcomed(visit: Visit, made: SignedUp, how: How, path: str) -> Response:
    """Let somebody in who has just signed up."""
    person = await people.by_id(visit.runtime.database, made.person_id)
    return await begin(visit, person, made.account_id, how, path, "Welcome!")
