"""The form of a key: what it shows, and what was filled in, read as the API reads it."""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from kinetoscope.accounts.caps import UNCAPPED, Caps, caps_of
from kinetoscope.accounts.keys import SCOPES_DEFAULT, KeyListing
from kinetoscope.api import key_bodies
from kinetoscope.dashboard.key_words import range_text
from kinetoscope.dashboard.visit import Form
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.errors import InputIssue, InvalidRequest

NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")

EXPIRIES = {
    "never": "Never",
    "7": "In 7 days",
    "30": "In 30 days",
    "90": "In 90 days",
    "365": "In a year",
    "date": "On a day of your choice",
}
KEEP = "keep"
"""Leaves a key's expiry as it is."""

WINDOWS = {"": "In all", "1": "Per hour", "24": "Per 24 hours", "168": "Per 7 days"} | {
    "720": "Per 30 days"
}

LAST_SECOND = time(23, 59, 59)

NUMBERS = ("priceMax", "tasksRunningMax", "spendMax", "requestsPerSecond", "requestsBurst")

PLAINLY = {
    "name": "Enter a name of 1 to 100 characters",
    "mode": "Choose live or test",
    "expiresAt": "Choose a day that is not over yet",
    "scopes": "Tick at least one",
    "models": "Tick at least one model",
    "spendWindowHours": "Choose one of these",
}
"""What is wrong with a field, where the API's words would not help whoever looks at a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a form shows: texts by field, and what is ticked."""

    texts: Mapping[str, str]
    scopes: frozenset[str]
    models: frozenset[str]

    def get(self, name: str) -> str:
        """Return the text of a field."""
        return self.texts.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for, read and checked. `stated` names what was said, as the API does."""

    stated: Mapping[str, Any]
    caps: Caps


class Misfilled(Exception):
    """The form cannot be taken as it is: what is wrong, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__()
        self.errors = errors


def fresh() -> Filled:
    """Return what the form of a new key shows."""
    texts = {"mode": "live", "expires": "never", "which": "all"}
    return Filled(texts=texts, scopes=frozenset(SCOPES_DEFAULT), models=frozenset())


def typed(form: Form) -> Filled:
    """Return what was filled in, to show it again."""
    texts = {name: form[name] for name in form}
    return Filled(
        texts=texts, scopes=frozenset(form.all("scopes")), models=frozenset(form.all("models"))
    )


def of_key(key: KeyListing) -> Filled:
    """Return what the form of a key shows."""
    caps = caps_of(key)
    window = caps.spend_window
    hours = "" if window is None else f"{window.total_seconds() / 3600:g}"
    texts = {
        "name": key.name,
        "expires": KEEP,
        "which": "all" if caps.models is None else "some",
        "priceMax": "" if caps.price_max is None else format_credits(caps.price_max),
        "spendMax": "" if caps.spend_max is None else format_credits(caps.spend_max),
        "spendWindowHours": hours,
        "tasksRunningMax": _shown(caps.tasks_running_max),
        "requestsPerSecond": _shown(caps.requests_per_second),
        "requestsBurst": _shown(caps.requests_burst),
        "ipRanges": "\n".join(map(range_text, caps.ip_ranges or ())),
    }
    models = frozenset(caps.models or ())
    return Filled(texts=texts, scopes=frozenset(key.scopes), models=models)


def read_new(form: Form, models: Collection[str], now: datetime) -> Wanted:
    """Read a new key; raises Misfilled."""
    try:
        stated = key_bodies.read_new(_stated(form, now) | {"mode": form["mode"]}, models, now)
        return Wanted(stated=stated, caps=key_bodies.merged(UNCAPPED, stated["caps"]))
    except InvalidRequest as error:
        raise Misfilled(_errors(error)) from None


def read_changes(form: Form, key: KeyListing, models: Collection[str], now: datetime) -> Wanted:
    """Read what a key shall be; raises Misfilled. Models that are no more may stay."""
    known = {*models, *(key.models or ())}
    asked = _stated(form, now)
    if form["spendMax"] and form["spendWindowHours"] == of_key(key).get("spendWindowHours"):
        del asked["caps"]["spendWindowHours"]  # the command line makes windows that no form has
    try:
        stated = key_bodies.read_changes(asked, known, now)
        return Wanted(stated=stated, caps=key_bodies.merged(caps_of(key), stated["caps"]))
    except InvalidRequest as error:
        raise Misfilled(_errors(error)) from None


def version_of(key: KeyListing) -> str:
    """Return a text that is another one once somebody has changed the key."""
    told = (key.name, key.active, key.expires_at, sorted(key.scopes), caps_of(key), key.replaced_by)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _stated(form: Form, now: datetime) -> dict[str, Any]:
    """Return what the API would be sent; raises Misfilled."""
    caps: dict[str, object] = {name: _number(form[name].strip()) for name in NUMBERS}
    window = _number(form["spendWindowHours"])
    caps["spendWindowHours"] = window if form["spendMax"].strip() else None
    caps["models"] = form.all("models") if form["which"] == "some" else None
    caps["ipRanges"] = form["ipRanges"].replace(",", " ").split() or None
    stated: dict[str, Any] = {
        "name": form["name"].strip(),
        "scopes": form.all("scopes"),
        "caps": caps,
    }
    if form["expires"] != KEEP:
        stated["expiresAt"] = _expiry(form, now)
    return stated


def _expiry(form: Form, now: datetime) -> int | None:
    chosen = form["expires"]
    if chosen == "never":
        return None
    if chosen.isascii() and chosen.isdigit() and chosen in EXPIRIES:
        return unix_ms(now + timedelta(days=int(chosen)))
    try:
        day = date.fromisoformat(form["expires_on"])
    except ValueError:
        raise Misfilled({"expiresAt": "Choose a day"}) from None
    return unix_ms(datetime.combine(day, LAST_SECOND, UTC))


def _number(text: str) -> int | float | str | None:
    """Read a number as JSON has it. What is none stays as it is, and is refused as such."""
    if not text:
        return None
    if not NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)


def _errors(error: InvalidRequest) -> dict[str, str]:
    return {_field(issue): _plainly(issue) for issue in reversed(error.issues)}


def _field(issue: InputIssue) -> str:
    names = [str(part) for part in issue.path if part != "caps"]
    return names[0] if names else "name"


def _plainly(issue: InputIssue) -> str:
    if issue.message.startswith("Expected credits"):
        return "Enter an amount of credits such as 500, or nothing"
    plain = PLAINLY.get(_field(issue))
    return plain or issue.message.replace("Expected a", "Enter a")
