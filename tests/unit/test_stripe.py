"""Stripe's wire: signatures as the SDK makes and checks them, events, the order for a checkout."""

import json
import time
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qs

import pytest
import stripe as sdk
from hypothesis import given
from hypothesis import strategies as st
from stripe import StripeClient, WebhookSignature
from tests.dashboard.fake_stripe import KEY, SECRET, event, fake_stripe, signature

from kinetoscope.kernel.calling import Answer, Caller
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId
from kinetoscope.ledger import stripe
from kinetoscope.ledger.payments import Payment
from kinetoscope.ledger.settling import ChargeNews, SessionNews
from kinetoscope.ledger.stripe import NotTaken, Shop

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
BODY = b'{"id": "evt_1", "object": "event"}'

PAYMENT = Payment(
    id="pay_abc",
    account_id=AccountId("acct_1"),
    person_id="person_1",
    credits=Credits(100_000),
    amount_minor=500,
    currency="usd",
    state="open",
    session_id=None,
    checkout_url=None,
    receipt_url=None,
    refunded_minor=0,
    taken_back=Credits(0),
    created_at=NOW,
    paid_at=None,
    refunded_at=None,
)


def sdk_agrees(body: bytes, header: str, secret: str) -> bool:
    try:
        WebhookSignature.verify_header(body, header, secret, 300)
    except sdk.SignatureVerificationError:
        return False
    return True


def header_of(at_s: float, body: bytes = BODY, secret: str = SECRET) -> str:
    return signature(body, at_s, secret)["Stripe-Signature"]


def test_we_and_the_sdk_agree_on_good_and_bad_signatures():
    now_s = time.time()  # noqa: TID251 - the SDK looks at the clock itself
    now = datetime.fromtimestamp(now_s, UTC)
    good = header_of(now_s)
    moment, mac = good.split(",")
    other = header_of(now_s, secret="whsec_other")
    cases = {
        good: True,
        f"{moment},v1={'0' * 64},{mac}": True,  # two, while the secret is being replaced
        f"{moment},v0={'0' * 64},{mac}": True,
        header_of(now_s - 290): True,
        header_of(now_s - 310): False,
        other: False,
        f"{moment},{mac[:-1]}": False,
        f"{moment},{mac}0": False,
        f"{moment},v0={mac.removeprefix('v1=')}": False,
        f"t={int(now_s) - 1},{mac}": False,
        moment: False,
        mac: False,
        f"t=,{mac}": False,
        f"t=x,{mac}": False,
        "": False,
        "nonsense": False,
    }
    for header, is_good in cases.items():
        assert sdk_agrees(BODY, header, SECRET) is is_good, header
        assert stripe.signed(header, BODY, SECRET, now) is is_good, header
    assert not stripe.signed(good, BODY + b" ", SECRET, now)
    assert not sdk_agrees(BODY + b" ", good, SECRET)


def test_a_signature_from_the_future_or_without_a_secret_is_none():
    header = header_of(NOW.timestamp() + 301)
    assert not stripe.signed(header, BODY, SECRET, NOW)
    assert stripe.signed(header_of(NOW.timestamp() + 299), BODY, SECRET, NOW)
    assert not stripe.signed(header_of(NOW.timestamp(), secret="x"), BODY, "", NOW)


@given(st.text(max_size=200), st.binary(max_size=50))
def test_no_header_and_no_body_breaks_the_reader(header: str, body: bytes):
    assert not stripe.signed(header, body, SECRET, NOW)
    stripe.read_event(body)


SESSION: dict[str, Any] = {
    "id": "cs_1",
    "metadata": {"payment_id": "pay_abc"},
    "client_reference_id": "pay_abc",
    "payment_status": "paid",
    "amount_total": 500,
    "currency": "usd",
}


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("checkout.session.completed", "paid", "paid"),
        ("checkout.session.completed", "unpaid", "pending"),
        ("checkout.session.async_payment_succeeded", "paid", "paid"),
        ("checkout.session.async_payment_failed", "unpaid", "failed"),
        ("checkout.session.expired", "unpaid", "expired"),
    ],
)
def test_what_a_session_event_says(
    kind: str, status: str, state: Literal["pending", "paid", "failed", "expired"]
):
    news = stripe.read_event(event(kind, {**SESSION, "payment_status": status}))
    assert news == SessionNews(
        payment_id="pay_abc",
        session_id="cs_1",
        intent_id=None,
        state=state,
        amount_minor=500,
        currency="usd",
    )


def test_what_a_charge_event_says():
    about = {
        "id": "ch_1",
        "metadata": {"payment_id": "pay_abc"},
        "amount_refunded": 200,
        "currency": "usd",
        "receipt_url": "https://pay.stripe.com/receipts/x",
    }
    assert stripe.read_event(event("charge.refunded", about)) == ChargeNews(
        payment_id="pay_abc",
        intent_id=None,
        receipt_url="https://pay.stripe.com/receipts/x",
        refunded_minor=200,
        currency="usd",
    )
    hostile = {**about, "receipt_url": "javascript:alert(1)", "amount_refunded": -5}
    news = stripe.read_event(event("charge.succeeded", hostile))
    assert isinstance(news, ChargeNews)
    assert (news.receipt_url, news.refunded_minor) == (None, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"type": 1}',
        b'{"type": "charge.refunded", "data": []}',
        event("customer.created", SESSION),
        event("checkout.session.completed", {**SESSION, "payment_status": "no_payment_required"}),
        event("checkout.session.completed", {**SESSION, "id": None}),
        event("checkout.session.completed", {"id": "cs_1", "metadata": None}),
    ],
)
def test_what_is_of_no_interest(body: bytes):
    assert stripe.read_event(body) is None


def test_an_amount_that_is_no_number_is_no_amount():
    news = stripe.read_event(event("checkout.session.completed", {**SESSION, "amount_total": True}))
    assert isinstance(news, SessionNews)
    assert news.amount_minor is None


def test_the_order_for_a_checkout():
    call = stripe.create(
        Shop(url="https://api.stripe.com", key=KEY), PAYMENT, "http://a/", "http://b/"
    )
    assert (call.method, call.url) == ("POST", "https://api.stripe.com/v1/checkout/sessions")
    assert call.headers["Idempotency-Key"] == "pay_abc"
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert isinstance(call.content, bytes)
    assert parse_qs(call.content.decode()) == {
        "mode": ["payment"],
        "client_reference_id": ["pay_abc"],
        "metadata[payment_id]": ["pay_abc"],
        "payment_intent_data[metadata][payment_id]": ["pay_abc"],
        "line_items[0][quantity]": ["1"],
        "line_items[0][price_data][currency]": ["usd"],
        "line_items[0][price_data][unit_amount]": ["500"],
        "line_items[0][price_data][product_data][name]": ["1000 credits"],
        "adaptive_pricing[enabled]": ["false"],
        "success_url": ["http://a/"],
        "cancel_url": ["http://b/"],
    }


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"type": "invalid_request_error", "message": "sk_test_… is wrong"}}),
        (200, {"id": "cs_1"}),
        (200, {"id": "cs_1", "url": "javascript:alert(1)"}),
        (200, {"id": "cs_1", "url": "http://plain.example/"}),
    ],
)
def test_an_answer_that_is_no_checkout(status: int, body: object):
    answer = Answer(status=status, headers={}, body=json.dumps(body).encode())
    with pytest.raises(NotTaken) as raised:
        stripe.checkout(Shop(url="https://api.stripe.com", key=KEY), answer)
    assert "sk_test" not in str(raised.value)


@pytest.mark.anyio
async def test_the_fake_has_stripes_shape_and_takes_our_order_like_the_sdks():
    with fake_stripe() as fake:
        client = StripeClient(KEY, base_addresses={"api": fake.url})
        theirs = client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "client_reference_id": "pay_abc",
                "metadata": {"payment_id": "pay_abc"},
                "payment_intent_data": {"metadata": {"payment_id": "pay_abc"}},
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {
                            "currency": "usd",
                            "unit_amount": 500,
                            "product_data": {"name": "1000 credits"},
                        },
                    }
                ],
                "adaptive_pricing": {"enabled": False},
                "success_url": "http://a/",
                "cancel_url": "http://b/",
            },
            {"idempotency_key": "pay_abc"},
        )
        assert theirs.amount_total == 500
        again = client.v1.checkout.sessions.retrieve(theirs.id)
        assert (again.url, again.payment_status) == (theirs.url, "unpaid")
        shop, caller = Shop(url=fake.url, key=KEY), Caller()
        answer = await caller.call(stripe.create(shop, PAYMENT, "http://a/", "http://b/"))
        await caller.close()
        # Word for word what the SDK sends: with the same Idempotency-Key it is the same session.
        assert fake.asked[0] == fake.asked[1]
        ours = stripe.checkout(shop, answer)
        assert (ours.session_id, ours.url) == (theirs.id, theirs.url)
        with pytest.raises(sdk.InvalidRequestError):
            client.v1.checkout.sessions.create({"mode": "payment", "success_url": "http://a/"})
        with pytest.raises(sdk.AuthenticationError):
            StripeClient(
                "sk_test_wrong", base_addresses={"api": fake.url}
            ).v1.checkout.sessions.create({"mode": "payment"})
        told = sdk.Webhook.construct_event(
            event("checkout.session.completed", fake.sessions[theirs.id]),
            header_of(
                time.time(),  # noqa: TID251 - the SDK looks at the clock itself
                event("checkout.session.completed", fake.sessions[theirs.id]),
            ),
            SECRET,
        )
        assert told.data.object["client_reference_id"] == "pay_abc"
