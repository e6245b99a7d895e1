"""Retries of OpenAI's clients: what is sent again makes no second task, what was refused makes one.

They send a request up to three times by themselves, without an Idempotency-Key, and say in
`x-stainless-retry-count` which time it is. The first time is remembered by the key and the body,
and makes a task, however often the same was asked for before. Any other time is shown the task of
the latest first one, whose answer was lost; unless the first time was refused, which the process
remembers that refused it.

Nobody can tell an answer that was lost from a request that never came. So who asks for the very
same again within minutes, and loses that request on the way, is shown the earlier task, which costs
nothing; and of equal requests that run at once, one that loses its answer may be shown another's.
Whoever cannot have that sends Idempotency-Keys. https://github.com/openai/openai-python#retries
"""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import Request

from kinetoscope.dialects.door import Client
from kinetoscope.tasks.idempotency import Once

COUNT = "x-stainless-retry-count"

ANSWERED_AT_ONCE = timedelta(minutes=11)
"""How long a request may come again that is answered at once: clients wait ten minutes for that."""

ANSWERED_AT_THE_END = timedelta(minutes=25)
"""How long one may that is answered when its task has ended: two such waits, and the pauses."""

REFUSED_S = 30.0
"""How long a refused one may take to come again, after the pause that it was told to make."""

REFUSED_MAX = 10_000


@dataclass(slots=True)
class Refused:
    """How many of a client's requests that look alike were refused, and when they count no more."""

    count: int
    until_s: float


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refused requests that are expected to come again; one for a process."""

    refused: OrderedDict[bytes, Refused] = field(default_factory=OrderedDict)

    def note(self, request: Request, pause_s: float) -> None:
        """Expect a refused request again after a pause: its next time counts as its first."""
        if request.headers.get(COUNT) != "0" and not getattr(request.state, "anew", False):
            return  # what came before it may have made a task
        name, now_s = _looks(request), asyncio.get_running_loop().time()
        known = self.refused.pop(name, None)
        count = known.count if known is not None and known.until_s > now_s else 0
        self.refused[name] = Refused(count + 1, now_s + pause_s + REFUSED_S)
        while len(self.refused) > REFUSED_MAX:
            self.refused.popitem(last=False)

    def once(self, client: Client, digest: bytes, lifetime: timedelta) -> Once | None:
        """Return under which name a request is remembered; None for clients that do not count."""
        request = client.request
        count = request.headers.get(COUNT)
        if count is None:
            return None
        request.state.anew = count != "0" and self._take(request)
        return Once(
            # No Idempotency-Key begins with a space.
            key=f" openai {client.caller.key_id} {digest.hex()}",
            body_sha256=digest,
            is_fresh=count == "0" or request.state.anew,
            lifetime=lifetime,
        )

    def _take(self, request: Request) -> bool:
        name, now_s = _looks(request), asyncio.get_running_loop().time()
        known = self.refused.get(name)
        if known is None or known.until_s <= now_s:
            return False
        known.count -= 1
        if known.count == 0:
            del self.refused[name]
        return True


def is_recognised(request: Request) -> bool:
    """Whether a request that is sent again will be shown the task that it made."""
    return COUNT in request.headers or "idempotency-key" in request.headers


def _looks(request: Request) -> bytes:
    """Return what a request and its repetition have in common that is known without its body."""
    headers = request.headers
    seen = (
        headers.get("authorization", ""),
        headers.get("x-api-key", ""),
        request.url.path,
        headers.get("content-length", ""),
    )
    return hashlib.sha256("\n".join(seen).encode()).digest()
