"""Plays the steps of a call without pausing, over a network that loses and refuses."""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
from tests.conftest import Person, World
from typing_extensions import override

from kinetoscope.client import perform_async
from kinetoscope.client.steps import Emit, Pause, Result, Server, Steps

LOST = httpx.ReadError("the connection broke")


@dataclass
class Trouble(httpx.AsyncBaseTransport):
    """Stands in front of a server: it answers itself, loses a request, or loses its answer."""

    behind: httpx.AsyncBaseTransport
    instead: deque[httpx.Response | Exception] = field(default_factory=deque)
    answers_lost: int = 0
    requests: list[httpx.Request] = field(default_factory=list)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.instead:
            first = self.instead.popleft()
            if isinstance(first, Exception):
                raise first
            return first
        response = await self.behind.handle_async_request(request)
        if self.answers_lost:
            await response.aread()
            self.answers_lost -= 1
            raise LOST
        return response


@dataclass
class Played:
    """A world as a client reaches it; pauses are noted, and `meanwhile` happens in the next."""

    server: Server
    trouble: Trouble
    pauses_s: list[float] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, steps: Steps[Result]) -> Result:
        """Do all steps; return what they come to."""
        answer: object = None
        error: Exception | None = None
        async with httpx.AsyncClient(transport=self.trouble) as http:
            while True:
                try:
                    effect = steps.send(answer) if error is None else steps.throw(error)
                except StopIteration as stop:
                    result: Result = stop.value
                    return result
                answer = error = None
                if isinstance(effect, Pause):
                    self.pauses_s.append(effect.delay_s)
                    if self.meanwhile is not None:
                        await self.meanwhile()
                elif not isinstance(effect, Emit):
                    try:
                        async with AsyncExitStack() as files:
                            answer = await perform_async.do(effect, http, files)
                    except httpx.HTTPError as failed:
                        error = failed


def played(world: World, person: Person) -> Played:
    """Return a client's way to a world."""
    server = Server(url="http://kinetoscope.test", key=person.key, timeout_s=5, retries=4)
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    return Played(server, Trouble(transport))
