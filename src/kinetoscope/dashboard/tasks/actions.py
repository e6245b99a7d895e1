"""What somebody does about a task: have it ended, tell of it again, delete what is known of it."""

from starlette.responses import Response

from kinetoscope.accounts import audit
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import NotFound
from kinetoscope.tasks import cancel as cancelling
from kinetoscope.tasks import delete as deleting
from kinetoscope.tasks.story import Story, story
from kinetoscope.webhooks import log
from kinetoscope.wiring import lifetimes_of, reaper_of


def mount(pages: Pages) -> None:
    """Add the buttons of a task's page."""
    pages.add("POST", "/tasks/{task_id}/cancel", "person", cancel)
    pages.add("POST", "/tasks/{task_id}/delete", "person", delete)
    pages.add("POST", "/tasks/{task_id}/deliveries/{delivery_id}", "person", redeliver)


async def cancel(visit: Visit) -> Response:
    """End a task, or ask for its end."""
    about = await _own(visit)
    runtime, account_id = visit.runtime, visit.me.account_id
    done = await cancelling.cancel(
        runtime.database,
        lifetimes_of(runtime.settings),
        account_id,
        about.id,
        visit.now,
        mode=about.mode,
    )
    toast = "It had ended already"
    if done.cancelled or done.requested:
        await audit.note(
            runtime.database,
            visit.actor,
            "task.cancel",
            about.id,
            visit.now,
            account_id=account_id,
        )
        toast = "Cancelled" if done.cancelled else "Cancelling; it may still succeed"
    return visit.go(f"/tasks/{about.id}", toast)


async def delete(visit: Visit) -> Response:
    """Remove a task's data and its files."""
    about = await _own(visit)
    account_id = visit.me.account_id
    await deleting.delete(reaper_of(visit.runtime), account_id, about.id, mode=about.mode)
    await audit.note(
        visit.runtime.database,
        visit.actor,
        "task.delete",
        about.id,
        visit.now,
        account_id=account_id,
    )
    return visit.go("/tasks", "The task's data is deleted")


async def redeliver(visit: Visit) -> Response:
    """Send a webhook of this task once more."""
    about = await _own(visit)
    database, account_id = visit.runtime.database, visit.me.account_id
    delivery_id = visit.request.path_params["delivery_id"]
    delivery = await log.find(database, account_id, delivery_id)
    if delivery.task_id != about.id:
        raise NotFound("Delivery not found")
    await log.redeliver(database, account_id, delivery_id, visit.now)
    await audit.note(
        database,
        visit.actor,
        "webhook.redeliver",
        delivery_id,
        visit.now,
        account_id=account_id,
        detail={"taskId": about.id},
    )
    return visit.go(f"/tasks/{about.id}#webhooks", "On its way again")


async def _own(visit: Visit) -> Story:
    """Return the task of the address; raises NotFound for what is not the account's own."""
    asked = visit.request.path_params["task_id"]
    return await story(visit.runtime.database, visit.me.account_id, asked, visit.now)
