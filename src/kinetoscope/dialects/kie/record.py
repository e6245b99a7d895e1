"""A task in kie.ai's words: the `data` of recordInfo, and of what its webhooks carry.

https://docs.kie.ai/market/common/get-task-detail. What was asked for and what came of it are JSON
in a text there. Media whose time is over keep their addresses, which say so, and are marked
`expireFlag` as those of kie.ai's older routes are. `queuing`, kie.ai's word for what stands
between `waiting` and `generating`, is never said: we know nothing between the two.
"""

from typing import Any

import orjson

from kinetoscope.api.envelope import credits_json
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.order import JSON
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.task import Failure, Status
from kinetoscope.tasks.whole import Whole

STATES = {
    Status.WAITING: "waiting",
    Status.GENERATING: "generating",
    Status.SUCCESS: "success",
    Status.FAIL: "fail",
}

FAIL_CODES = {
    "2038": "400",  # content, as https://docs.kie.ai/4o-image-api/generate-4-o-image-callbacks
    "4011": "400",
    "InvalidParameter": "422",
    "asset_review_failed": "422",
    "cancelled": "501",
    "deadline": "408",
}
"""Ours to theirs; numbers that are left out stay as they are, other words are 501."""

GENERATION_FAILED = "501"
DATA_URI_SHOWN = 64
"""Characters of a data URI that are shown again: polls must not carry files."""

PERCENT_DONE = 100


def data_of(found: Whole, signer: Signer) -> dict[str, Any]:
    """Return a task as kie.ai shows it: times in milliseconds, `costTime` those of its making."""
    record = found.record
    failure = record.failure
    completed_at = record.completed_at
    updated_at = completed_at or found.started_at or record.created_at
    began_at = found.started_at or record.created_at
    took = None if completed_at is None else unix_ms(completed_at) - unix_ms(began_at)
    done = record.status is Status.SUCCESS
    return {
        "taskId": record.id,
        "model": model_name(found),
        "state": STATES[record.status],
        "param": _param(found),
        "resultJson": _result(record, signer) if done else "",
        "failCode": "" if failure is None else fail_code(failure),
        "failMsg": "" if failure is None else fail_message(failure),
        "costTime": took,
        "completeTime": None if completed_at is None else unix_ms(completed_at),
        "createTime": unix_ms(record.created_at),
        "updateTime": unix_ms(updated_at),
        "progress": PERCENT_DONE if done else record.progress_percent or 0,
        "creditsConsumed": 0 if failure else credits_json(record.price),
    } | ({"expireFlag": 1} if record.is_expired else {})


def model_name(found: Whole) -> str:
    """Return the name that a client of kie.ai's knows the model by; ours where it was another's."""
    stated = found.details.get("model") if found.dialect == "kie" else None
    return stated if isinstance(stated, str) else found.record.model


def fail_code(failure: Failure) -> str:
    """Return kie.ai's word for why a task failed."""
    known = FAIL_CODES.get(failure.code)
    if known is not None:
        return known
    return failure.code if failure.code.isdigit() else GENERATION_FAILED


def fail_message(failure: Failure) -> str:
    """Return why a task failed, in a line."""
    return f"{failure.message} {failure.detail}" if failure.detail else failure.message


def _param(found: Whole) -> str:
    asked: dict[str, JSON] = {
        "model": model_name(found),
        "input": {name: _shown(value) for name, value in found.inputs.items()},
    }
    if found.callback_url is not None:
        asked["callBackUrl"] = found.callback_url
    return orjson.dumps(asked).decode()


def _shown(value: JSON) -> JSON:
    match value:
        case list():
            return [_shown(item) for item in value]
        case str() if value.startswith("data:") and len(value) > DATA_URI_SHOWN:
            return f"{value[:DATA_URI_SHOWN]}…"
        case _:
            return value


def _result(record: Record, signer: Signer) -> str:
    until = record.addresses_expire_at
    result: dict[str, JSON] = {
        "resultUrls": [signer.url(stored.name, until) for stored in record.output]
    }
    last = next((stored.last_frame_name for stored in record.output), None)
    if last is not None:
        result["lastFrameUrl"] = signer.url(last, until)
    return orjson.dumps(result).decode()
