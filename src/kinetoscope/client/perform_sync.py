"""Doing the steps of a call in this thread, with httpx.Client."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, assert_never

import httpx

from kinetoscope.client.steps import (
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


def perform(steps: Steps[Result], http: httpx.Client) -> Result:
    """Do all steps; return what they come to."""
    results: list[Result] = []
    for _ in iterate(steps, http, results.append):
        pass  # nobody listens
    return results[0]


def iterate(
    steps: Steps[Result], http: httpx.Client, done: Callable[[Result], None] = lambda _: None
) -> Iterator[Any]:
    """Do the steps as far as somebody iterates; tell `done` what they come to."""
    answer: Any = None
    error: Exception | None = None
    with ExitStack() as files, closing(steps):
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
                answer = _do(effect, http, files)
            except (httpx.HTTPError, httpx.InvalidURL) as failed:
                error = failed


def _do(effect: Send | Open | Read | Close | Pause, http: httpx.Client, files: ExitStack) -> object:
    match effect:
        case Send(request):
            with ExitStack() as body:
                return http.send(_built(http, request, body), follow_redirects=request.follow)
        case Open(request):
            built = _built(http, request, files)
            response = http.send(built, stream=True, follow_redirects=request.follow)
            files.enter_context(closing(response))
            return Stream(response, response.iter_bytes())
        case Read(stream):
            assert isinstance(stream.chunks, Iterator)  # noqa: S101 - opened above
            return next(stream.chunks, None)
        case Close(stream):
            stream.response.close()
            return None
        case Pause(delay_s):
            time.sleep(delay_s)
            return None
        case _:
            assert_never(effect)


def _built(http: httpx.Client, request: Request, files: ExitStack) -> httpx.Request:
    content = request.content
    return http.build_request(
        request.method,
        request.url,
        params=request.params or None,
        headers=request.headers,
        content=files.enter_context(content.open("rb")) if isinstance(content, Path) else content,
        timeout=timeout_for(http.timeout, request),
    )
