"""Doing the steps of a call in an event loop, with httpx.AsyncClient."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, assert_never

import httpx

from kinetoscope.client.steps import (
    CHUNK_BYTES,
    Close,
    Emit,
    Open,
    Pause,
    Read,
    Request,
    Result,
    Send,
    Steps,
    Stream,
    timeout_for,
)


async def perform(steps: Steps[Result], http: httpx.AsyncClient) -> Result:
    """Do all steps; return what they come to."""
    results: list[Result] = []
    async for _ in iterate(steps, http, results.append):
        pass  # nobody listens
    return results[0]


async def iterate(
    steps: Steps[Result], http: httpx.AsyncClient, done: Callable[[Result], None] = lambda _: None
) -> AsyncIterator[Any]:
    """Do the steps as far as somebody iterates; tell `done` what they come to."""
    answer: Any = None
    error: Exception | None = None
    async with AsyncExitStack() as files:
        files.enter_context(closing(steps))
        while True:
            try:
                effect = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                done(stop.value)
                return
            answer = error = None
            if isinstance(effect, Emit):
                yield effect.value
                continue
            try:
                answer = await do(effect, http, files)
            except (httpx.HTTPError, httpx.InvalidURL) as failed:
                error = failed


async def do(
    effect: Send | Open | Read | Close | Pause, http: httpx.AsyncClient, files: AsyncExitStack
) -> object:
    """Do one effect; return what comes of it."""
    match effect:
        case Send(request):
            return await http.send(_built(http, request), follow_redirects=request.follow)
        case Open(request):
            response = await http.send(
                _built(http, request), stream=True, follow_redirects=request.follow
            )
            files.push_async_callback(response.aclose)
            return Stream(response, response.aiter_bytes())
        case Read(stream):
            assert isinstance(stream.chunks, AsyncIterator)  # noqa: S101 - opened above
            return await anext(stream.chunks, None)
        case Close(stream):
            await stream.response.aclose()
            return None
        case Pause(delay_s):
            await asyncio.sleep(delay_s)
            return None
        case _:
            assert_never(effect)


def _built(http: httpx.AsyncClient, request: Request) -> httpx.Request:
    content: bytes | AsyncIterator[bytes] | None
    headers = dict(request.headers)
    if isinstance(request.content, Path):
        content = _pieces(request.content)
        headers["Content-Length"] = str(request.content.stat().st_size)
    else:
        content = request.content
    return http.build_request(
        request.method,
        request.url,
        params=request.params or None,
        headers=headers,
        content=content,
        timeout=timeout_for(http.timeout, request),
    )


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """Read a file piece by piece; one from the page cache is quicker than a thread."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
