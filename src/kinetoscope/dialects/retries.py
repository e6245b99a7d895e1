"""Retries that clients count: what is sent again makes no second task, and no other is shown one's.

Clients made by Stainless, OpenAI's and Replicate's newer one among them, send a request again by
themselves, without an Idempotency-Key, and say how many times they have sent it before. The first
time makes a task however often the same was asked for; any other is shown the task of the latest
first time, since only its answer can have been lost: what was refused the first time is told not
to come again (see each dialect's `errors`). For how long is what the client says of its patience.

Two things nobody can tell apart: an answer that was lost, and a request that never arrived. Where
an equal request made a task within that time, whose own client has not come again for it, the
second is shown that one. Whoever cannot have that sends an Idempotency-Key.
https://github.com/openai/openai-python#retries
"""

import re
from datetime import timedelta

from starlette.requests import Request

from kinetoscope.dialects.door import Client
from kinetoscope.tasks.idempotency import LIFETIME, Once

COUNT = "x-stainless-retry-count"
TIMEOUTS = ("x-stainless-read-timeout", "x-stainless-timeout")
"""How many seconds a client waits for an answer, in Python and in JavaScript."""

COUNT_SHAPE = re.compile(r"[0-9]{1,2}")
SECONDS_SHAPE = re.compile(r"([0-9]{1,6})(\.[0-9]{1,9})?")

PAUSE = timedelta(seconds=15)
"""What clients pause at most between times, with what a network may take."""


def once(client: Client, dialect: str, digest: bytes, usual: timedelta) -> Once | None:
    """Return under which name a request is remembered; None for clients that do not count.

    `digest` is of what the request says, and `usual` is how long such clients wait for an answer
    unless told otherwise.
    """
    count = times_before(client.request)
    if count is None:
        return None
    patience = _stated_timeout(client.request) or usual
    return Once(
        # No Idempotency-Key begins with a space.
        key=f" {dialect} {client.caller.key_id} {digest.hex()}",
        body_sha256=digest,
        tries=count,
        lifetime=min(count * (patience + PAUSE), LIFETIME),
    )


def times_before(request: Request) -> int | None:
    """Return how many times a client says that it has sent a request before, if it counts."""
    stated = request.headers.get(COUNT, "")
    return int(stated) if COUNT_SHAPE.fullmatch(stated) else None


def is_first(request: Request) -> bool:
    """Whether nothing can have come of a request yet that another time of it could be shown."""
    return not times_before(request)


def is_recognised(request: Request) -> bool:
    """Whether a request that is sent again will be shown the task that it made."""
    return times_before(request) is not None or "idempotency-key" in request.headers


def _stated_timeout(request: Request) -> timedelta | None:
    stated = (request.headers.get(name, "") for name in TIMEOUTS)
    match = next((found for found in map(SECONDS_SHAPE.fullmatch, stated) if found), None)
    return None if match is None else timedelta(seconds=int(match[1]) + 1)
