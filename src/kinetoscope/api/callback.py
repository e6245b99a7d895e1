"""Which callBackUrls are taken, and what is sent there: recordInfo's answer in an envelope.

The contract's versions disagree on `state` and `status`, `orderId` and `updateTime`; this is what
all of them read. https://kinovi.ai/docs/common/reference/webhooks
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from kinetoscope.api.body import issue
from kinetoscope.api.record import record_json
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import InputIssue
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress, OutboundRefused, check_early
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.read import Record

URL_LENGTH_MAX = 2048

TEST_MODEL = "kinetoscope-webhook-test"

LISTEN = "To hear of tasks on your own machine, use `kinetoscope listen`"


def callback_issues(egress: Egress, url: object, name: str) -> list[InputIssue]:
    """Return what is wrong with an address to call: its form, or that it will never be called."""
    if not isinstance(url, str) or not _has_form(url):
        return [issue("invalid_type", "Expected an http or https URL", name)]
    try:
        check_early(egress, url)
    except OutboundRefused as error:
        return [issue("invalid_value", f"{error}. {LISTEN}", name)]
    return []


def _has_form(url: str) -> bool:
    if len(url) > URL_LENGTH_MAX or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0  # a port out of range raises
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and has_place and " " not in url


def callback_body(record: Record, signer: Signer) -> bytes:
    """Return the body for a task; the same for every attempt, as long as the task is the same."""
    data = record_json(record, signer)
    return _enveloped(
        {
            **data,
            "state": data["status"],
            "orderId": _order_id(record.id),
            "updateTime": data["completeTime"],
        }
    )


def test_body(task_id: TaskId, now: datetime) -> bytes:
    """Return the body of a test: a task that never was and made nothing, marked as `test`."""
    moment = unix_ms(now)
    return _enveloped(
        {
            "taskId": task_id,
            "model": TEST_MODEL,
            "status": "success",
            "creditsUsed": 0,
            "output": [],
            "error": None,
            "createTime": moment,
            "completeTime": moment,
            "state": "success",
            "orderId": _order_id(task_id),
            "updateTime": moment,
            "test": True,
        }
    )


def _order_id(task_id: TaskId) -> str:
    return "order_" + task_id.removeprefix("task_")


def _enveloped(data: dict[str, Any]) -> bytes:
    return orjson.dumps({"code": 200, "message": "success", "data": data})
