"""What all dialects share: a key in any of the headers that clients use, refusals in their words.

A dialect declares its routes as the native contract does, each with its scopes. Whatever goes
wrong, also what nobody anticipated, is told in the dialect's own shape: its clients read no other.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.auth import presented
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import INTERNAL, STATUS, retry_s
from kinetoscope.kernel.errors import KinetoscopeError, Unsupported
from kinetoscope.kernel.secrets import PresentedKey

log = structlog.get_logger(__name__)

SCHEMES = frozenset({"bearer", "key", "token"})
"""Most clients say Bearer, fal's say Key, Replicate's first ones said Token."""

EVERY_METHOD = ("DELETE", "GET", "PATCH", "POST", "PUT")


class Broken(KinetoscopeError):
    """Something that nobody anticipated; it was logged, and is told in a sentence."""

    def __init__(self) -> None:
        super().__init__(INTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who speaks: a request whose key has opened."""

    request: Request
    key: PresentedKey
    caller: Caller


Speak = Callable[[Client], Awaitable[Response]]
Refuse = Callable[[Request, KinetoscopeError], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A way to speak: its name, where it is spoken, and how it tells of an error.

    Paths are the same below each of the `prefixes`.
    """

    name: str
    prefixes: tuple[str, ...]
    refuse: Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Adds a dialect's routes."""

    doors: Doors
    dialect: Dialect

    def route(
        self, method: str, path: str, scopes: str | tuple[str, ...], speak: Speak, summary: str
    ) -> None:
        """Add a route below each prefix, for keys with a scope, or with all of several."""
        needed = (scopes,) if isinstance(scopes, str) else scopes

        async def admitted(request: Request) -> Response:
            return await speak(await self.admit(request, *needed))

        self._add(method, path, needed, admitted, summary)

    def admitting_itself(
        self,
        method: str,
        path: str,
        scopes: tuple[str, ...],
        function: Callable[[Request], Awaitable[Response]],
        summary: str,
    ) -> None:
        """Add a route below each prefix whose function calls `admit`; it needs the scopes."""
        self._add(method, path, scopes, function, summary)

    async def admit(
        self, request: Request, *scopes: str, authorization: str | None = None
    ) -> Client:
        """Return who speaks; raises Unauthenticated, RateLimited or Forbidden.

        `authorization` counts in the place of what the request brings for a key.
        """
        proxies = self.doors.runtime.settings.trusted_proxies
        key = presented(request, proxies, authorization or authorization_of(request))
        caller = await self.doors.admit_key(request, key, *scopes)
        return Client(request=request, key=key, caller=caller)

    def open(
        self,
        method: str,
        path: str,
        function: Callable[[Request], Awaitable[Response]],
        summary: str,
    ) -> None:
        """Add a route for everybody below each prefix."""
        self._add(method, path, (), function, summary)

    def refuse_the_rest(self, why: str) -> None:
        """Answer whatever else is asked for with 501. To be added after everything else."""

        async def unsupported(request: Request) -> Response:
            raise Unsupported(f"{request.method} {request.url.path}: {why}")

        for method in EVERY_METHOD:
            self.open(method, "/{rest:path}", unsupported, "Say what is not supported")

    def _add(
        self,
        method: str,
        path: str,
        scopes: tuple[str, ...],
        function: Callable[[Request], Awaitable[Response]],
        summary: str,
    ) -> None:
        operation = Operation(summary=summary, tag=self.dialect.name, described=False)

        async def told(request: Request) -> Response:
            try:
                return await function(request)
            except ClientDisconnect:
                raise
            except KinetoscopeError as error:
                if type(error) in STATUS:
                    return self.dialect.refuse(request, error)
                # A capability's own error: what it says may name paths and hosts of this machine.
                log.exception("request.broke", path=request.url.path)
            except Exception:
                log.exception("request.broke", path=request.url.path)
            return self.dialect.refuse(request, Broken())

        for prefix in self.dialect.prefixes:
            self.doors.declare(method, prefix + path, scopes, operation)
            self.doors.app.add_route(prefix + path, told, methods=[method])


def authorization_of(request: Request) -> str | None:
    """Return what a request brings for a key, in the form of our own header; None for nothing."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in SCHEMES:
        return f"Bearer {text}"
    other = request.headers.get("x-api-key")
    return f"Bearer {other}" if other else None


def status_of(error: KinetoscopeError) -> int:
    """Return the HTTP status that an error has in the native contract; 500 for what is broken."""
    return STATUS.get(type(error), 500)


def retry_headers(error: KinetoscopeError) -> dict[str, str]:
    """Return when it is worth trying again, where that is known."""
    wait_s = retry_s(error)
    return {} if wait_s is None else {"Retry-After": str(wait_s)}
