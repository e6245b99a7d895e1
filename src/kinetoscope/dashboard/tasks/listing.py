"""The list of an account's tasks; rows of open tasks follow what happens to them."""

from dataclasses import dataclass

from starlette.responses import Response

from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.tasks.filters import place_of, read_filters
from kinetoscope.dashboard.tasks.pieces import Piece, pieces_of
from kinetoscope.dashboard.tasks.timeline import took
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.ids import is_task_id
from kinetoscope.kernel.order import MediaKind
from kinetoscope.tasks import browse
from kinetoscope.tasks.browse import Line
from kinetoscope.tasks.task import Status

PAGE_TASKS = 25

STATUSES = {
    Status.WAITING: "Waiting",
    Status.GENERATING: "Generating",
    Status.SUCCESS: "Done",
    Status.FAIL: "Failed",
}


def mount(pages: Pages) -> None:
    """Add /tasks, and what its rows ask for while tasks are open."""
    pages.add("GET", "/tasks", "person", show)
    pages.add("GET", "/tasks/now", "person", now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task as the list shows it."""

    line: Line
    title: str
    kind: MediaKind
    piece: Piece | None
    took: str
    charge: str


async def show(visit: Visit) -> Response:
    """Show one page of the list."""
    runtime, account_id = visit.runtime, visit.me.account_id
    query = visit.request.query_params
    filters, place = read_filters(query), place_of(query)
    lines, behind = await browse.page(
        runtime.database, account_id, filters.sought(), place, PAGE_TASKS, visit.now
    )
    has_any = bool(lines) or await browse.has_any(runtime.database, account_id, visit.now)
    return visit.render(
        "tasks/list.html",
        rows=[row_of(visit, line) for line in lines],
        open_ids=[line.id for line in lines if line.is_open],
        filters=filters,
        has_any=has_any,
        is_first=place is None,
        older=filters.query(behind) if behind else "",
        newest=filters.query(),
        statuses=STATUSES,
        models=runtime.catalog.models,
        keys=await browse.keys_of(runtime.database, account_id),
    )


async def now(visit: Visit) -> Response:
    """Show how the open tasks of a page stand, and which of them are still open."""
    ids = visit.request.query_params.getlist("id")[:PAGE_TASKS]
    wanted = [task_id for task_id in ids if is_task_id(task_id)]
    lines = await browse.lines_of(visit.runtime.database, visit.me.account_id, wanted, visit.now)
    return visit.render(
        "tasks/rows_now.html",
        rows=[row_of(visit, line) for line in lines],
        open_ids=[line.id for line in lines if line.is_open],
    )


def row_of(visit: Visit, line: Line) -> Row:
    """Return a task as the list shows it."""
    model = visit.runtime.catalog.models_by_id.get(line.model)
    pieces = pieces_of(visit.runtime.signer, line.outputs, line.media_expires_at, visit.now)
    kind = model.kind if model else pieces[0].kind if pieces else MediaKind.VIDEO
    return Row(
        line=line,
        title=model.title if model else line.model,
        kind=kind,
        piece=pieces[0] if pieces else None,
        took=took(line.created_at, line.completed_at or visit.now),
        charge=charge_of(line),
    )


def charge_of(line: Line) -> str:
    """Return what became of a task's price, in a word."""
    if line.is_open:
        return "held" if line.price else "free"
    if not line.price:
        return "free"
    return "charged" if line.status == Status.SUCCESS else "not charged"
