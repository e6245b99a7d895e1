"""Following a task by its Server-Sent Events, again after each break, and by asking if need be.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx

from kinetoscope.client.asking import (
    ODD,
    backoff_s,
    refused_stream,
    request_for,
    worth_repeating,
)
from kinetoscope.client.errors import about
from kinetoscope.client.jobs import JOBS, POLL_DELAY_S, get
from kinetoscope.client.steps import (
    Close,
    Emit,
    Pause,
    Request,
    Server,
    Steps,
    opened,
    read,
)
from kinetoscope.client.values import Task, Update, parse_json, task_from

SILENT_S = 45.0
"""The server tells every 15 seconds that it is still there."""

BREAKS_MAX = 3
"""Streams in a row that told nothing; from then on the task is asked for instead."""


class Events:
    """Reads a stream of events from the pieces in which it comes."""

    def __init__(self) -> None:
        self.rest = b""

    def read(self, chunk: bytes) -> Iterator[tuple[str, Any]]:
        """Return the events that are whole by now: their name, and their data."""
        whole, _, self.rest = (self.rest + chunk.replace(b"\r", b"")).rpartition(b"\n\n")
        for block in whole.split(b"\n\n"):
            fields: dict[str, str] = {}
            for line in block.decode(errors="replace").split("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            if "event" in fields and "data" in fields:
                yield fields["event"], parse_json(fields["data"])


class Followed:
    """What is known of a task, and whether there is news."""

    def __init__(self, task_id: str) -> None:
        self.now: Update = Update(task_id=task_id, status="waiting")
        self.told: Update | None = None

    def take(self, name: str, data: Mapping[str, Any]) -> None:
        """Learn from an event."""
        match name:
            case "state" if data["status"] == "waiting":
                self.now = replace(self.now, status="waiting")
            case "state" if data["status"] == "generating":  # an end is told by `end`
                self.now = replace(self.now, status="generating", position=None)
            case "queue":
                self.now = replace(self.now, position=data["position"])
            case "progress":
                self.now = replace(self.now, progress_percent=int(data["percent"]))
            case "end":
                self.learn(task_from(data))
            case _:
                pass  # of a later server

    def learn(self, task: Task) -> None:
        """Learn from a record."""
        self.now = Update(
            task_id=task.id,
            status=task.status,
            position=self.now.position if task.status == "waiting" else None,
            progress_percent=task.progress_percent,
            task=task if task.has_ended else None,
        )

    def news(self) -> Steps[None]:
        """Tell how the task stands, unless that was told before."""
        if self.now != self.told:
            self.told = self.now
            yield Emit(self.now)


def follow(server: Server, task_id: str) -> Steps[None]:
    """Tell whenever something happens to a task, until it has ended."""
    request = request_for(server, "GET", f"{JOBS}/taskEvents", read_s=SILENT_S)
    request = replace(
        request,
        params={"taskId": task_id},
        headers={**request.headers, "Accept": "text/event-stream"},
    )
    followed = Followed(task_id)
    breaks = 0
    with about(task_id):
        while breaks < BREAKS_MAX:
            heard = yield from _streamed(request, followed)
            if followed.now.task is not None:
                return
            breaks = 0 if heard else breaks + 1
            yield Pause(backoff_s(breaks))
        while followed.now.task is None:
            followed.learn((yield from get(server, task_id)))
            yield from followed.news()
            if followed.now.task is None:
                yield Pause(POLL_DELAY_S)


def _streamed(request: Request, followed: Followed) -> Steps[bool]:
    """Follow one stream to its end or break; return whether it told anything.

    Raises what the server refuses with, where asking again would not help.
    """
    heard = False
    stream = None
    try:
        stream = yield from opened(request)
        if not stream.response.is_success:
            refused = yield from refused_stream(stream)
            if not worth_repeating(refused):
                raise refused
            return False
        events = Events()
        while (chunk := (yield from read(stream))) is not None:
            for name, data in events.read(chunk):
                followed.take(name, data)
                # What cannot go on says `error`: no reason to connect again at once.
                heard = heard or name != "error"
            yield from followed.news()
            if followed.now.task is not None:
                break
    except (httpx.HTTPError, *ODD):
        pass
    if stream is not None:
        yield Close(stream)
    return heard
