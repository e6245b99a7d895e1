"""Every route of the native contract is declared here: what it needs, and how it is described.

A route names its scopes or is open to everybody; there is no third way to add one, and a test
looks for routes that went round this. What it needs is checked before its function runs.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kinetoscope.accounts import opening, powers
from kinetoscope.accounts.opening import Caller
from kinetoscope.api.auth import KeysSeen, client_ip, presented
from kinetoscope.api.direct import DirectApp
from kinetoscope.api.intake import intake_of
from kinetoscope.api.pace import keep_address_pace, keep_pace, limiter_of
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime

Schema = Mapping[str, Any]
OpenFunction = Callable[[Request], Awaitable[Response]]
GuardedFunction = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """How a route is described in openapi.json.

    `parameters` are OpenAPI parameter objects; `body` and `answer` JSON Schemas of what is sent
    and of the 200 (`body_type`, `answer_type` if that is not JSON); `answers` further statuses and
    when they are given. 401, 403, 429 and 503 need no mention on routes with a scope. `headers` are
    those that an answer with a status carries here and nowhere else; `told_headers` has the others.
    What is not `described` is left out.
    """

    summary: str
    tag: str
    description: str = ""
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    body_required: bool = True
    body_type: str = "application/json"
    answer: Schema = field(default_factory=lambda: {"type": "object"})
    answer_type: str = "application/json"
    answers: Mapping[int, str] = field(default_factory=dict)
    headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    described: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A route that was added; without `scopes` it is open to everybody.

    One that is `live_only` changes what holds for the whole account: test keys are refused.
    """

    method: str
    path: str
    scopes: tuple[str, ...]
    live_only: bool
    operation: Operation


TellingOf = Callable[[Whole], Telling]
"""What a webhook tells of a task, in the words in which that was asked for."""


class Doors:
    """Adds routes to the app and remembers their declarations."""

    def __init__(
        self, app: DirectApp, runtime: Runtime, seen: KeysSeen, telling: TellingOf
    ) -> None:
        self.app = app
        self.runtime = runtime
        self.seen = seen
        self.telling = telling
        self.intake = intake_of(runtime)
        self.limiter = limiter_of(runtime)
        self.declared: list[Declared] = []

    def open(
        self,
        method: str,
        path: str,
        function: OpenFunction,
        operation: Operation,
        *,
        paced: bool = False,
    ) -> None:
        """Add a route for everybody; `paced` where it costs enough to be counted by address."""

        async def counted(request: Request) -> Response:
            proxies = self.runtime.settings.trusted_proxies
            await keep_address_pace(self.limiter, client_ip(request, proxies))
            return await function(request)

        self.declare(method, path, (), operation)
        self.app.add_route(path, counted if paced else function, methods=[method])

    def guarded(
        self,
        method: str,
        path: str,
        scopes: str | tuple[str, ...],
        function: GuardedFunction,
        operation: Operation,
        *,
        live_only: bool = False,
    ) -> None:
        """Add a route for keys with a scope, or with all of several."""
        needed = (scopes,) if isinstance(scopes, str) else scopes

        async def admitted(request: Request) -> Response:
            caller = await self.admit(request, *needed)
            if live_only:
                powers.require_live(caller.mode)
            return await function(request, caller)

        self.declare(method, path, needed, operation, live_only=live_only)
        self.app.add_route(path, admitted, methods=[method])

    def direct(
        self, method: str, path: str, scope: str, function: OpenFunction, operation: Operation
    ) -> None:
        """Add a route on the short way, whose one statement checks key and scope itself."""
        self.declare(method, path, (scope,), operation)
        self.app.add_direct_route(method, path, function)

    def app_at(
        self, method: str, path: str, scope: str, app: ASGIApp, operation: Operation
    ) -> None:
        """Add an ASGI app at one path; it calls `admit` itself."""
        self.declare(method, path, (scope,), operation)
        self.app.router.routes.append(Route(path, app, methods=[method]))

    async def admit(self, request: Request, *scopes: str) -> Caller:
        """Return who is asking; raises Unauthenticated, RateLimited or Forbidden."""
        key = presented(request, self.runtime.settings.trusted_proxies)
        return await self.admit_key(request, key, *scopes)

    async def admit_key(self, request: Request, key: PresentedKey, *scopes: str) -> Caller:
        """Do the same for a key that was read already."""
        await keep_pace(self.limiter, request, key)
        caller = await opening.authenticate(self.runtime.database, key, self.runtime.clock())
        for scope in scopes:
            opening.require(caller, scope)
        self.seen.add(caller.key_id)
        return caller

    def declare(
        self,
        method: str,
        path: str,
        scopes: tuple[str, ...],
        operation: Operation,
        *,
        live_only: bool = False,
    ) -> None:
        """Note a route that was added."""
        self.declared.append(
            Declared(
                method=method, path=path, scopes=scopes, live_only=live_only, operation=operation
            )
        )
