"""What kie.ai's webhooks tell of a task: its record in an envelope, code 501 where it failed.

The headers `X-Webhook-Timestamp` and `X-Webhook-Signature` sign the task's id and the time:
https://docs.kie.ai/common-api/webhook-verification. The key is the account's webhook secret, its
whole text. That page reads `data.task_id`, others `data.taskId`: both are there.
"""

import orjson

from kinetoscope.dialects.kie.codes import FINE
from kinetoscope.dialects.kie.record import data_of
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime

FAILED = 501


def telling(runtime: Runtime, found: Whole) -> Telling:
    """Return what is told of a task."""
    failed = found.record.status is Status.FAIL
    body = {
        "code": FAILED if failed else FINE,
        "msg": f"Playground task {'failed' if failed else 'completed successfully'}.",
        "data": {**data_of(found, runtime.signer), "task_id": found.record.id},
    }
    return Telling(body=orjson.dumps(body), kie_headers=True)
