"""What a browser keeps for us for some minutes, sealed: whichever process is asked next reads it.

Nobody but us can read, change or make one; it opens for its own purpose only, and in time.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta

import orjson
from starlette.responses import Response

from kinetoscope.dashboard.pages import cookie_name
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import SettingInvalid

LIFETIME = timedelta(minutes=10)
TEXT_LENGTH_MAX = 4000
"""What a browser certainly keeps: https://www.rfc-editor.org/rfc/rfc6265#section-6.1"""


def keep(visit: Visit, response: Response, purpose: str, values: Mapping[str, str]) -> None:
    """Have the browser keep some values for one purpose."""
    ends_at = int((visit.now + LIFETIME).timestamp())
    text = orjson.dumps({"values": dict(values), "ends": ends_at}).decode()
    sealed = visit.runtime.sealer.seal(text, _context(purpose))
    response.set_cookie(
        _name(visit, purpose),
        base64.urlsafe_b64encode(sealed).decode(),
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=visit.runtime.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


def kept(visit: Visit, purpose: str) -> dict[str, str] | None:
    """Return what was kept, or None where nothing is that we kept just now."""
    text = visit.request.cookies.get(_name(visit, purpose), "")[:TEXT_LENGTH_MAX]
    try:
        sealed = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        read = orjson.loads(visit.runtime.sealer.unseal(sealed, _context(purpose)))
    except (SettingInvalid, binascii.Error, ValueError):
        return None
    if read["ends"] <= visit.now.timestamp():
        return None
    values: dict[str, str] = read["values"]
    return values


def forget(visit: Visit, response: Response, purpose: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        _name(visit, purpose),
        path="/",
        secure=visit.runtime.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


def _name(visit: Visit, purpose: str) -> str:
    return f"{cookie_name(visit.runtime.settings.public_url)}_{purpose}"


def _context(purpose: str) -> str:
    return f"kept in a browser for {purpose}"
