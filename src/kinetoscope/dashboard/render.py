"""Templates into pages: one environment, what every template may use, and how it is sent."""

import gzip
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import Response

from kinetoscope.dashboard.assets import asset_url, icons
from kinetoscope.kernel.credits import Credits, format_credits

HTML = "text/html; charset=utf-8"

SQUEEZE_BYTES_MIN = 1024

SPANS = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600))
DAYS_SHOWN_S = 30 * 86400
TENTHS_BELOW_S = 10
SHORTEST_S = 0.05


@cache
def environment() -> jinja2.Environment:
    """Return the one environment; a name that a template lacks is an error, not nothing."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("kinetoscope.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.globals.update(asset=asset_url, icon=icon)
    made.filters.update(credits=credits_text, moment=moment, span=span_text, size=size_text)
    return made


def icon(name: str, label: str = "") -> Markup:
    """Return an icon; without a label it is decoration that a screen reader skips."""
    told = Markup('role="img" aria-label="{}"').format(label) if label else 'aria-hidden="true"'
    return Markup(  # noqa: S704 - drawings are from the package that the build brought
        '<svg class="icon" viewBox="0 0 24 24" width="16" height="16" focusable="false" '
        f"{told}>{icons()[name]}</svg>"
    )


def credits_text(amount: Credits) -> str:
    """Write credits for people: `1,234.5`."""
    whole, dot, rest = format_credits(amount).partition(".")
    return f"{int(whole):,}{dot}{rest}" if whole != "-0" else f"-0{dot}{rest}"


def moment(at: datetime | None, now: datetime, none: str = "never") -> Markup:
    """Write a time as people say it, with the exact one behind it; the script keeps it true."""
    if at is None:
        return Markup("{}").format(none)
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}" data-moment>{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%-d %B %Y, %H:%M:%S UTC"),
        relative(at, now),
    )


def relative(at: datetime, now: datetime) -> str:
    """Write a time by its distance: `5 min ago`, `in 3 d`; long ago by its date."""
    seconds = int((at - now).total_seconds())
    distance = abs(seconds)
    if distance >= DAYS_SHOWN_S:
        return at.astimezone(UTC).strftime("%-d %b %Y")
    if distance < 5:  # noqa: PLR2004 - what nobody tells apart
        return "just now"
    text = span_text(distance)
    return f"in {text}" if seconds > 0 else f"{text} ago"


def span_text(seconds: float) -> str:
    """Write a stretch of time by its largest unit: `45 s`, `12 min`, `3 h`, `9 d`."""
    for below, unit, unit_s in SPANS:
        if seconds < below:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{int(seconds // 86400)} d"


def lasted_text(seconds: float) -> str:
    """Write how long something took: `0.4 s`, `38 s`, `2 min 5 s`, `1 h 12 min`."""
    if seconds < TENTHS_BELOW_S:
        return f"{seconds:.1f} s" if seconds >= SHORTEST_S else "0 s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size_text(count: int) -> str:
    """Write a number of bytes: `3.4 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:  # noqa: PLR2004 - the step between units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def rendered(template: str, values: dict[str, Any]) -> str:
    """Fill a template in."""
    return environment().get_template(template).render(values)


def html_response(text: str, status: int, accepts: str) -> Response:
    """Send HTML, squeezed where that is worth it and understood."""
    content = text.encode()
    response = Response(content, status, media_type=HTML)
    if len(content) >= SQUEEZE_BYTES_MIN and "gzip" in accepts:
        response = Response(
            gzip.compress(content, 5, mtime=0), status, {"Content-Encoding": "gzip"}, HTML
        )
    response.headers["Vary"] = "Accept-Encoding, Cookie"
    return response
