"""Headers of answers that clients may heed: what each says, and which answers carry it."""

from collections.abc import Mapping
from typing import Any

from kinetoscope.api.doors import Declared


def _header(description: str, example: object, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind, "examples": [example]}}


RATE = "RateLimit"
POLICY = "RateLimit-Policy"
RETRY = "Retry-After"
REPLAYED = "Idempotent-Replayed"
CHALLENGE = "WWW-Authenticate"
TAG = "ETag"
KEEP = "Cache-Control"
RANGE = "Content-Range"
RANGES = "Accept-Ranges"
LOCATION = "Location"

HEADERS: Mapping[str, dict[str, Any]] = {
    RATE: _header(
        "How many requests may still come at once (`r`), and in how many seconds all will be back, "
        "or one, where none is left (`t`); of the account's keys of this mode, and of the key "
        "itself where it has a pace of its own. Absent where the operator sets no limit.",
        '"account";r=99;t=1',
    ),
    POLICY: _header(
        "How many requests may come at once (`q`), all over again every so many seconds (`w`)",
        '"account";q=100;w=2',
    ),
    RETRY: _header(
        "In how many seconds to ask again; where it is absent, nobody knows", 2, "integer"
    ),
    REPLAYED: _header(
        "`true` where an earlier request with this Idempotency-Key made the task; otherwise absent",
        "true",
    ),
    CHALLENGE: _header("`Bearer`: send the key as a bearer token", "Bearer"),
    TAG: _header("Send it in If-None-Match to hear whether anything has changed", '"5f0c1e8a"'),
    KEEP: _header("For how long this may be kept", "public, max-age=300"),
    RANGE: _header("Which bytes these are, of how many", "bytes 0-1023/4096"),
    RANGES: _header("`bytes`: parts may be asked for with Range", "bytes"),
    LOCATION: _header("Where to go on", "/models/seedance-20"),
}

OF_STATUS = {206: (RANGE,), 307: (LOCATION,), 401: (CHALLENGE,), 416: (RANGE,)}
RETRIED = frozenset({429, 503})
KEPT = frozenset({200, 206, 304})


def headers_of(route: Declared, status: int) -> tuple[str, ...]:
    """Name the headers that a route's answer with a status may carry."""
    named = list(OF_STATUS.get(status, ()))
    if route.scopes and status != 401:  # noqa: PLR2004 - a key that does not open has no pace
        named += [POLICY, RATE]
    if status in RETRIED:
        named.append(RETRY)
    if 304 in route.operation.answers and status in KEPT:  # noqa: PLR2004 - "it has not changed"
        named += [TAG, KEEP]
    if 206 in route.operation.answers and status in KEPT:  # noqa: PLR2004 - "a part of it"
        named.append(RANGES)
    return (*named, *route.operation.headers.get(status, ()))
