"""How upstreams sign what they send to a callback address: pure, and with the time passed in.

A check is told the headers, the body as it came, the secret that the operator was given, and the
time. What is missing, wrong or stale is not signed.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

from kinetoscope.kernel.order import JSON

Signed = Callable[[Mapping[str, str], bytes, str, datetime], bool]
Claim = Callable[[Mapping[str, JSON]], str | None]

STALE_S = 300
"""How far a signature's time may be from ours; the length that every page below names."""

PREFIX = "whsec_"


def no_claim(body: Mapping[str, JSON]) -> str | None:
    """Find no id, as of upstreams that do not call back."""
    del body
    return None


def standard(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> bool:
    """Check a signature of Standard Webhooks, which Replicate's are, and those of our own kind.

    https://replicate.com/docs/topics/webhooks/verify-webhook
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or not _is_fresh(timestamp, now):
        return False
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = f"v1,{_digest(key, signed)}"
    # Several, while the secret is being replaced.
    given = headers.get("webhook-signature", "").split(" ")
    return any([_is_same(expected, each) for each in given])  # noqa: C419 - in constant time


def of_kie(headers: Mapping[str, str], task_id: str, secret: str, now: datetime) -> bool:
    """Check a signature of kie.ai's, which covers the id of its task and the time alone.

    https://docs.kie.ai/common-api/webhook-verification
    """
    timestamp = headers.get("x-webhook-timestamp", "")
    if not task_id or not _is_fresh(timestamp, now):
        return False
    expected = _digest(secret.encode(), f"{task_id}.{timestamp}".encode())
    return _is_same(expected, headers.get("x-webhook-signature", ""))


def _is_fresh(timestamp: str, now: datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("9999999999")):
        return False
    return abs(now.timestamp() - int(timestamp)) <= STALE_S


def _digest(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _is_same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
