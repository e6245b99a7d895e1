"""Signatures of upstreams: what the makers of the schemes sign is taken, and nothing else."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from kinetoscope.providers.kie import KIE
from kinetoscope.providers.replicate import REPLICATE
from kinetoscope.providers.signatures import of_kie, standard
from kinetoscope.webhooks import sign

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four.").decode()
OTHER = "whsec_" + base64.b64encode(b"another of twenty-four..").decode()
BODY = b'{"id": "p-1", "status": "succeeded"}'


def headers(secret: str = SECRET, body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body.decode()),
    }


def test_the_reference_implementations_signature_is_taken():
    assert standard(headers(), BODY, SECRET, NOW)
    assert REPLICATE.signed is standard


def test_one_of_several_signatures_is_enough():
    both = headers()
    both["webhook-signature"] = f"{headers(OTHER)['webhook-signature']} {both['webhook-signature']}"
    assert standard(both, BODY, SECRET, NOW)


@pytest.mark.parametrize("age_s", [-301, -300, 0, 300, 301])
def test_a_signature_counts_for_five_minutes(age_s: int):
    signed = headers(at=NOW - timedelta(seconds=age_s))
    assert standard(signed, BODY, SECRET, NOW) == (abs(age_s) <= 300)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "\u0661\u0667"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,\u00fc"},
        {"webhook-signature": headers()["webhook-signature"].replace("v1,", "v1a,")},
        headers(OTHER),
    ],
)
def test_what_is_missing_or_wrong_is_not_signed(change: dict[str, str]):
    assert not standard({**headers(), **change}, BODY, SECRET, NOW)


def test_neither_another_body_nor_no_headers_nor_a_secret_that_is_none():
    assert not standard(headers(), BODY + b" ", SECRET, NOW)
    assert not standard({}, BODY, SECRET, NOW)
    assert not standard(headers(), BODY, "whsec_\u00fc", NOW)


AT_1700000000 = datetime.fromtimestamp(1_700_000_000, UTC)
KIE_BODY = b'{"code": 200, "data": {"task_id": "task_12345678"}}'
KIE_HEADERS = {
    "x-webhook-timestamp": "1700000000",
    "x-webhook-signature": "jbMgurgLr0V63NX8fJ+ppGz5LFMZr+rnsNqqZfri4DA=",
}


def test_kies_is_that_of_its_page():
    """Reckoned by hand from https://docs.kie.ai/common-api/webhook-verification."""
    assert of_kie(KIE_HEADERS, "task_12345678", "test-key", AT_1700000000)
    assert KIE.signed is not None
    assert KIE.signed(KIE_HEADERS, KIE_BODY, "test-key", AT_1700000000)


@pytest.mark.parametrize(
    ("given", "body", "secret", "late_s"),
    [
        (KIE_HEADERS, KIE_BODY, "another-key", 0),
        (KIE_HEADERS, KIE_BODY, "test-key", 301),
        (KIE_HEADERS, KIE_BODY.replace(b"678", b"679"), "test-key", 0),
        (KIE_HEADERS, b"{}", "test-key", 0),
        (KIE_HEADERS, b"[]", "test-key", 0),
        (KIE_HEADERS, b"no json", "test-key", 0),
        ({}, KIE_BODY, "test-key", 0),
        ({**KIE_HEADERS, "x-webhook-timestamp": "1700000001"}, KIE_BODY, "test-key", 0),
        ({**KIE_HEADERS, "x-webhook-signature": ""}, KIE_BODY, "test-key", 0),
    ],
)
def test_kies_is_nothing_else(given: dict[str, str], body: bytes, secret: str, late_s: int):
    assert KIE.signed is not None
    assert not KIE.signed(given, body, secret, AT_1700000000 + timedelta(seconds=late_s))


def test_what_we_sign_ourselves_is_taken_by_another_of_us():
    signed = sign.headers("msg_1", BODY, [OTHER, SECRET], NOW)
    assert standard(signed, BODY, SECRET, NOW)
    ours = {name.lower(): text for name, text in sign.kie_headers("t-1", "key", NOW).items()}
    assert of_kie(ours, "t-1", "key", NOW)
