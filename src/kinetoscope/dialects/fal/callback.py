"""What fal's webhooks tell of a task. https://docs.fal.ai/model-apis/model-endpoints/webhooks."""

from collections.abc import Mapping
from datetime import datetime

import orjson

from kinetoscope.dialects.fal import signing
from kinetoscope.dialects.fal.results import ending
from kinetoscope.dialects.fal.signing import Sender
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime


def telling(runtime: Runtime, found: Whole) -> Telling:
    """Return what is told of a task that has ended: its result, in fal's envelope, and signed."""
    ended = ending(found, runtime.signer)
    body = {
        "request_id": found.record.id,
        "gateway_request_id": found.record.id,
        "status": "ERROR" if ended.error_type else "OK",
        "payload": ended.body,
    }
    if ended.error_type:
        body["error"] = ended.error
    sender = Sender(request_id=found.record.id, user_id=found.account_id)

    def sign(_id: str, sent: bytes, now: datetime) -> Mapping[str, str]:
        return signing.headers(runtime.signing_key, sender, sent, now)

    return Telling(body=orjson.dumps(body), sign=sign)
