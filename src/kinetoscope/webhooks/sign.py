"""What a delivery is signed with, so that its receiver knows that it comes from here.

Standard Webhooks always; the headers of kie.ai besides where an account wants them. Those cover
the task's id and the time but not the body: they are for receivers that already check them.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

USER_AGENT = "Kinetoscope-Webhooks"


def headers(message_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Return what every delivery carries: one signature for each secret that is still valid.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, now, text) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def kie_headers(task_id: str, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers of https://docs.kie.ai/common-api/webhook-verification.

    Their key is the secret's whole text, `whsec_` and all.
    """
    timestamp = str(int(now.timestamp()))
    signed = f"{task_id}.{timestamp}".encode()
    signature = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))
    return {"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": signature.decode()}
