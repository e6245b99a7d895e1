"""Keys over the wire: their schemas, and how one is shown."""

from typing import Any

from kinetoscope.accounts.caps import Caps, caps_of
from kinetoscope.accounts.keys import SCOPES_ALL, KeyListing
from kinetoscope.api import key_bodies
from kinetoscope.api.doors import Operation
from kinetoscope.api.envelope import credits_json
from kinetoscope.api.schemas import MOMENT, MOMENT_OR_NULL, TEXT, Schema, nullable
from kinetoscope.kernel.clock import unix_ms

NAME: Schema = {"type": "string", "pattern": "^[^\\x00-\\x1f\\x7f]{1,100}$"}
SCOPES: Schema = {
    "type": "array",
    "items": {"enum": list(SCOPES_ALL)},
    "minItems": 1,
    "uniqueItems": True,
}
AMOUNT: Schema = {
    "type": "number",
    "minimum": 0,
    "maximum": key_bodies.CREDITS_MAX,
    "multipleOf": 0.01,
}


def _count(smallest: int, largest: int) -> Schema:
    return {"type": "integer", "minimum": smallest, "maximum": largest}


def _strings(most: int) -> Schema:
    return {
        "type": "array",
        "items": TEXT,
        "minItems": 1,
        "maxItems": most,
        "uniqueItems": True,
    }


def _described(schema: Schema, text: str) -> Schema:
    return nullable(schema) | {"description": text}


CAPS: dict[str, Schema] = {
    "models": _described(_strings(key_bodies.MODELS_MAX), "The models it may order"),
    "priceMax": _described(AMOUNT, "Credits that one task may cost"),
    "tasksRunningMax": _described(
        _count(0, key_bodies.TASKS_RUNNING_MAX), "How many of its tasks may run at once"
    ),
    "spendMax": _described(AMOUNT, "Credits that its tasks may hold and cost together"),
    "spendWindowHours": _described(
        _count(1, key_bodies.HOURS_MAX), "In any stretch of this length; null: ever"
    ),
    "ipRanges": _described(
        _strings(key_bodies.IP_RANGES_MAX), "Where its requests may come from: 203.0.113.0/24"
    ),
    "requestsPerSecond": _described(
        _count(1, key_bodies.PACE_MAX), "Requests in the long run, within the account's"
    ),
    "requestsBurst": _described(
        _count(1, key_bodies.PACE_MAX), "Requests at once, within the account's"
    ),
}

STATED_CAPS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "description": "What it may do at most; null is no cap",
    "properties": CAPS,
}

SHOWN_CAPS = {**CAPS, "spendWindowHours": {"type": ["number", "null"]}}

PROPERTIES: dict[str, Schema] = {
    "keyId": TEXT,
    "name": TEXT,
    "mode": {"enum": ["live", "test", "demo"]},
    "lastFour": TEXT,
    "scopes": {"type": "array", "items": TEXT},
    "caps": {"type": "object", "required": list(CAPS), "properties": SHOWN_CAPS},
    "active": {"type": "boolean"},
    "expiresAt": MOMENT_OR_NULL,
    "replacedBy": {"type": ["string", "null"], "description": "The key that took its place"},
    "createTime": MOMENT,
    "lastUsedTime": MOMENT_OR_NULL,
}
KEY: Schema = {"type": "object", "required": list(PROPERTIES), "properties": PROPERTIES}
ISSUED: Schema = {
    "type": "object",
    "required": ["key", *PROPERTIES],
    "properties": {"key": TEXT | {"description": "Shown this once"}, **PROPERTIES},
}

KEY_ID = (
    {
        "name": "keyId",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9A-Za-z]{12}$"},
    },
)

EXPIRES_AT: Schema = {
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": key_bodies.MS_MAX}, {"type": "null"}],
    "description": "Unix milliseconds, in the future; null is never",
}

INVALID = {400: "The request is not valid", 413: "The body is too large"}
UNKNOWN = {404: "There is no such key"}
NO_MORE = "No key gives more than it has, nor changes one that may do more than itself: scopes, "
NO_MORE += "mode, expiry and caps. A key with a cap on spending, running tasks or requests "
NO_MORE += "manages itself alone. Test keys make test keys."

LIST = Operation(
    summary="List keys",
    tag="keys",
    description="All keys of the account, oldest first, without their text.",
    answer={
        "type": "object",
        "required": ["keys"],
        "properties": {"keys": {"type": "array", "items": KEY}},
    },
)

CREATE = Operation(
    summary="Make a key",
    tag="keys",
    description="Its text is shown this once. What is left open is as the calling key has it, "
    "but keys:write, which has to be asked for. " + NO_MORE,
    body={
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": NAME,
            "mode": {"enum": list(key_bodies.MODES)},
            "expiresAt": EXPIRES_AT,
            "scopes": SCOPES,
            "caps": STATED_CAPS,
        },
    },
    answer=ISSUED,
    answers=INVALID,
)

SHOW = Operation(summary="Show a key", tag="keys", parameters=KEY_ID, answer=KEY, answers=UNKNOWN)

CHANGE = Operation(
    summary="Change a key",
    tag="keys",
    description="Only what is stated changes, cap by cap. `active: false` alone stops any key "
    "that may not do more because of its mode, at once. " + NO_MORE,
    parameters=KEY_ID,
    body={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": NAME,
            "active": {"type": "boolean"},
            "expiresAt": EXPIRES_AT,
            "scopes": SCOPES,
            "caps": STATED_CAPS,
        },
    },
    answer=KEY,
    answers=INVALID | UNKNOWN,
)

DELETE = Operation(
    summary="Delete a key",
    tag="keys",
    description="It never works again and is shown no more. Its tasks stay.",
    parameters=KEY_ID,
    answer={
        "type": "object",
        "required": ["keyId", "deleted"],
        "properties": {"keyId": TEXT, "deleted": {"const": True}},
    },
    answers=UNKNOWN,
)

ROTATE = Operation(
    summary="Replace a key",
    tag="keys",
    description="Makes a key that may do the same, and shows its text this once. The old key "
    "works for overlapHours more. What the two spend counts together. " + NO_MORE,
    parameters=KEY_ID,
    body={
        "type": "object",
        "additionalProperties": False,
        "properties": {"overlapHours": _count(0, key_bodies.OVERLAP_HOURS_MAX) | {"default": 24}},
    },
    body_required=False,
    answer=ISSUED,
    answers=INVALID | UNKNOWN,
)


def key_json(key: KeyListing) -> dict[str, Any]:
    """Return a key as its account sees it, without its text."""
    return {
        "keyId": key.id,
        "name": key.name,
        "mode": key.mode,
        "lastFour": key.last_four,
        "scopes": key.scopes,
        "caps": caps_json(caps_of(key)),
        "active": key.active,
        "expiresAt": None if key.expires_at is None else unix_ms(key.expires_at),
        "replacedBy": key.replaced_by,
        "createTime": unix_ms(key.created_at),
        "lastUsedTime": None if key.last_used_at is None else unix_ms(key.last_used_at),
    }


def caps_json(caps: Caps) -> dict[str, Any]:
    """Return caps; null is none."""
    window, ranges = caps.spend_window, caps.ip_ranges
    hours = None if window is None else window.total_seconds() / 3600
    return {
        "models": caps.models,
        "priceMax": None if caps.price_max is None else credits_json(caps.price_max),
        "tasksRunningMax": caps.tasks_running_max,
        "spendMax": None if caps.spend_max is None else credits_json(caps.spend_max),
        "spendWindowHours": int(hours) if hours is not None and hours.is_integer() else hours,
        "ipRanges": None if ranges is None else [str(network) for network in ranges],
        "requestsPerSecond": caps.requests_per_second,
        "requestsBurst": caps.requests_burst,
    }
