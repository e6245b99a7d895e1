"""Verifying deliveries, as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from kinetoscope.client.errors import WebhookInvalid
from kinetoscope.client.values import EPOCH, WebhookEvent, parse_json, task_from

TOLERANCE_S = 300

PREFIX = "whsec_"
VERSION = "v1"


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> WebhookEvent:
    """Return what a delivery tells, once it is certain that it comes from the server.

    `body` is what came, before anything parsed it; `secret` is `whsec_…`, or several while one
    replaces another. `now_s` is Unix time, this machine's by default. Raises WebhookInvalid.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        message_id = named["webhook-id"]
        timestamp = named["webhook-timestamp"]
        signatures = named["webhook-signature"]
    except KeyError as missing:
        raise WebhookInvalid(f"There is no header {missing}") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("9" * 11)):
        raise WebhookInvalid("webhook-timestamp is not a number of seconds")
    now_s = time.time() if now_s is None else now_s  # noqa: TID251 - the client has no clock
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise WebhookInvalid(f"It was signed more than {tolerance_s:g} seconds ago or ahead")
    raw = body.encode() if isinstance(body, str) else body
    signed = b".".join((message_id.encode(), timestamp.encode(), raw))
    secrets = (secret,) if isinstance(secret, str) else tuple(secret)
    if not _is_signed(signed, signatures, secrets):
        raise WebhookInvalid("No signature fits: another secret, or the body was changed")
    try:
        data = parse_json(raw)["data"]
        task = task_from(data)
    except (ValueError, KeyError, TypeError):
        raise WebhookInvalid("It is signed well, and tells of no task") from None
    sent_at = EPOCH + timedelta(seconds=int(timestamp))
    return WebhookEvent(id=message_id, sent_at=sent_at, task=task, is_test=bool(data.get("test")))


def _is_signed(signed: bytes, signatures: str, secrets: Sequence[str]) -> bool:
    given = [
        text.partition(",")[2].encode()
        for text in signatures.split()
        if text.partition(",")[0] == VERSION
    ]
    good = False
    for secret in secrets:
        digest = hmac.digest(_key(secret), signed, hashlib.sha256)
        expected = base64.b64encode(digest)
        for one in given:
            # Every pair is compared, so that the time tells nothing.
            good |= hmac.compare_digest(expected, one)
    return good


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise WebhookInvalid("The secret is not of the form whsec_…")
    return key
