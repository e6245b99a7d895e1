"""What every request of a browser must be before its page is asked: the dashboard's one guard."""

from typing import Literal
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.sessions import Visitor
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.addresses import read_address
from kinetoscope.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound

Who = Literal["anyone", "person", "owner", "operator"]

SAFE = frozenset({"GET", "HEAD"})

FORM = "application/x-www-form-urlencoded"

ACCOUNT = "_account"
"""Where the page's script writes down which account a form was shown for."""


def require_host(request: Request, public_url: str) -> None:
    """Refuse a name that is not this server's; raises Forbidden.

    Any site can have its own name lead here, and its page is then of the same origin: an address
    in numbers or this machine's own name it cannot take. https://en.wikipedia.org/wiki/DNS_rebinding
    """
    host = request.url.hostname or ""
    if host in {urlsplit(public_url).hostname, "localhost"} or read_address(host) is not None:
        return
    raise Forbidden(
        "This server is not known by that name; its operator sets KINETOSCOPE_PUBLIC_URL"
    )


def require_same_account(visit: Visit, form: Form) -> None:
    """Refuse a form that was shown while its person acted for another account; raises Conflict."""
    shown_for = form[ACCOUNT]
    if visit.visitor is not None and shown_for and shown_for != visit.visitor.account_id:
        raise Conflict(
            f"You act for {visit.visitor.account} now, and this page was for another account. "
            "Nothing was done: reload it."
        )


def require_own_page(request: Request, public_url: str) -> None:
    """Refuse what another site's page sends in a person's name; raises Forbidden.

    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        good = site == "same-origin"
    else:
        origin = urlsplit(request.headers.get("origin", ""))
        # The host is one of ours: that was looked at before.
        own = {urlsplit(public_url).netloc, request.headers.get("host", "")}
        good = origin.scheme in {"http", "https"} and origin.netloc in own
    if not good:
        raise Forbidden("This was sent from another site's page, and nothing was done")


def require_readable(request: Request) -> None:
    """Refuse an address that no database can look for; raises InvalidRequest."""
    if "\0" in request.scope["path"] or any("\0" in text for text in request.query_params.values()):
        raise InvalidRequest("This address cannot be read")


def require_form(request: Request, *, takes_file: bool) -> None:
    """Refuse a body that no form of ours sends; raises Forbidden."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if takes_file:
        # What a form of another site could send without being asked: https://fetch.spec.whatwg.org/
        if stated == "text/plain":
            raise Forbidden("Expected a file")
    elif stated not in {FORM, ""}:
        raise Forbidden(f"Expected a form ({FORM})")


def require_who(visit: Visit, who: Who) -> Response | None:
    """Lead strangers to the door, and refuse who may not see a page; raises Forbidden, NotFound."""
    if who == "anyone":
        return None
    visitor = visit.visitor
    if visitor is None:
        at = visit.request.url
        asked = at.path + (f"?{at.query}" if at.query else "")
        path = "/sign-in"
        if visit.request.method in SAFE and not visit.is_partial and asked != "/":
            path += f"?next={quote(asked)}"
        return visit.go(path)
    _require_role(visitor, who)
    return None


def _require_role(visitor: Visitor, who: Who) -> None:
    if who == "operator" and not visitor.is_operator:
        raise NotFound("There is no such page")
    if who == "owner" and not visitor.is_owner:
        raise Forbidden("Only an owner of this account may do that")
