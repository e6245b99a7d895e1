"""The ASGI app: mounts the doors, maps errors, opens and closes what they need."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from kinetoscope import __version__, engine
from kinetoscope.api import (
    account,
    cancel,
    deletion,
    discovery,
    estimate,
    guides,
    health,
    jobs,
    keys,
    listing,
    media,
    model_text,
    models,
    openapi,
    stripe,
    uploads,
    upstream,
    verify,
    watch,
    webhooks,
)
from kinetoscope.api.auth import KeysSeen
from kinetoscope.api.direct import DirectApp
from kinetoscope.api.doors import Doors
from kinetoscope.api.envelope import answer, answer_bug, answer_error, answer_gone
from kinetoscope.dashboard import door as people
from kinetoscope.dialects import section as dialects
from kinetoscope.dialects.telling import telling
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.lifeline import end_with_parent
from kinetoscope.kernel.log import configure_logging
from kinetoscope.mcp import door as agents
from kinetoscope.settings import load_settings
from kinetoscope.wiring import API_PATIENCE_S, Runtime, build_runtime, claim_database

DOORS = (
    jobs.mount,
    estimate.mount,
    cancel.mount,
    listing.mount,
    watch.mount,
    deletion.mount,
    uploads.mount,
    media.mount,
    verify.mount,
    webhooks.mount,
    account.mount,
    keys.mount,
    upstream.mount,
    stripe.mount,
    health.mount,
    models.mount,
    model_text.mount,
    guides.mount,
    openapi.mount,
    discovery.mount,
    agents.mount,
    dialects.mount,
    people.mount,
)

STOPS_SOON = signal.SIGUSR1
"""Tells a server process that it is about to be stopped: Granian hears SIGTERM alone."""

KEYS_SEEN_DELAY_S = 30
GARBAGE_THRESHOLD = 20_000

NO_SUCH_METHOD = 405


def create_app(runtime: Runtime) -> FastAPI:
    """Put the doors together over one runtime."""
    seen = KeysSeen()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async def note() -> None:
            await seen.write_down(runtime.database, runtime.clock())

        app.state.loop = asyncio.get_running_loop()
        await runtime.database.open()
        try:
            await claim_database(runtime)
            noting = asyncio.create_task(engine.every(KEYS_SEEN_DELAY_S, note))
            listening = asyncio.create_task(runtime.watch.listener.run())
            yield
            for task in (noting, listening):
                task.cancel()
            await asyncio.wait([noting, listening])
            await note()
        finally:
            await runtime.database.close()

    app = DirectApp(title="Kinetoscope", version=__version__, lifespan=lifespan)
    doors = Doors(app, runtime, seen, partial(telling, runtime))
    for door in DOORS:
        door(doors)
    app.state.declared = doors.declared
    app.add_exception_handler(KinetoscopeError, answer_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(ClientDisconnect, answer_gone)
    app.add_exception_handler(Exception, answer_bug)
    return app


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if error.status_code != NO_SUCH_METHOD:
        page = await people.answer_nowhere(request)
        return page or answer({"message": error.detail}, error.status_code, error.headers)
    allow = {"Allow": ", ".join(methods_at(request))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    return answer({"message": error.detail}, error.status_code, allow)


def methods_at(request: Request) -> list[str]:
    """Return the methods a path has; the router itself names only those of its first route."""
    found = {"OPTIONS"}
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def app_from_environment(parent_pid: int) -> FastAPI:
    """Build the app in a server process; the database's address is in the environment.

    `parent_pid` names the process that it ends with.
    """
    # Until Granian sets its own, these are handled as in the process that this was forked from,
    # by noting a stop for a loop that does not run here: they would be lost.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)
    end_with_parent(parent_pid, signal.SIGKILL)
    settings = load_settings()
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    runtime = build_runtime(settings, settings.database_url, patience_s=API_PATIENCE_S)
    app = create_app(runtime)
    app.state.loop = None

    def close(_number: int, _frame: object) -> None:
        if app.state.loop is not None:
            app.state.loop.call_soon_threadsafe(runtime.watch.close)

    signal.signal(STOPS_SOON, close)
    # What start-up made stays for good; the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    return app
