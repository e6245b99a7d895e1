"""Accounts: finding them, and everything an operator sees of one."""

from collections.abc import Mapping

from starlette.responses import Response

from kinetoscope.accounts import directory, keys
from kinetoscope.accounts.directory import Listed
from kinetoscope.dashboard.operator.finding import ROWS, asked_id, asked_text, rows_of
from kinetoscope.dashboard.operator.spans import span_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.ids import AccountId, random_base36
from kinetoscope.ledger.statement import statement
from kinetoscope.tasks import everywhere
from kinetoscope.tasks.everywhere import Asked

RECENT = 8

NOTHING: Mapping[str, str] = {}


def mount(pages: Pages) -> None:
    """Add /operator/accounts and the page of each."""
    pages.add("GET", "/operator/accounts", "operator", show)
    pages.add("GET", "/operator/accounts/{id}", "operator", account)


async def show(visit: Visit) -> Response:
    """List accounts, the newest first."""
    text, before = asked_text(visit, "q"), asked_text(visit, "before")
    found = await directory.accounts(
        visit.runtime.database, text, AccountId(before) if before else None, ROWS + 1
    )
    return visit.render(
        "operator/accounts.html",
        text=text,
        shown=rows_of(found, "/operator/accounts", {"q": text}, "id"),
        totals=await directory.totals(visit.runtime.database),
    )


async def account(visit: Visit) -> Response:
    """Show one account."""
    return await page(visit, await asked(visit))


async def asked(visit: Visit) -> Listed:
    """Return the account that the address names; raises NotFound."""
    account_id = AccountId(asked_id(visit))
    return await directory.account(visit.runtime.database, account_id)


async def page(
    visit: Visit,
    found: Listed,
    status: int = 200,
    *,
    errors: Mapping[str, str] = NOTHING,
    form: Mapping[str, str] = NOTHING,
) -> Response:
    """Show an account, and what is wrong with what was filled in."""
    database = visit.runtime.database
    stated = {
        "tasks_running_max": str(found.tasks_running_max),
        "requests_per_second": _text(found.requests_per_second),
        "requests_burst": _text(found.requests_burst),
        "media": span_of(found.media_lifetime_s),
        "tasks": span_of(found.task_lifetime_s),
        "uploads": span_of(found.upload_lifetime_s),
        "amount": "",
        "reason": "",
        "way": "give",
    }
    return visit.render(
        "operator/account.html",
        status,
        account=found,
        members=await directory.members_of(database, found.id),
        keys=await keys.listing(database, found.id),
        lines=await statement(database, found.id, None, RECENT),
        tasks=await everywhere.listing(database, Asked(account_id=found.id), RECENT),
        errors=errors,
        form={**stated, **form},
        token=random_base36(24),
    )


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
