"""Every page is declared here: who may see it, and what every answer carries.

A page says `anyone`, `person`, `owner` or `operator`; there is no way to add one that does not, and
a test goes through all of them. What changes anything is taken only from pages of ours.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kinetoscope.accounts import sessions
from kinetoscope.api.auth import client_ip
from kinetoscope.api.direct import DirectApp
from kinetoscope.api.doors import Doors
from kinetoscope.api.envelope import GONE, INTERNAL, STATUS, retry_s
from kinetoscope.api.pace import keep_address_pace
from kinetoscope.dashboard import guard
from kinetoscope.dashboard.guard import SAFE, Who
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.wiring import Runtime

log = structlog.get_logger(__name__)

PageFunction = Callable[[Visit], Awaitable[Response]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing runs, and nothing is loaded, but from here."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer to a browser carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that was added. One that takes a file reads any body; the others read forms."""

    method: str
    path: str
    who: Who
    takes_file: bool


class Pages:
    """Adds pages to the app and remembers who may see them."""

    def __init__(self, doors: Doors, shared: dict[str, Any]) -> None:
        self.app: DirectApp = doors.app
        self.runtime: Runtime = doors.runtime
        self.limiter = doors.limiter
        self.shared = shared
        self.added: list[Page] = []

    def add(
        self,
        method: str,
        path: str,
        who: Who,
        function: PageFunction,
        *,
        takes_file: bool = False,
    ) -> None:
        """Add a page, or something that its forms and scripts ask for."""
        page = Page(method=method, path=path, who=who, takes_file=takes_file)

        async def shown(request: Request) -> Response:
            response = await self._answered(request, page, function)
            return self.finished(request, response)

        self.added.append(page)
        self.app.add_route(path, shown, methods=[method])

    async def _answered(self, request: Request, page: Page, function: PageFunction) -> Response:
        visit = self.stranger(request)
        try:
            await keep_address_pace(self.limiter, visit.client_ip)
            public_url = self.runtime.settings.public_url
            guard.require_readable(request)
            guard.require_host(request, public_url)
            if page.method not in SAFE:
                guard.require_own_page(request, public_url)
                guard.require_form(request, takes_file=page.takes_file)
            visit = await self.visit(request, visit)
            refusal = guard.require_who(visit, page.who)
            if refusal is None and page.method not in SAFE and not page.takes_file:
                guard.require_same_account(visit, await visit.form())
            return refusal or await function(visit)
        except KinetoscopeError as error:
            return error_page(visit, error)
        except ClientDisconnect:
            return Response(status_code=GONE)
        except Exception as error:
            log.error("page.broke", path=request.url.path, exc_info=error)  # noqa: TRY400
            return visit.render("shared/error.html", 500, code=500, message=INTERNAL)

    def stranger(self, request: Request) -> Visit:
        """Return a request before it is known whose it is."""
        settings = self.runtime.settings
        return Visit(
            request=request,
            visitor=None,
            client_ip=client_ip(request, settings.trusted_proxies),
            now=self.runtime.clock(),
            runtime=self.runtime,
            shared=self.shared,
        )

    async def visit(self, request: Request, stranger: Visit) -> Visit:
        """Find out who is asking."""
        token = request.cookies.get(cookie_name(self.runtime.settings.public_url))
        visitor = None
        if token:
            visitor = await sessions.visitor(self.runtime.database, token, stranger.now)
        return Visit(
            request=request,
            visitor=visitor,
            client_ip=stranger.client_ip,
            now=stranger.now,
            runtime=self.runtime,
            shared=self.shared,
        )

    def finished(self, request: Request, response: Response) -> Response:
        """Add what every answer carries; what a person sees is kept nowhere on the way."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        if self.runtime.settings.public_url.startswith("https://"):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.headers.get("sec-fetch-dest") == "iframe":
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


def cookie_name(public_url: str) -> str:
    """Return what the session's cookie is called; browsers bind `__Host-` to TLS and this host.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """
    return "__Host-kinetoscope" if public_url.startswith("https://") else "kinetoscope"


def error_page(visit: Visit, error: KinetoscopeError) -> Response:
    """Say what was wrong, in a page or in a note on the page that asked."""
    status = STATUS.get(type(error))
    message = str(error)
    if status is None:
        log.error("page.broke", path=visit.request.url.path, exc_info=error)
        status, message = 500, INTERNAL
    template = "shared/error_note.html" if visit.is_partial else "shared/error.html"
    response = visit.render(template, status, code=status, message=message)
    wait_s = retry_s(error)
    if wait_s is not None:
        response.headers["Retry-After"] = str(wait_s)
    return response
