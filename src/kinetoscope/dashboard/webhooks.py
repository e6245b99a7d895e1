"""Webhooks: what signs them, a test, and what became of every delivery."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from kinetoscope.accounts import audit
from kinetoscope.api.callback import callback_issues, test_body
from kinetoscope.api.webhooks import DELIVERY_ID
from kinetoscope.dashboard import webhook_words as words
from kinetoscope.dashboard.addresses import number_of, query_of
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import Conflict, InvalidRequest, NotFound
from kinetoscope.kernel.ids import is_task_id
from kinetoscope.webhooks import log, outbox, secret
from kinetoscope.webhooks.log import Delivery, Filter
from kinetoscope.wiring import egress_of

ROWS = 20

SOON_S, LATER_S = 2, 20
"""How often rows that are pending are looked at: those whose next try is near, and the others."""
NEAR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page of deliveries: which were asked for, what there is, and when to look again."""

    state: str
    task_id: str
    task_problem: str
    deliveries: list[Delivery]
    address: str
    next_address: str
    poll_s: int | None

    @property
    def is_filtered(self) -> bool:
        """Whether there may be others."""
        return bool(self.state or self.task_id)


def mount(pages: Pages) -> None:
    """Add /webhooks and what is below it."""
    pages.add("GET", "/webhooks", "person", show)
    pages.add("GET", "/webhooks/deliveries", "person", deliveries)
    pages.add("GET", "/webhooks/deliveries/{id}", "person", delivery)
    pages.add("POST", "/webhooks/deliveries/{id}/again", "person", again)
    pages.add("POST", "/webhooks/secret", "owner", make_secret)
    pages.add("POST", "/webhooks/headers", "owner", choose_headers)
    pages.add("POST", "/webhooks/test", "owner", send_test)


async def show(visit: Visit) -> Response:
    """Show how webhooks work here, what signs them and what was delivered."""
    return await page(visit)


async def page(
    visit: Visit, status: int = 200, *, issued: str = "", url: str = "", problem: str = ""
) -> Response:
    """Show the page: with a secret that was just made, or with what is wrong with a test."""
    database, account_id = visit.runtime.database, visit.me.account_id
    return visit.render(
        "webhooks/webhooks.html",
        status,
        shown=await deliveries_shown(visit),
        states=log.STATES,
        secrets=await secret.valid(database, account_id, visit.now),
        preferences=await secret.preferences(database, account_id),
        issued=issued,
        url=url,
        problem=problem,
        words=words,
    )


async def deliveries(visit: Visit) -> Response:
    """Show the list of deliveries alone, for what looks at it again and again."""
    return visit.render(
        "webhooks/deliveries.html", shown=await deliveries_shown(visit), words=words
    )


async def deliveries_shown(visit: Visit) -> Shown:
    """Read what the address asks for, and find it."""
    state = visit.query("state") if visit.query("state") in log.STATES else ""
    task_id, before = visit.query("task").strip(), visit.query("before")
    is_good = not task_id or is_task_id(task_id)
    found: list[Delivery] = []
    if is_good:
        asked = Filter(
            task_id=task_id or None,
            state=state or None,
            before=number_of(before),
            limit=ROWS + 1,
        )
        found = await log.listing(visit.runtime.database, visit.me.account_id, asked)
    kept = {"state": state, "task": task_id}
    following = {**kept, "before": str(found[ROWS - 1].seq)} if len(found) > ROWS else {}
    return Shown(
        state=state,
        task_id=task_id,
        task_problem="" if is_good else "The id of a task looks like task_ and letters and digits",
        deliveries=found[:ROWS],
        address="/webhooks/deliveries" + query_of({**kept, "before": before}),
        next_address="/webhooks" + query_of(following) if following else "",
        poll_s=poll_s(found[:ROWS], visit.now),
    )


def poll_s(found: list[Delivery], now: datetime) -> int | None:
    """Return how soon to look again; None where nothing will change by itself."""
    pending = [each for each in found if each.state == "pending"]
    if not pending:
        return None
    times = [each.next_attempt_at for each in pending if each.next_attempt_at is not None]
    return SOON_S if not times or min(times) <= now + NEAR else LATER_S


async def delivery(visit: Visit) -> Response:
    """Show one delivery and its attempts."""
    database = visit.runtime.database
    found = await log.find(database, visit.me.account_id, _asked_id(visit))
    is_test = found.event_type == outbox.TEST_EVENT
    template = "webhooks/delivery_now.html" if visit.is_partial else "webhooks/delivery.html"
    return visit.render(
        template,
        delivery=found,
        attempts=await log.attempts(database, found.id),
        is_test=is_test,
        poll_s=poll_s([found], visit.now),
        words=words,
    )


async def again(visit: Visit) -> Response:
    """Deliver once more."""
    database, account_id = visit.runtime.database, visit.me.account_id
    sent = await log.redeliver(database, account_id, _asked_id(visit), visit.now)
    await audit.note(
        database,
        visit.actor,
        "webhook.redeliver",
        sent.id,
        visit.now,
        account_id=account_id,
        detail={"taskId": sent.task_id},
    )
    return visit.go(f"/webhooks/deliveries/{sent.id}", "Delivering again")


async def make_secret(visit: Visit) -> Response:
    """Make or replace the signing secret, and show it this once."""
    hours = (await visit.form())["overlap"]
    if hours not in words.OVERLAPS:
        raise InvalidRequest("Choose how long the secret before goes on counting")
    database, account_id = visit.runtime.database, visit.me.account_id
    overlap = timedelta(hours=int(hours))
    try:
        issued = await secret.issue(database, visit.runtime.sealer, account_id, overlap, visit.now)
    except InvalidRequest:
        text = "Four secrets are valid already. Wait until one has ended, or end them all at once."
        raise Conflict(text) from None
    await audit.note(
        database,
        visit.actor,
        "webhook.secret",
        f"…{issued.text.rstrip('=')[-4:]}",
        visit.now,
        account_id=account_id,
        detail={"overlapHours": int(hours)},
    )
    if not visit.is_partial:
        return await page(visit, issued=issued.text)
    return visit.render(
        "webhooks/secret.html",
        secrets=await secret.valid(database, account_id, visit.now),
        issued=issued.text,
        words=words,
    )


async def choose_headers(visit: Visit) -> Response:
    """Say whether the headers of kie.ai go along."""
    wanted = (await visit.form())["kie"] == "1"
    database, account_id = visit.runtime.database, visit.me.account_id
    await secret.prefer(database, account_id, kie_headers=wanted)
    await audit.note(
        database,
        visit.actor,
        "webhook.headers",
        visit.me.account_name,
        visit.now,
        account_id=account_id,
        detail={"kieHeaders": wanted},
    )
    toast = "kie.ai's headers go along now" if wanted else "kie.ai's headers are left out now"
    return visit.go("/webhooks", toast)


async def send_test(visit: Visit) -> Response:
    """Send a test event the way all others go, and show how that goes."""
    url = (await visit.form())["url"].strip()
    issues = callback_issues(egress_of(visit.runtime.settings), url, "url")
    if issues:
        return await page(visit, 422, url=url, problem=issues[0].message)
    database, account_id = visit.runtime.database, visit.me.account_id
    delivery_id, task_id = outbox.new_test_ids()
    body = test_body(task_id, visit.now)
    await outbox.put_test(database, account_id, task_id, url, body, visit.now)
    await audit.note(
        database, visit.actor, "webhook.test", delivery_id, visit.now, account_id=account_id
    )
    return visit.go(f"/webhooks/deliveries/{delivery_id}")


def _asked_id(visit: Visit) -> str:
    delivery_id = str(visit.request.path_params["id"])
    if not DELIVERY_ID.fullmatch(delivery_id):
        raise NotFound("Delivery not found")
    return delivery_id
