"""One request of a person's browser: who it is, what was filled in, and how it is answered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from typing_extensions import override

from kinetoscope.accounts.audit import Actor
from kinetoscope.accounts.sessions import Visitor
from kinetoscope.api.body import read_body
from kinetoscope.dashboard.render import html_response, rendered
from kinetoscope.kernel.errors import InvalidRequest
from kinetoscope.wiring import Runtime

FORM_BYTES_MAX = 256 * 1024
FIELDS_MAX = 400

TOAST_COOKIE = "kinetoscope_toast"
TOAST_LENGTH_MAX = 200

SEE_OTHER = 303


class Form(Mapping[str, str]):
    """What was filled in; a field that was left out reads as empty."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self.values_by_name = values

    @override
    def __getitem__(self, name: str) -> str:
        """Return the first value of a field."""
        return self.values_by_name.get(name, [""])[0]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    @override
    def __len__(self) -> int:
        return len(self.values_by_name)

    def all(self, name: str) -> list[str]:
        """Return all values of a field, without empty ones."""
        return [value for value in self.values_by_name.get(name, []) if value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request. `visitor` is None where nobody is signed in."""

    request: Request
    visitor: Visitor | None
    client_ip: str | None
    now: datetime
    runtime: Runtime
    shared: Mapping[str, Any] = field(default_factory=dict)
    """What every template is given."""

    @property
    def me(self) -> Visitor:
        """Who is signed in; for pages that nobody else gets to see."""
        assert self.visitor is not None  # noqa: S101 - the page says who may see it
        return self.visitor

    @property
    def actor(self) -> Actor:
        """Who the audit log says did it."""
        return Actor(person_id=self.me.person_id, name=self.me.email, client_ip=self.client_ip)

    @property
    def is_partial(self) -> bool:
        """Whether a script asks for a piece of a page."""
        return self.request.headers.get("hx-request") == "true"

    def query(self, name: str) -> str:
        """Return a part of the address's query, or nothing."""
        return self.request.query_params.get(name, "")

    async def form(self) -> Form:
        """Read what was filled in, once; raises InvalidRequest or BodyTooLarge."""
        read: Form | None = getattr(self.request.state, "form", None)
        if read is None:
            read = self.request.state.form = await self._read_form()
        return read

    async def _read_form(self) -> Form:
        body = await read_body(self.request, FORM_BYTES_MAX)
        try:
            values = parse_qs(
                body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
            )
        except ValueError:
            raise InvalidRequest("The form cannot be read") from None
        if any("\0" in value for each in values.values() for value in each):
            raise InvalidRequest("The form cannot be read")  # nor can a database keep it
        return Form(values)

    def render(self, template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401
        """Answer with a page or a piece of one."""
        toast = unquote(self.request.cookies.get(TOAST_COOKIE, ""))[:TOAST_LENGTH_MAX]
        if self.is_partial:
            toast = ""
        given = {
            **self.shared,
            "visitor": self.visitor,
            "now": self.now,
            "settings": self.runtime.settings,
            "path": self.request.url.path,
            "toast": toast,
            **values,
        }
        accepts = self.request.headers.get("accept-encoding", "")
        response = html_response(rendered(template, given), status, accepts)
        if toast:
            response.delete_cookie(TOAST_COOKIE, path="/")
        return response

    def go(self, path: str, toast: str = "") -> Response:
        """Lead to another page, which says what was done."""
        response: Response
        if self.is_partial:
            response = Response(headers={"HX-Redirect": path})
        else:
            response = RedirectResponse(path, SEE_OTHER)
        if toast:
            response.set_cookie(
                TOAST_COOKIE, quote(toast), max_age=30, path="/", samesite="lax", httponly=True
            )
        return response


def safe_path(text: str, otherwise: str) -> str:
    """Return where to go next if it lies on this server, else `otherwise`."""
    if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable():
        return text
    return otherwise
