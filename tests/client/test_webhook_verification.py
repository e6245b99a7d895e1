"""Verifying deliveries: signed by the server's own signer, or not at all."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from kinetoscope.client import WebhookInvalid, verify_webhook
from kinetoscope.webhooks.sign import headers

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()

OLD = "whsec_b2xkIHNlY3JldCBvbGQgc2VjcmV0IG9sZCBzZWNyZXQ="
NEW = "whsec_bmV3IHNlY3JldCBuZXcgc2VjcmV0IG5ldyBzZWNyZXQ="

RECORD = {
    "taskId": "task_3n8x0q6v1m5k2j9h7g4f0d8s",
    "model": "seedance-20",
    "status": "success",
    "creditsUsed": 142.57,
    "output": [{"url": "http://x/media/a.mp4", "mediaType": "video/mp4", "duration": 5.042}],
    "error": None,
    "createTime": 1795867200000,
    "completeTime": 1795867205000,
}
BODY = json.dumps({"code": 200, "message": "success", "data": RECORD}).encode()

SIGNED = headers("msg_1", BODY, [NEW], NOW)
ROTATING = headers("msg_1", BODY, [NEW, OLD], NOW)


def test_what_the_server_signed_is_told_as_a_task_with_exact_amounts():
    event = verify_webhook(BODY, SIGNED, NEW, now_s=NOW_S + 299)
    assert (event.id, event.sent_at, event.is_test) == ("msg_1", NOW, False)
    assert str(event.task.credits) == "142.57"
    assert str(event.task.outputs[0].duration_s) == "5.042"
    assert event.task.status == "success"


@pytest.mark.parametrize(
    ("given", "secret"),
    [(ROTATING, OLD), (ROTATING, NEW), (SIGNED, [OLD, NEW]), (SIGNED, NEW.removeprefix("whsec_"))],
)
def test_while_one_secret_replaces_another_either_will_do(given: dict[str, str], secret: str):
    upper = {name.upper(): value for name, value in given.items()}
    assert verify_webhook(BODY, upper, secret, now_s=NOW_S).id == "msg_1"


def changed(name: str, value: str) -> dict[str, str]:
    return {**SIGNED, name: value}


@pytest.mark.parametrize(
    ("body", "given", "secret", "now_s", "said"),
    [
        (BODY + b" ", SIGNED, NEW, NOW_S, "No signature fits"),
        (BODY, SIGNED, OLD, NOW_S, "No signature fits"),
        (BODY, changed("webhook-id", "msg_2"), NEW, NOW_S, "No signature fits"),
        (BODY, changed("webhook-timestamp", str(int(NOW_S) + 1)), NEW, NOW_S, "No signature fits"),
        (BODY, changed("webhook-signature", ""), NEW, NOW_S, "No signature fits"),
        (BODY, changed("webhook-signature", "v1,é v1a,x v2,"), NEW, NOW_S, "No signature fits"),
        (BODY, SIGNED, NEW, NOW_S + 301, "more than 300 seconds"),
        (BODY, SIGNED, NEW, NOW_S - 301, "more than 300 seconds"),
        (BODY, changed("webhook-timestamp", "now"), NEW, NOW_S, "not a number"),
        (BODY, {}, NEW, NOW_S, "There is no header"),
        (BODY, SIGNED, "whsec_", NOW_S, "not of the form"),
        (BODY, SIGNED, "whsec_%%", NOW_S, "not of the form"),
    ],
)
def test_what_is_not_from_the_server_is_refused(
    body: bytes, given: dict[str, str], secret: str, now_s: float, said: str
):
    with pytest.raises(WebhookInvalid, match=said):
        verify_webhook(body, given, secret, now_s=now_s)


def test_the_library_of_standard_webhooks_agrees():
    now = datetime.now(UTC)  # noqa: TID251 - the library reads the machine's clock
    given = headers("msg_1", BODY, [OLD, NEW], now)
    assert Webhook(NEW).verify(BODY, given)["data"] == RECORD
    assert verify_webhook(BODY, given, NEW).task.id == RECORD["taskId"]
