"""Tasks of all accounts: finding them, and who was asked to make one."""

from starlette.responses import Response

from kinetoscope.accounts import accounts, directory
from kinetoscope.accounts.directory import Listed
from kinetoscope.dashboard.operator.finding import ROWS, asked_id, asked_text, rows_of
from kinetoscope.dashboard.operator.routing import decisions_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.providers.cost import format_usd
from kinetoscope.tasks import everywhere
from kinetoscope.tasks.everywhere import Asked
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.trace import trace

FILTERS = ("account", "status", "provider", "id")


def mount(pages: Pages) -> None:
    """Add /operator/tasks and the page of each."""
    pages.add("GET", "/operator/tasks", "operator", show)
    pages.add("GET", "/operator/tasks/{id}", "operator", task)


async def show(visit: Visit) -> Response:
    """List tasks, the newest first."""
    asked = {name: asked_text(visit, name) for name in FILTERS}
    runtime = visit.runtime
    account = await _account(visit, asked["account"])
    found = []
    if account is not None or not asked["account"]:
        found = await everywhere.listing(
            runtime.database,
            Asked(
                account_id=None if account is None else account.id,
                status=asked["status"] or None,
                provider=asked["provider"] or None,
                task_id=asked["id"] or None,
                before=asked_text(visit, "before") or None,
            ),
            ROWS + 1,
        )
    return visit.render(
        "operator/tasks.html",
        asked=asked,
        account=account,
        statuses=[status.value for status in Status],
        providers=sorted(runtime.routes.queues),
        shown=rows_of(found, "/operator/tasks", asked, "id"),
    )


async def _account(visit: Visit, asked: str) -> Listed | None:
    """Return the account that an id or a whole name stands for."""
    if not asked:
        return None
    database = visit.runtime.database
    try:
        return await directory.account(database, AccountId(asked))
    except NotFound:
        pass
    try:
        named = await accounts.by_name(database, asked)
    except NotFound:
        return None
    return await directory.account(database, named.id)


async def task(visit: Visit) -> Response:
    """Show who was asked to make a task, why, and what became of it."""
    database = visit.runtime.database
    found = await trace(database, asked_id(visit))
    if found is None:
        raise NotFound("Nothing is known of this task, or it was deleted")
    cost = found.upstream_cost_usd_micros
    return visit.render(
        "operator/task.html",
        task=found,
        account=await accounts.by_name(database, found.account),
        queue=visit.runtime.routes.queues.get(found.provider, ""),
        cost="" if cost is None else f"${format_usd(cost)}",
        decisions=decisions_of(found.routing),
    )
