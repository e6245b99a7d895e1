"""What is sent to a task's callBackUrl: recordInfo's answer in the envelope of the contract.

The contract's versions disagree on `state` and `status`, `orderId` and `updateTime`; this is what
all of them read. https://kinovi.ai/docs/common/reference/webhooks
"""

from datetime import datetime
from typing import Any

import orjson

from kinetoscope.api.record import record_json
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.ids import TaskId
from kinetoscope.media.signing import Signer
from kinetoscope.tasks.read import Record

TEST_MODEL = "kinetoscope-webhook-test"


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
