"""A task's life so far, step by step: what happened when, and how long each step took. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kinetoscope.dashboard.render import lasted_text
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.story import Story
from kinetoscope.tasks.task import CANCELLED, Status

Mark = Literal["done", "now", "later", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `took` is the time since the one before; of the last one, so far."""

    mark: Mark
    title: str
    note: str = ""
    at: datetime | None = None
    took: str = ""


def timeline(record: Record, story: Story, position: int | None, now: datetime) -> tuple[Step, ...]:
    """Return what happened to a task, what happens now, and while it is open what is to come."""
    is_open = record.completed_at is None
    begun: list[tuple[str, str, datetime]] = [("Created", "", record.created_at)]
    if story.cached_from is None:
        if story.submit_started_at is not None:
            begun.append(("Submitted", "", story.submit_started_at))
        if story.started_at is not None and (is_open or story.started_at != record.completed_at):
            begun.append(("Generating", "", story.started_at))
    if is_open and story.cancel_requested_at is not None:
        begun.append(("Cancel asked for", "It may still succeed", story.cancel_requested_at))
    steps = []
    before = None
    for title, note, at in begun:
        since = "" if before is None else took(before, at)
        steps.append(Step(mark="done", title=title, note=note, at=at, took=since))
        before = at
    if is_open:
        return (*steps, *_to_come(record, story, position, now))
    return (*steps, _end(record, story, begun[-1][2]))


def _to_come(record: Record, story: Story, position: int | None, now: datetime) -> tuple[Step, ...]:
    stored = Step(mark="later", title="Stored")
    if record.status is Status.GENERATING:
        since = took(story.started_at or record.created_at, now)
        percent = record.progress_percent
        note = "" if percent is None else f"{percent}% done"
        return (Step(mark="now", title="Working on it", note=note, took=since), stored)
    since = took(story.submit_started_at or record.created_at, now)
    title = "With the provider" if story.submit_started_at else "In the queue"
    note = queue_note(position)
    waiting = Step(mark="now", title=title, note=note, took=since)
    return (waiting, Step(mark="later", title="Generating"), stored)


def _end(record: Record, story: Story, before: datetime) -> Step:
    assert record.completed_at is not None  # noqa: S101 - it has ended
    at, since = record.completed_at, took(before, record.completed_at)
    if record.status is Status.SUCCESS:
        if story.cached_from is not None:
            note = "Shows the media of an equal task"
            return Step(mark="done", title="Stored", note=note, at=at, took=since)
        return Step(mark="done", title="Stored", note="Media is ready", at=at, took=since)
    cancelled = record.failure is not None and record.failure.code == CANCELLED.code
    title = "Cancelled" if cancelled else "Failed"
    return Step(mark="bad", title=title, note="Nothing was charged", at=at, took=since)


def queue_note(position: int | None) -> str:
    """Say how many tasks are ahead."""
    if position is None:
        return ""
    if position == 0:
        return "Next in line"
    return f"{position} {'task' if position == 1 else 'tasks'} ahead"


def took(start: datetime, end: datetime) -> str:
    """Write how long something took; clocks that disagree make it no less than nothing."""
    return lasted_text(max(0.0, (end - start).total_seconds()))
