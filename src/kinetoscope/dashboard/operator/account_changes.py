"""What an operator changes about an account: credits, limits, and what is kept. All is audited."""

import re
from collections.abc import Mapping
from datetime import timedelta

from starlette.responses import Response

from kinetoscope.accounts import audit, retention
from kinetoscope.accounts.directory import Listed
from kinetoscope.accounts.limiting import Limits, set_limits
from kinetoscope.dashboard.operator.accounts import asked, page
from kinetoscope.dashboard.operator.spans import read_span, span_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.credits import Credits, format_credits, parse_credits
from kinetoscope.kernel.errors import CreditsShort, InvalidRequest
from kinetoscope.kernel.order import JSON
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection

TOKEN = re.compile(r"[0-9a-z]{24}")
"""What tells one filled-in form from another."""

REASON_LENGTH_MAX = 200
NUMBER_DIGITS_MAX = 9


def mount(pages: Pages) -> None:
    """Add what the forms of an account's page are sent to."""
    path = "/operator/accounts/{id}"
    pages.add("POST", path + "/credits", "operator", change_credits)
    pages.add("POST", path + "/limits", "operator", change_limits)
    pages.add("POST", path + "/retention", "operator", change_retention)
    pages.add("POST", path + "/hold", "operator", change_hold)


async def change_credits(visit: Visit) -> Response:
    """Give credits to an account, or take unused ones back."""
    found, form = await asked(visit), await visit.form()
    reason = " ".join(form["reason"].split())
    try:
        amount = read_amount(form["amount"], form["way"])
    except InvalidRequest as error:
        return await _refused(visit, found, form, {"amount": str(error)})
    if not 1 <= len(reason) <= REASON_LENGTH_MAX or not reason.isprintable():
        text = f"Say why, in up to {REASON_LENGTH_MAX} characters: it stands in the ledger"
        return await _refused(visit, found, form, {"reason": text})
    if not TOKEN.fullmatch(form["token"]):
        raise InvalidRequest("Open the account's page again, and fill the form in there")
    try:
        is_new = await _move(visit, found, amount, reason, form["token"])
    except CreditsShort as error:
        text = f"Only {format_credits(error.available)} credits are available to take back"
        return await _refused(visit, found, form, {"amount": text})
    if not is_new:
        return _back(visit, found, "This form was sent before, and counted once")
    done = "given" if amount > 0 else "taken back"
    return _back(visit, found, f"{format_credits(Credits(abs(amount)))} credits {done}")


async def _move(visit: Visit, found: Listed, amount: Credits, reason: str, token: str) -> bool:
    """Move credits and note it, both or neither; False where this very form did so before."""

    async def steps(connection: Connection) -> bool:
        is_new = await book.grant_named_within(
            connection, found.id, amount, token=token, reason=reason, now=visit.now
        )
        if is_new:
            await audit.note_within(
                connection,
                visit.actor,
                "account.credits",
                found.name,
                visit.now,
                account_id=found.id,
                detail={"credits": format_credits(amount), "reason": reason},
            )
        return is_new

    return await visit.runtime.database.transact_once(steps)


def read_amount(text: str, way: str) -> Credits:
    """Read how many credits to give, or to take back; raises InvalidRequest."""
    if way not in {"give", "take"}:
        raise InvalidRequest("Choose whether to give or to take back")
    try:
        amount = parse_credits(text.strip().replace(",", ""))
    except ValueError:
        raise InvalidRequest("Enter an amount such as 500 or 142.57") from None
    if amount <= 0:
        raise InvalidRequest("Enter an amount above 0")
    return amount if way == "give" else Credits(-amount)


async def change_limits(visit: Visit) -> Response:
    """Set how much an account may do at once."""
    found, form = await asked(visit), await visit.form()
    errors: dict[str, str] = {}

    def number(name: str) -> int | None:
        text = form[name].strip()
        if text == "" and name != "tasks_running_max":
            return None
        if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX:
            return int(text)
        errors[name] = "Enter a whole number"
        return None

    limits = Limits(
        tasks_running_max=number("tasks_running_max") or 0,
        requests_per_second=number("requests_per_second"),
        requests_burst=number("requests_burst"),
        api_access=form["api_access"] == "1",
    )
    if errors:
        return await _refused(visit, found, form, errors)
    try:
        await set_limits(visit.runtime.database, found.id, limits)
    except InvalidRequest as error:
        return await _refused(visit, found, form, {"limits": str(error)})
    await _note(
        visit,
        found,
        "limits",
        {
            "tasksAtOnce": limits.tasks_running_max,
            "requestsPerSecond": limits.requests_per_second,
            "requestsBurst": limits.requests_burst,
            "apiAccess": limits.api_access,
        },
    )
    return _back(visit, found, "The limits are set")


async def change_retention(visit: Visit) -> Response:
    """Set how long an account's data is kept: for less time than the deployment would."""
    found, form, settings = await asked(visit), await visit.form(), visit.runtime.settings
    most = {
        "media": settings.media_lifetime,
        "tasks": settings.task_lifetime,
        "uploads": settings.upload_lifetime,
    }
    read: dict[str, timedelta | None] = {}
    errors = {}
    for what, longest in most.items():
        try:
            read[what] = read_span(form[what])
            retention.require_allowed(what, read[what], longest)
        except InvalidRequest as error:
            errors[what] = _told(error, longest)
    if errors:
        return await _refused(visit, found, form, errors)
    await retention.set_lifetimes(
        visit.runtime.database,
        found.name,
        media=read["media"],
        task=read["tasks"],
        upload=read["uploads"],
    )
    await _note(visit, found, "retention", {what: form[what].strip() or None for what in most})
    return _back(visit, found, "It applies to what ends or is uploaded from now on")


def _told(error: InvalidRequest, longest: timedelta) -> str:
    if "lifetime" not in str(error):
        return str(error)
    return f"Between 1h and the deployment's {span_of(int(longest.total_seconds()))}"


async def change_hold(visit: Visit) -> Response:
    """Set or lift an account's legal hold."""
    found, form = await asked(visit), await visit.form()
    is_held = form["held"] == "1"
    await retention.set_hold(visit.runtime.database, found.name, is_held=is_held)
    await _note(visit, found, "hold" if is_held else "release", {})
    text = "Nothing of this account is deleted now" if is_held else "The legal hold is lifted"
    return _back(visit, found, text)


async def _note(visit: Visit, found: Listed, what: str, detail: Mapping[str, JSON]) -> None:
    await audit.note(
        visit.runtime.database,
        visit.actor,
        f"account.{what}",
        found.name,
        visit.now,
        account_id=found.id,
        detail=detail,
    )


async def _refused(visit: Visit, found: Listed, form: Form, errors: Mapping[str, str]) -> Response:
    filled = {name: form[name] for name in form}
    return await page(visit, found, 422, errors=errors, form=filled)


def _back(visit: Visit, found: Listed, toast: str) -> Response:
    return visit.go(f"/operator/accounts/{found.id}", toast)
