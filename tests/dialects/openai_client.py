"""OpenAI's own client in front of the app in this process, over a line that loses answers."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from openai import AsyncOpenAI
from tests.conftest import Person, World
from typing_extensions import override

Fate = Callable[[httpx.Request], httpx.Response | None]
"""What becomes of a request before it arrives: an answer in its place, or None to let it pass."""


class Line(httpx.AsyncBaseTransport):
    """A line to the app. The next answers of POSTs go `lost` after the app has given them.

    `seen` are requests as method, path and status, None where the answer was lost.
    """

    def __init__(self, world: World) -> None:
        self.inner = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
        self.lost = 0
        self.fates: deque[Fate] = deque()
        self.seen: list[tuple[str, str, int | None]] = []

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = self.fates.popleft()(request) if self.fates else None
        if response is None:
            response = await self.inner.handle_async_request(request)
        if self.lost and request.method == "POST":
            self.lost -= 1
            await response.aread()
            self.seen.append((request.method, request.url.path, None))
            raise httpx.ReadError("the answer was lost", request=request)
        self.seen.append((request.method, request.url.path, response.status_code))
        return response

    @property
    def posts(self) -> list[int | None]:
        """The statuses of what was posted."""
        return [status for method, _path, status in self.seen if method == "POST"]


@asynccontextmanager
async def speaking(
    world: World, person: Person, *, prefix: str = "/openai/v1"
) -> AsyncIterator[tuple[AsyncOpenAI, Line]]:
    """Lend a client as its makers publish it, with the retries that it makes by default."""
    line = Line(world)
    async with httpx.AsyncClient(transport=line) as http_client:
        yield (
            AsyncOpenAI(
                api_key=person.key,
                base_url=f"http://kinetoscope.test{prefix}",
                http_client=http_client,  # type: ignore[arg-type]  # it takes the older one too
            ),
            line,
        )
