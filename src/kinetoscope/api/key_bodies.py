"""Reading what a key shall be: every field is checked, and a field nobody knows is refused.

A misspelt cap that was ignored would be a key without a cap.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from kinetoscope.accounts.caps import Caps, read_range
from kinetoscope.accounts.keys import SCOPES_ALL
from kinetoscope.api.body import invalid, issue
from kinetoscope.kernel.credits import Credits, parse_credits
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.secrets import KeyMode

NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")

MODELS_MAX = 100
IP_RANGES_MAX = 50
CREDITS_MAX = 1_000_000_000_000
TASKS_RUNNING_MAX = 1_000_000
HOURS_MAX = 8784
PACE_MAX = 1_000_000
OVERLAP_HOURS_MAX = 168
MS_MAX = 253402300799999
"""The last millisecond of the year 9999."""

MODES = (KeyMode.LIVE, KeyMode.TEST)

Fields = Mapping[str, Callable[[Any], object]]


class Misread(Exception):
    """Something is wrong with a value: its issues, their paths seen from that value."""

    def __init__(self, *issues: InputIssue) -> None:
        super().__init__()
        self.issues = issues


def read_new(stated: Mapping[str, Any], models: Collection[str], now: datetime) -> dict[str, Any]:
    """Read a new key: `name`, and what was stated of the rest. Raises InvalidRequest."""
    fields = {"mode": _mode, **_fields(models, now)}
    read = _checked(stated, fields)
    if "name" not in read:
        raise invalid(issue("invalid_type", "Expected a name", "name"))
    return read


def read_changes(
    stated: Mapping[str, Any], models: Collection[str], now: datetime
) -> dict[str, Any]:
    """Read what shall change about a key; raises InvalidRequest."""
    return _checked(stated, {"active": _truth, **_fields(models, now)})


def read_overlap(stated: Mapping[str, Any]) -> timedelta | None:
    """Read how long a key that is replaced goes on; None where it is not said."""
    hours = _checked(stated, {"overlapHours": _number(0, OVERLAP_HOURS_MAX)}).get("overlapHours")
    return None if hours is None else timedelta(hours=hours)


def merged(caps: Caps, stated: Mapping[str, Any]) -> Caps:
    """Change caps as stated; raises InvalidRequest where they make no sense together."""
    values = {name: getattr(caps, name) for name in CAP_NAMES.values()}
    values |= {CAP_NAMES[name]: value for name, value in stated.items()}
    if values["spend_max"] is None:
        if stated.get("spendWindowHours") is not None:
            text = "Expected only together with spendMax"
            raise invalid(issue("custom", text, "caps", "spendWindowHours"))
        values["spend_window"] = None
    return Caps(**values)


def columns_of(stated: Mapping[str, Any]) -> set[str]:
    """Return which columns of a key stated caps change."""
    names = {CAP_NAMES[name] for name in stated}
    if names & {"spend_max", "spend_window"}:
        names = (names - {"spend_window"}) | {"spend_window_s"}
    return names


CAP_NAMES = {
    "models": "models",
    "priceMax": "price_max",
    "tasksRunningMax": "tasks_running_max",
    "spendMax": "spend_max",
    "spendWindowHours": "spend_window",
    "ipRanges": "ip_ranges",
    "requestsPerSecond": "requests_per_second",
    "requestsBurst": "requests_burst",
}


def _fields(models: Collection[str], now: datetime) -> Fields:
    caps: Fields = {
        "models": lambda value: _models(value, models),
        "priceMax": _credits,
        "tasksRunningMax": _number(0, TASKS_RUNNING_MAX),
        "spendMax": _credits,
        "spendWindowHours": lambda value: timedelta(hours=_number(1, HOURS_MAX)(value)),
        "ipRanges": _ip_ranges,
        "requestsPerSecond": _number(1, PACE_MAX),
        "requestsBurst": _number(1, PACE_MAX),
    }
    nullable = {name: _or_null(read) for name, read in caps.items()}
    return {
        "name": _name,
        "expiresAt": _or_null(lambda value: _moment(value, now)),
        "scopes": _scopes,
        "caps": lambda value: _object(value, nullable),
    }


def _checked(stated: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    try:
        return _object(stated, fields)
    except Misread as misread:
        raise invalid(*misread.issues) from None


def _object(stated: object, fields: Fields) -> dict[str, Any]:
    if not isinstance(stated, dict):
        raise Misread(issue("invalid_type", "Expected an object"))
    read = {}
    issues: list[InputIssue] = []
    for name, value in stated.items():
        if name not in fields:
            known = ", ".join(fields)
            issues.append(issue("unrecognized_keys", f"Expected only {known}", name))
            continue
        try:
            read[name] = fields[name](value)
        except ValueError as error:
            issues.append(issue("invalid_type", str(error), name))
        except Misread as misread:
            issues += [
                issue(one.code, one.message, name, *map(str, one.path)) for one in misread.issues
            ]
    if issues:
        raise Misread(*issues)
    return read


def _or_null(read: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: None if value is None else read(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError("Expected 1 to 100 characters without control characters")
    return value


def _mode(value: object) -> KeyMode:
    if not isinstance(value, str) or value not in MODES:
        raise ValueError("Expected live or test")
    return KeyMode(value)


def _truth(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("Expected a boolean")


def _number(smallest: int, largest: int) -> Callable[[Any], int]:
    def read(value: object) -> int:
        # A whole number may be written as 24.0.
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
        if not whole or not smallest <= value <= largest:  # type: ignore[operator]
            raise ValueError(f"Expected a whole number from {smallest} to {largest}")
        return int(value)  # type: ignore[call-overload,no-any-return]

    return read


def _moment(value: object, now: datetime) -> datetime:
    moment_ms = _number(0, MS_MAX)(value)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment_ms)
    if moment <= now:
        raise ValueError("Expected a moment in the future, in Unix milliseconds")
    return moment


def _credits(value: object) -> Credits:
    # Digits as they were written: the shortest text of a float that reads as the same float.
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not 0 <= value <= CREDITS_MAX:  # type: ignore[operator]
        raise ValueError(f"Expected credits from 0 to {CREDITS_MAX}")
    return parse_credits(str(value))


def _list(value: object, most: int) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("Expected a list of strings")
    if not 1 <= len(value) <= most or len(set(value)) != len(value):
        raise ValueError(f"Expected 1 to {most} different strings")
    return value


def _scopes(value: object) -> tuple[str, ...]:
    scopes = _list(value, len(SCOPES_ALL))
    if not set(scopes) <= set(SCOPES_ALL):
        raise ValueError("Expected some of " + ", ".join(SCOPES_ALL))
    return tuple(scopes)


def _models(value: object, known: Collection[str]) -> tuple[str, ...]:
    models = _list(value, MODELS_MAX)
    unknown = [model for model in models if model not in known]
    if unknown:
        raise ValueError(f"There is no model {unknown[0][:100]!r}")
    return tuple(models)


def _ip_ranges(value: object) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(read_range(text) for text in _list(value, IP_RANGES_MAX))
