"""Billing: the balance, what moved it, what was paid, and when to be told that it runs low."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from kinetoscope.accounts import accounts, alerts, audit
from kinetoscope.dashboard.addresses import number_of
from kinetoscope.dashboard.buying import is_open, pack_name, page_of
from kinetoscope.dashboard.csv_file import MEDIA_TYPE, attachment, csv_text
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.credits import Credits, format_credits, parse_credits
from kinetoscope.kernel.currency import price_text
from kinetoscope.kernel.ids import AccountId
from kinetoscope.ledger import payments
from kinetoscope.ledger.entry import EntryKind
from kinetoscope.ledger.statement import Line, statement, whole
from kinetoscope.postgres.pool import Database

PAGE = 25
PAYMENTS_MAX = 50
CSV_ROWS_AT_ONCE = 500

KINDS = {
    EntryKind.GRANT: "Granted",
    EntryKind.HOLD: "Held",
    EntryKind.CAPTURE: "Charged",
    EntryKind.RELEASE: "Given back",
}

REASONS = {
    "payment ": "Bought",
    "refund ": "Refunded",
    "dispute won ": "Dispute won",
    "dispute ": "Disputed",
}
"""What grants are called whose reason begins so."""

CSV_HEAD = (
    "id",
    "time",
    "kind",
    "task",
    "reason",
    "available",
    "held",
    "spent",
    "available_after",
    "held_after",
    "spent_after",
)


def mount(pages: Pages) -> None:
    """Add /billing, its file and its form."""
    pages.add("GET", "/billing", "person", show)
    pages.add("GET", "/billing.csv", "person", download)
    pages.add("POST", "/billing/alert", "owner", set_alert)


async def show(visit: Visit) -> Response:
    """Show everything about an account's credits."""
    return await billing_page(visit)


async def billing_page(
    visit: Visit, status: int = 200, *, below: str | None = None, error: str = ""
) -> Response:
    """Return the page; with what was filled in, and why it cannot be, where that is so."""
    database, settings, me = visit.runtime.database, visit.runtime.settings, visit.me
    kind, before = read_kind(visit), visit.query("before")
    lines = await statement(
        database,
        me.account_id,
        number_of(before),
        PAGE + 1,
        kind,
    )
    low = await alerts.of_account(database, me.account_id)
    stated = "" if low.below is None else format_credits(low.below)
    paid = await payments.listing(database, me.account_id, visit.now, PAYMENTS_MAX)
    return visit.render(
        "billing/billing.html",
        status,
        account=await accounts.by_id(database, me.account_id),
        low=low,
        below=stated if below is None else below,
        error=error,
        lines=[(line, told(line)) for line in lines[:PAGE]],
        older=lines[PAGE - 1].id if len(lines) > PAGE else None,
        is_first=not before,
        kind=kind or "",
        kinds=[(each.value, title) for each, title in KINDS.items()],
        packs=[
            (pack, pack_name(pack), price_text(pack.price_minor, settings.currency))
            for pack in settings.credit_packs
        ],
        is_open=is_open(settings),
        payments=[
            (payment, page_of(payment), price_text(payment.amount_minor, payment.currency))
            for payment in paid
        ],
    )


def read_kind(visit: Visit) -> str | None:
    """Return which entries alone are asked for, if any."""
    kind = visit.query("kind")
    return kind if kind in set(EntryKind) else None


def told(line: Line) -> str:
    """Say what an entry of the ledger was, in a word or two."""
    if line.kind == EntryKind.GRANT:
        for words, title in REASONS.items():
            if line.reason.startswith(words):
                return title
        return "Granted" if line.available >= 0 else "Taken back"
    return KINDS[EntryKind(line.kind)]


async def set_alert(visit: Visit) -> Response:
    """Set below which balance people are told; nothing is filled in to be told no more."""
    text = (await visit.form())["below"].strip()
    below: Credits | None = None
    if text:
        try:
            below = parse_credits(text)
        except ValueError:
            below = Credits(-1)
        if below < 0:
            error = "Enter an amount such as 500, or nothing."
            return await billing_page(visit, 422, below=text, error=error)
    await alerts.tell_below(visit.runtime.database, visit.me.account_id, below)
    await audit.note(
        visit.runtime.database,
        visit.actor,
        "account.alert",
        visit.me.account_name,
        visit.now,
        account_id=visit.me.account_id,
        detail={"below": None if below is None else format_credits(below)},
    )
    toast = "No alert any more" if below is None else f"Alert below {format_credits(below)} credits"
    return visit.go("/billing", toast)


async def download(visit: Visit) -> Response:
    """Send the whole ledger as a file, oldest first."""
    return StreamingResponse(
        _csv(visit.runtime.database, visit.me.account_id, read_kind(visit)),
        headers=attachment(f"ledger-{visit.now:%Y-%m-%d}.csv"),
        media_type=MEDIA_TYPE,
    )


async def _csv(database: Database, account_id: AccountId, kind: str | None) -> AsyncIterator[str]:
    rows: list[tuple[object, ...]] = [CSV_HEAD]
    async for line in whole(database, account_id):
        if kind is None or line.kind == kind:
            rows.append(_csv_row(line))
        if len(rows) >= CSV_ROWS_AT_ONCE:
            yield csv_text(rows)
            rows = []
    yield csv_text(rows)


def _csv_row(line: Line) -> tuple[object, ...]:
    amounts = (
        line.available,
        line.held,
        line.spent,
        line.available_after,
        line.held_after,
        line.spent_after,
    )
    return (
        line.id,
        line.created_at.isoformat(timespec="milliseconds"),
        line.kind,
        line.task_id or "",
        line.reason,
        *map(format_credits, amounts),
    )
