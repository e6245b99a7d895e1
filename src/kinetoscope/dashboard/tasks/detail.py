"""One task: what it made or why not, how it came about, what it cost, and who was told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.responses import Response

from kinetoscope.api.record import record_json
from kinetoscope.catalog.model import Model
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.tasks.advice import Advice, advice_for
from kinetoscope.dashboard.tasks.asked import Input, inputs_for_people, prompt_of
from kinetoscope.dashboard.tasks.pieces import Piece, pieces_of
from kinetoscope.dashboard.tasks.timeline import Step, queue_note, timeline
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.ids import TaskId
from kinetoscope.ledger.of_task import TaskEntry, entries_of
from kinetoscope.tasks import trace as traces
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.story import Story, story
from kinetoscope.tasks.trace import Trace
from kinetoscope.tasks.watch import Seen, seen
from kinetoscope.webhooks import log
from kinetoscope.webhooks.log import Attempt, Delivery, Filter

DELIVERIES = 20

SOON = timedelta(seconds=10)
"""A delivery that is due by then is waited for on the page."""

PARTS_OPEN = ("state", "result", "timeline", "credits", "facts", "webhooks", "raw")
"""What changes while a task is open, and when it ends."""

PARTS_ENDED = ("webhooks",)
"""What changes afterwards. The player is left alone."""


def mount(pages: Pages) -> None:
    """Add /tasks/{id}, and what it asks for while there may be news."""
    pages.add("GET", "/tasks/{task_id}", "person", show)
    pages.add("GET", "/tasks/{task_id}/now", "person", now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A webhook's delivery, with its attempts."""

    delivery: Delivery
    attempts: list[Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that the page shows of a task. `trace` is for operators."""

    record: Record
    story: Story
    model: Model | None
    prompt: str
    inputs: tuple[Input, ...]
    pieces: tuple[Piece, ...]
    advice: Advice | None
    queue: str
    steps: tuple[Step, ...]
    entries: list[TaskEntry]
    told: list[Told]
    trace: Trace | None
    raw: str
    is_open: bool
    is_live: bool

    @property
    def title(self) -> str:
        """What the task is called: its prompt, or else its model."""
        return self.prompt or self.model_title

    @property
    def model_title(self) -> str:
        """What the model is called."""
        return self.record.model if self.model is None else self.model.title


async def show(visit: Visit) -> Response:
    """Show a task."""
    return visit.render("tasks/detail.html", **shown(await view_of(visit)))


async def now(visit: Visit) -> Response:
    """Show how a task stands: the parts of the page in which there may be news."""
    view = await view_of(visit)
    was_open = visit.query("open") == "1"
    parts = PARTS_OPEN if was_open else PARTS_ENDED
    return visit.render("tasks/detail_now.html", **shown(view), parts=parts)


def shown(view: View) -> dict[str, Any]:
    """Return what the page's templates are given."""
    return {"view": view, "record": view.record, "story": view.story}


async def view_of(visit: Visit) -> View:
    """Gather what the page shows; raises NotFound for what is not the account's own."""
    runtime, account_id = visit.runtime, visit.me.account_id
    database, asked = runtime.database, visit.request.path_params["task_id"]
    about = await story(database, account_id, asked, visit.now)
    stands = await seen(database, account_id, about.id, visit.now)
    record = stands.record
    model = runtime.catalog.models_by_id.get(record.model)
    told = await _told(visit, about.id)
    trace = await traces.trace(database, about.id) if visit.me.is_operator else None
    return View(
        record=record,
        story=about,
        model=model,
        prompt=prompt_of(about.inputs),
        inputs=inputs_for_people(model, about.inputs, runtime.signer, visit.now),
        pieces=pieces_of(runtime.signer, record.output, record.media_expires_at, visit.now),
        advice=None if record.failure is None else advice_for(record.failure),
        queue=queue_note(stands.position),
        steps=timeline(record, about, stands.position, visit.now),
        entries=await entries_of(database, account_id, about.id),
        told=told,
        trace=trace,
        raw=_pretty(visit, record),
        is_open=not stands.has_ended,
        is_live=is_live(stands, told, visit.now),
    )


def is_live(stands: Seen, told: list[Told], at: datetime) -> bool:
    """Whether there may be news soon: from the task, or from those who are told of it."""
    return not stands.has_ended or any(
        each.delivery.state == "pending"
        and (each.delivery.next_attempt_at is None or each.delivery.next_attempt_at < at + SOON)
        for each in told
    )


async def _told(visit: Visit, task_id: TaskId) -> list[Told]:
    database = visit.runtime.database
    asked = Filter(task_id=task_id, state=None, before=None, limit=DELIVERIES)
    deliveries = await log.listing(database, visit.me.account_id, asked)
    return [
        Told(delivery=delivery, attempts=await log.attempts(database, delivery.id))
        for delivery in deliveries
    ]


def _pretty(visit: Visit, record: Record) -> str:
    return orjson.dumps(
        record_json(record, visit.runtime.signer), option=orjson.OPT_INDENT_2
    ).decode()
