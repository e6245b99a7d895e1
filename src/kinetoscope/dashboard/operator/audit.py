"""The audit log: what people and operators did, and whether anything of it is missing."""

import orjson
from starlette.responses import Response

from kinetoscope.accounts import audit, directory
from kinetoscope.accounts.audit import AuditEntry
from kinetoscope.dashboard.addresses import number_of
from kinetoscope.dashboard.operator.finding import ROWS, asked_text, rows_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId


def mount(pages: Pages) -> None:
    """Add /operator/audit and the check of its chain."""
    pages.add("GET", "/operator/audit", "operator", show)
    pages.add("POST", "/operator/audit/check", "operator", check)


async def show(visit: Visit) -> Response:
    """List what was done, the latest first."""
    return await page(visit)


async def page(visit: Visit, *, checked: bool = False, broken: int | None = None) -> Response:
    """Show the log, and what a check of it has just found."""
    database = visit.runtime.database
    text, before = asked_text(visit, "account"), asked_text(visit, "before")
    account = None
    if text:
        try:
            account = await directory.account(database, AccountId(text))
        except NotFound:
            named = await directory.accounts(database, text, None, 1)
            account = named[0] if named else None
    found: list[AuditEntry] = []
    if account is not None or not text:
        found = await audit.listing(
            database,
            None if account is None else account.id,
            number_of(before),
            ROWS + 1,
        )
    return visit.render(
        "operator/audit.html",
        text=text,
        account=account,
        shown=rows_of(found, "/operator/audit", {"account": text}, "id"),
        names=await directory.names(
            database, [entry.account_id for entry in found if entry.account_id is not None]
        ),
        detail_of=detail_of,
        checked=checked,
        broken=broken,
    )


def detail_of(entry: AuditEntry) -> str:
    """Write an entry's detail on a line; nothing where it has none."""
    return ", ".join(f"{name}: {_text(value)}" for name, value in entry.detail.items())


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


async def check(visit: Visit) -> Response:
    """Follow the chain from the first entry to the last."""
    broken = await audit.first_broken(visit.runtime.database)
    if visit.is_partial:
        return visit.render("operator/chain.html", checked=True, broken=broken)
    return await page(visit, checked=True, broken=broken)
