"""Stretches of time as operators write them: `12h`, `7d`. Pure."""

import re
from datetime import timedelta

from kinetoscope.kernel.errors import InvalidRequest

SPAN = re.compile(r"([0-9]{1,6})\s*([hd])")

UNITS_S = {"h": 3600, "d": 86400}


def read_span(text: str) -> timedelta | None:
    """Read `12h` or `7d`; nothing is None, for the deployment's own. Raises InvalidRequest."""
    stripped = text.strip().lower()
    if not stripped:
        return None
    match = SPAN.fullmatch(stripped)
    if match is None:
        raise InvalidRequest("Write a number of hours or days, such as 12h or 7d, or nothing")
    return timedelta(seconds=int(match[1]) * UNITS_S[match[2]])


def span_of(seconds: int | None) -> str:
    """Write a stretch of whole hours as `read_span` reads it; nothing for None."""
    if seconds is None:
        return ""
    if seconds % UNITS_S["d"] == 0:
        return f"{seconds // UNITS_S['d']}d"
    return f"{max(1, seconds // UNITS_S['h'])}h"
