"""How the webhook routes are described, and how their answers look."""

from typing import Any

from kinetoscope.api.doors import Operation
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.webhooks import log, outbox
from kinetoscope.webhooks.log import Attempt, Delivery
from kinetoscope.webhooks.secret import Kept, Preferences

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
SINCE_MS_MAX = 253402300799999
"""The last millisecond of the year 9999."""

TEXT = {"type": "string"}
MOMENT = {"type": "integer", "description": "Unix milliseconds"}
MOMENT_OR_NULL = {"type": ["integer", "null"], "description": "Unix milliseconds"}

DELIVERY_PROPERTIES: dict[str, Any] = {
    "id": {"type": "string", "description": "webhook-id, the same over all attempts"},
    "taskId": TEXT,
    "eventType": {"enum": list(outbox.EVENT_TYPES)},
    "url": TEXT,
    "state": {"enum": list(log.STATES)},
    "attemptCount": {"type": "integer"},
    "nextAttemptTime": MOMENT_OR_NULL,
    "createTime": MOMENT,
    "endTime": MOMENT_OR_NULL,
}
DELIVERY = {
    "type": "object",
    "required": list(DELIVERY_PROPERTIES),
    "properties": DELIVERY_PROPERTIES,
}
ATTEMPT = {
    "type": "object",
    "required": ["time", "durationMs", "status", "error", "response"],
    "properties": {
        "time": MOMENT,
        "durationMs": {"type": "integer"},
        "status": {"type": ["integer", "null"]},
        "error": {"type": ["string", "null"]},
        "response": {"type": "string", "description": "How the receiver's answer begins"},
    },
}
DELIVERY_WITH_ATTEMPTS = {
    "type": "object",
    "required": [*DELIVERY_PROPERTIES, "attempts"],
    "properties": {**DELIVERY_PROPERTIES, "attempts": {"type": "array", "items": ATTEMPT}},
}
SECRET = {
    "type": "object",
    "required": ["lastFour", "createTime", "expireTime"],
    "properties": {"lastFour": TEXT, "createTime": MOMENT, "expireTime": MOMENT_OR_NULL},
}
SETTINGS = {
    "type": "object",
    "required": ["kieHeaders", "secrets"],
    "properties": {
        "kieHeaders": {"type": "boolean"},
        "secrets": {
            "type": "array",
            "items": SECRET,
            "description": "Those that deliveries are signed with, the current one first",
        },
    },
}

SENT_HEADERS = {
    "webhook-id": "names the event, the same over all tries: drop what you have seen",
    "webhook-timestamp": "when this try was signed, in Unix seconds",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`; "
    "several, with spaces between them, while secrets overlap",
    "X-Webhook-Timestamp": "the same time; only where `kieHeaders` is set, as the next one",
    "X-Webhook-Signature": "kie.ai's: the base64 of HMAC-SHA256 over `{taskId}.{timestamp}`, which "
    "does not cover the body; the key is the secret's whole text, `whsec_` and all, of the oldest "
    "secret that is still valid",
}
"""What a delivery carries besides its body's type."""

INVALID = {400: "The request is not valid"}
UNKNOWN = {404: "There is no such delivery"}
SENT = {400: "The request is not valid", 413: "The body is too large"}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


DELIVERY_ID = ({"name": "id", "in": "path", "required": True, "schema": TEXT},)

LIST = Operation(
    summary="List deliveries",
    tag="webhooks",
    description="Newest first. What ended more than 30 days ago is forgotten.",
    parameters=(
        _query("taskId", TEXT),
        _query("state", {"enum": list(log.STATES)}),
        _query("cursor", {"type": "string", "pattern": "^[0-9]{1,18}$"}),
        _query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        ),
    ),
    answer={
        "type": "object",
        "required": ["deliveries", "nextCursor"],
        "properties": {
            "deliveries": {"type": "array", "items": DELIVERY},
            "nextCursor": {"type": ["string", "null"]},
        },
    },
    answers=INVALID,
)

SHOW = Operation(
    summary="Show a delivery and its attempts",
    tag="webhooks",
    parameters=DELIVERY_ID,
    answer=DELIVERY_WITH_ATTEMPTS,
    answers=UNKNOWN,
)

REDELIVER = Operation(
    summary="Deliver once more, under the same webhook-id",
    tag="webhooks",
    parameters=DELIVERY_ID,
    answer=DELIVERY,
    answers=UNKNOWN,
)

TEST = Operation(
    summary="Send a signed test event and tell what came of it",
    tag="webhooks",
    description="It is tried once. The answer waits for that for up to 20 seconds.",
    body={
        "type": "object",
        "required": ["url"],
        "properties": {"url": {"type": "string", "format": "uri", "maxLength": 2048}},
    },
    answer=DELIVERY_WITH_ATTEMPTS,
    answers=SENT,
)

SHOW_SETTINGS = Operation(summary="Show the webhook settings", tag="webhooks", answer=SETTINGS)

CHANGE_SETTINGS = Operation(
    summary="Change the webhook settings",
    tag="webhooks",
    description="kieHeaders adds X-Webhook-Timestamp and X-Webhook-Signature to deliveries: "
    + SENT_HEADERS["X-Webhook-Signature"]
    + ".",
    body={
        "type": "object",
        "required": ["kieHeaders"],
        "properties": {"kieHeaders": {"type": "boolean"}},
    },
    answer=SETTINGS,
    answers=SENT,
)

MAKE_SECRET = Operation(
    summary="Make or replace the signing secret",
    tag="webhooks",
    description="The secret is shown this once. Deliveries carry the signatures of earlier "
    "secrets as well until overlapHours have passed; with 0 they end at once. kie.ai's headers, "
    "where they are wanted, are signed with the oldest valid secret alone.",
    body={
        "type": "object",
        "properties": {
            "overlapHours": {"type": "integer", "minimum": 0, "maximum": 168, "default": 24}
        },
    },
    body_required=False,
    answer={
        "type": "object",
        "required": ["secret", "createTime"],
        "properties": {"secret": TEXT, "createTime": MOMENT},
    },
    answers=SENT,
)

LISTEN = Operation(
    summary="Follow what deliveries would carry, for `kinetoscope listen`",
    tag="webhooks",
    description="For every task that ended, with a callBackUrl or without: the body and "
    "signed headers of its delivery, which itself goes on as ever.",
    parameters=(
        _query("since", {"type": "integer", "minimum": 0, "maximum": SINCE_MS_MAX}),
        _query("cursor", {"type": "string", "pattern": "^[0-9]{1,18}_[0-9a-z_]{0,64}$"}),
    ),
    answer={
        "type": "object",
        "required": ["events", "cursor", "time"],
        "properties": {
            "events": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "taskId", "eventType", "endTime", "headers", "body"],
                    "properties": {
                        "id": TEXT,
                        "taskId": TEXT,
                        "eventType": {"enum": ["task.succeeded", "task.failed"]},
                        "endTime": MOMENT,
                        "headers": {"type": "object", "additionalProperties": TEXT},
                        "body": TEXT,
                    },
                },
            },
            "cursor": TEXT,
            "time": MOMENT,
        },
    },
    answers=INVALID,
)


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as its owner sees it."""
    next_at, ended_at = delivery.next_attempt_at, delivery.ended_at
    return {
        "id": delivery.id,
        "taskId": delivery.task_id,
        "eventType": delivery.event_type,
        "url": delivery.url,
        "state": delivery.state,
        "attemptCount": delivery.attempts,
        "nextAttemptTime": None if next_at is None else unix_ms(next_at),
        "createTime": unix_ms(delivery.created_at),
        "endTime": None if ended_at is None else unix_ms(ended_at),
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as its owner sees it."""
    return {
        "time": unix_ms(attempt.started_at),
        "durationMs": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response": attempt.response,
    }


def settings_json(preferences: Preferences, secrets: list[Kept]) -> dict[str, Any]:
    """Return an account's webhook settings; no secret is among them."""
    return {
        "kieHeaders": preferences.kie_headers,
        "secrets": [
            {
                "lastFour": kept.last_four,
                "createTime": unix_ms(kept.created_at),
                "expireTime": None if kept.expires_at is None else unix_ms(kept.expires_at),
            }
            for kept in secrets
        ],
    }
