"""A short way to the two functions that answer nearly all requests.

The framework's middleware, routing and argument handling cost a poll as much as its question to
the database (docs/performance.md). A direct route is found by one look-up and given the request as
it is; it is declared to the framework as well, for the description of the API and for whatever
the short way does not take.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from kinetoscope.api.envelope import answer_bug, answer_error, answer_gone
from kinetoscope.api.leftover import taking_leftovers
from kinetoscope.api.pace import telling
from kinetoscope.kernel.errors import KinetoscopeError

Lifespan = AbstractAsyncContextManager[None]
Function = Callable[[Request], Awaitable[Response]]


class DirectApp(FastAPI):
    """A FastAPI app with direct routes. It describes itself in `api/openapi.py`."""

    def __init__(
        self, *, title: str, version: str, lifespan: Callable[[FastAPI], Lifespan]
    ) -> None:
        # The framework's own documentation pages load scripts from elsewhere; we serve none.
        super().__init__(
            title=title,
            version=version,
            lifespan=lifespan,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            # A redirect would name a scheme and host that proxies have changed on the way.
            redirect_slashes=False,
        )
        self.direct: dict[tuple[str, str], Function] = {}

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the short way where there is one."""
        if scope["type"] == "http":
            path = scope["path"]
            if path.endswith("/") and path != "/":
                # Some clients write a slash behind a path; it means the same.
                scope = {**scope, "path": path.removesuffix("/")}
            receive, send = taking_leftovers(scope, receive, telling(scope, send))
            function = self.direct.get((scope["method"], scope["path"]))
            if function is not None:
                request = Request(scope, receive)
                response = await _respond(function, request)
                await response(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def add_direct_route(self, method: str, path: str, function: Function) -> None:
        """Route a method and an exact path to a function that takes the request alone."""
        self.direct[method, path] = function
        self.add_route(path, function, methods=[method])


async def _respond(function: Function, request: Request) -> Response:
    try:
        return await function(request)
    except KinetoscopeError as error:
        return await answer_error(request, error)
    except ClientDisconnect as error:
        return await answer_gone(request, error)
    except Exception as error:  # noqa: BLE001 - logged, and told in a sentence
        return await answer_bug(request, error)
