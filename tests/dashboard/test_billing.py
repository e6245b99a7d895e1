"""Billing: the balance and its ledger, buying credits at Stripe, alerts."""

import asyncio
import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.conftest import World
from tests.dashboard.fake_stripe import FakeStripe, fake_stripe, selling, signature
from tests.dashboard.signed_in import SignedIn, client_of, join, signed_in
from tests.dashboard.with_key import key_of
from tests.scripted import PICTURE, create

from kinetoscope.accounts import accounts, alerts, audit
from kinetoscope.kernel.credits import format_credits, parse_credits
from kinetoscope.kernel.ids import AccountId, TaskId
from kinetoscope.ledger import book, payments
from kinetoscope.ledger.statement import statement
from kinetoscope.settings import Settings

pytestmark = pytest.mark.anyio

HOOK = "/api/stripe/webhook"
PACK = {"pack": "100000-500"}


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with fake_stripe() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, stripe: FakeStripe) -> Settings:
    return selling(tmp_path, stripe)


async def available(world: World, account_id: AccountId) -> str:
    account = await accounts.by_id(world.runtime.database, account_id)
    return format_credits(account.available)


async def grants(world: World, account_id: AccountId) -> list[tuple[str, str]]:
    lines = await statement(world.runtime.database, account_id, None, 100, "grant")
    return [(line.reason.split()[0], format_credits(line.available)) for line in lines]


async def tell(world: World, body: bytes) -> httpx.Response:
    """Deliver an event, signed with the SDK."""
    return await world.client.post(
        HOOK, content=body, headers=signature(body, world.clock().timestamp())
    )


def paid_event(stripe: FakeStripe, session_id: str) -> bytes:
    return stripe.event("checkout.session.completed", session_id, payment_status="paid")


async def bought(who: SignedIn, stripe: FakeStripe) -> str:
    """Begin to buy the small pack; return the session's id."""
    answer = await who.client.post("/billing/buy", data=PACK)
    assert answer.status_code == 303, answer.text
    return list(stripe.sessions)[-1]


async def test_a_story_of_buying(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "10") as ada:
        page = await ada.client.get("/billing")
        assert "$5.00" in page.text
        assert "$90.00" in page.text
        answer = await ada.client.post("/billing/buy", data=PACK)
        assert answer.status_code == 303
        place = answer.headers["location"]
        assert re.fullmatch(r"/billing/payments/pay_[0-9a-z]{24}", place)
        payment_id = place.rpartition("/")[2]
        # What Stripe was asked, and that we led to what it answered.
        (asked,) = stripe.asked
        assert asked["idempotency-key"] == asked["client_reference_id"] == payment_id
        assert asked["line_items[0][price_data][unit_amount]"] == "500"
        assert asked["success_url"] == f"http://kinetoscope.test{place}?back=1"
        (session_id,) = stripe.sessions
        waiting = await ada.client.get(place)
        assert f'href="{stripe.url}/c/pay/{session_id}"' in waiting.text
        # Coming back proves nothing.
        back = await ada.client.get(f"{place}?back=1")
        assert "Waiting for Stripe" in back.text
        still = await ada.client.get(f"{place}?back=1", headers={"HX-Request": "true"})
        assert still.status_code == 204
        assert await available(world, ada.account_id) == "10"
        # Stripe says that it is paid.
        paid = stripe.event("checkout.session.completed", session_id, payment_status="paid")
        told = await tell(world, paid)
        assert (told.status_code, told.json()) == (200, {})
        assert await available(world, ada.account_id) == "1010"
        assert await grants(world, ada.account_id) == [("payment", "1000"), ("test", "10")]
        moved = await ada.client.get(f"{place}?back=1", headers={"HX-Request": "true"})
        assert moved.headers["hx-redirect"] == place
        assert "The credits are yours" in (await ada.client.get(place)).text
        noted = await audit.listing(world.runtime.database, ada.account_id, None, 10)
        assert [entry.action for entry in noted] == ["payment.paid", "payment.begin"]
        assert noted[0].detail == {"credits": "1000"}


async def test_a_receipt_comes_with_the_charge(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada:
        session_id = await bought(ada, stripe)
        await tell(world, stripe.charge_event("charge.succeeded", session_id))
        await tell(world, paid_event(stripe, session_id))
        page = await ada.client.get("/billing")
        assert "https://pay.stripe.com/receipts/payment/abc" in page.text
        assert "Bought" in page.text


async def test_a_script_is_led_to_stripe_at_once(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada:
        answer = await ada.client.post("/billing/buy", data=PACK, headers={"HX-Request": "true"})
        (session,) = stripe.sessions.values()
        assert answer.headers["hx-redirect"] == session["url"]


async def test_many_deliveries_at_once_grant_once(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        kinds = ["checkout.session.completed", "checkout.session.async_payment_succeeded"] * 10
        events = [stripe.event(kind, session_id, payment_status="paid") for kind in kinds]
        events += [stripe.charge_event("charge.succeeded", session_id)] * 5
        answers = await asyncio.gather(*(tell(world, event) for event in events))
        assert {answer.status_code for answer in answers} == {200}
        assert await available(world, ada.account_id) == "1000"
        assert await grants(world, ada.account_id) == [("payment", "1000")]
        # Days later, again.
        world.clock.move(timedelta(days=3))
        await tell(world, events[0])
        assert await grants(world, ada.account_id) == [("payment", "1000")]


async def test_many_refunds_at_once_take_back_once(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "50") as ada:
        session_id = await bought(ada, stripe)
        await tell(
            world, stripe.event("checkout.session.completed", session_id, payment_status="paid")
        )
        refund = stripe.charge_event(
            "charge.refunded", session_id, refunded=True, amount_refunded=500
        )
        await asyncio.gather(*(tell(world, refund) for _ in range(12)))
        assert await available(world, ada.account_id) == "50"
        assert await grants(world, ada.account_id) == [
            ("refund", "-1000"),
            ("payment", "1000"),
            ("test", "50"),
        ]
        # The payment's own event once more grants nothing.
        await tell(
            world, stripe.event("checkout.session.completed", session_id, payment_status="paid")
        )
        assert await available(world, ada.account_id) == "50"
        assert "Refunded" in (await ada.client.get("/billing")).text


async def test_a_refund_takes_no_more_than_there_is(world: World, stripe: FakeStripe):
    database = world.runtime.database
    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        await tell(
            world, stripe.event("checkout.session.completed", session_id, payment_status="paid")
        )
        # Most of it is gone by now.
        await book.grant(
            database, ada.account_id, parse_credits("-970"), reason="test", now=world.clock()
        )
        refund = stripe.charge_event("charge.refunded", session_id, amount_refunded=500)
        assert (await tell(world, refund)).status_code == 200
        assert await available(world, ada.account_id) == "0"
        payment = (await payments.listing(database, ada.account_id, world.clock(), 10))[0]
        assert (payment.state, format_credits(payment.taken_back)) == ("refunded", "30")


async def test_part_of_the_money_takes_back_its_part(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "50") as ada:
        session_id = await bought(ada, stripe)
        await tell(
            world, stripe.event("checkout.session.completed", session_id, payment_status="paid")
        )
        for cents, left in ((200, "650"), (200, "650"), (350, "350"), (300, "350"), (500, "50")):
            event = stripe.charge_event("charge.refunded", session_id, amount_refunded=cents)
            await tell(world, event)
            assert await available(world, ada.account_id) == left


async def test_news_in_another_order(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "50") as ada:
        paid, failed, late = [await bought(ada, stripe) for _ in range(3)]
        # Refunded before it was told that it was paid: nothing is granted.
        await tell(world, stripe.charge_event("charge.refunded", paid, amount_refunded=500))
        await tell(world, stripe.event("checkout.session.completed", paid, payment_status="paid"))
        assert await available(world, ada.account_id) == "50"
        # A slow way of paying: complete, then failed; and late news of its beginning.
        await tell(world, stripe.event("checkout.session.completed", failed))
        await tell(world, stripe.event("checkout.session.async_payment_failed", failed))
        await tell(world, stripe.event("checkout.session.completed", failed))
        # Paid, then news that it is under way, then that it expired.
        kind = "checkout.session.async_payment_succeeded"
        await tell(world, stripe.event(kind, late, payment_status="paid"))
        await tell(world, stripe.event("checkout.session.completed", late))
        await tell(world, stripe.event("checkout.session.expired", late))
        assert await available(world, ada.account_id) == "1050"
        found = await payments.listing(world.runtime.database, ada.account_id, world.clock(), 10)
        assert {payment.session_id: payment.state for payment in found} == {
            paid: "refunded",
            failed: "failed",
            late: "paid",
        }


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_total": 499},
        {"amount_total": None},
        {"amount_total": "500"},
        {"currency": "jpy"},
        {"id": "cs_other"},
    ],
)
async def test_another_amount_currency_or_session_grants_nothing(
    world: World, stripe: FakeStripe, changes: dict[str, object]
):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        kind = "checkout.session.completed"
        event = stripe.event(kind, session_id, **{"payment_status": "paid", **changes})
        assert (await tell(world, event)).status_code == 200
        assert await grants(world, ada.account_id) == []
        noted = await audit.listing(world.runtime.database, ada.account_id, None, 1)
        assert noted[0].action == "payment.differs"


async def test_a_session_of_somebody_elses_does_nothing(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        unknown: list[dict[str, object]] = [
            {"metadata": {"payment_id": "pay_unknown"}},
            {"metadata": {}, "client_reference_id": None},
        ]
        for changes in unknown:
            event = stripe.event(
                "checkout.session.completed", session_id, payment_status="paid", **changes
            )
            answer = await tell(world, event)
            assert (answer.status_code, answer.json()) == (200, {})
        assert await grants(world, ada.account_id) == []


async def test_a_bad_signature_does_nothing(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        event = stripe.event("checkout.session.completed", session_id, payment_status="paid")
        now_s = world.clock().timestamp()
        for headers in (
            {},
            signature(event, now_s, "whsec_wrong"),
            signature(event, now_s - 301),
            signature(event + b" ", now_s),
        ):
            answer = await world.client.post(HOOK, content=event, headers=headers)
            assert answer.status_code == 400
        assert await grants(world, ada.account_id) == []
        assert await world.count("audit_entry") == 1  # that it was begun


async def test_a_lost_answer_is_asked_for_again(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada:
        stripe.dropping = 1
        await bought(ada, stripe)
        assert len(stripe.asked) == 2
        assert stripe.asked[0] == stripe.asked[1]
        assert len(stripe.sessions) == 1


async def test_a_stripe_that_fails_sells_nothing(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        stripe.failing = 1
        answer = await ada.client.post("/billing/buy", data=PACK)
        assert answer.status_code == 502
        assert "nothing was bought" in answer.text
        stripe.failing = 1
        headers = {"HX-Request": "true"}
        note = await ada.client.post("/billing/buy", data=PACK, headers=headers)
        assert note.status_code == 502
        assert "hx-partial" in note.text
        assert await world.count("audit_entry") == 0
        assert "Payments" not in (await ada.client.get("/billing")).text


async def test_only_what_is_sold_can_be_bought(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada:
        for pack in ("100000-1", "", "99999999-500"):
            answer = await ada.client.post("/billing/buy", data={"pack": pack})
            assert answer.status_code == 400
        assert stripe.asked == []
        assert await world.count("payment") == 0


async def test_nobody_has_us_ask_stripe_for_ever(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada:
        sessions = [await bought(ada, stripe) for _ in range(20)]
        assert (await ada.client.post("/billing/buy", data=PACK)).status_code == 409
        assert len(stripe.asked) == 20
        # One that is paid makes room, and so does time.
        await tell(world, paid_event(stripe, sessions[0]))
        await bought(ada, stripe)
        assert (await ada.client.post("/billing/buy", data=PACK)).status_code == 409
        world.clock.move(timedelta(hours=1))
        await bought(ada, stripe)


async def test_members_look_and_owners_buy(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada, signed_in(world, "bob") as bob:
        session_id = await bought(ada, stripe)
        place = f"/billing/payments/{stripe.sessions[session_id]['client_reference_id']}"
        # Somebody of another account.
        assert (await bob.client.get(place)).status_code == 404
        await join(world, bob.person_id, ada.account_id, "member")
        async with client_of(world, bob.person_id, ada.account_id) as (client, _):
            assert (await client.get(place)).status_code == 200
            assert (await client.get("/billing")).status_code == 200
            assert (await client.post("/billing/buy", data=PACK)).status_code == 403
            assert (await client.post("/billing/alert", data={"below": "5"})).status_code == 403
        assert len(stripe.asked) == 1


async def test_a_payment_cannot_be_gone_on_with_for_ever(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada") as ada:
        session_id = await bought(ada, stripe)
        place = f"/billing/payments/{stripe.sessions[session_id]['client_reference_id']}"
        world.clock.move(timedelta(hours=11))
        assert "Pay $5.00 at Stripe" in (await ada.client.get(place)).text
        await tell(world, stripe.event("checkout.session.expired", session_id))
        assert "Nothing was paid" in (await ada.client.get(place)).text
        assert "Payments</h2>" not in (await ada.client.get("/billing")).text


async def test_the_alert_is_told_and_can_be_taken_away(world: World):
    async with signed_in(world, "ada", "100") as ada:
        for below in ("many", "-1", "1.234", "9" * 30):
            answer = await ada.client.post("/billing/alert", data={"below": below})
            assert answer.status_code == 422
            assert "Enter an amount" in answer.text
        assert (await ada.client.post("/billing/alert", data={"below": "100"})).status_code == 303
        assert "You asked to be told" not in (await ada.client.get("/billing")).text
        await ada.client.post("/billing/alert", data={"below": "100.01"})
        for path in ("/billing", "/usage"):
            assert "You asked to be told below 100.01" in (await ada.client.get(path)).text
        assert (await alerts.of_account(world.runtime.database, ada.account_id)).is_low
        await ada.client.post("/billing/alert", data={"below": ""})
        assert "You asked to be told" not in (await ada.client.get("/billing")).text
        assert not (await alerts.of_account(world.runtime.database, ada.account_id)).is_low


async def moved(world: World, ada: SignedIn) -> list[TaskId]:
    """Let credits of an account move: some are held twice, and given back once."""
    key = await key_of(world, ada)
    task_ids = [await create(world, key, PICTURE) for _ in range(2)]
    cancelled = await world.client.post(
        "/api/v1/jobs/cancelTask", json={"taskId": task_ids[0]}, headers=key.headers
    )
    assert cancelled.status_code == 200
    return task_ids


async def test_the_ledger_by_pages_kinds_and_as_a_file(world: World):
    async with signed_in(world, "ada", "1000") as ada:
        task_ids = await moved(world, ada)
        page = await ada.client.get("/billing")
        assert all(f'href="/tasks/{task_id}"' in page.text for task_id in task_ids)
        assert all(what in page.text for what in ("Granted", "Held", "Given back"))
        whole = await statement(world.runtime.database, ada.account_id, None, 10)
        held = await statement(world.runtime.database, ada.account_id, None, 10, "hold")
        assert held == [line for line in whole if line.kind == "hold"]
        older = await statement(world.runtime.database, ada.account_id, held[0].id, 10, "hold")
        assert older == held[1:]
        shown = await ada.client.get("/billing?kind=hold")
        assert "Given back</span>" not in shown.text
        assert (await ada.client.get("/billing?kind=nonsense&before=x")).status_code == 200
        file = await ada.client.get("/billing.csv")
        assert file.headers["content-disposition"] == (
            'attachment; filename="ledger-2026-11-23.csv"'
        )
        rows = list(csv.DictReader(io.StringIO(file.text)))
        assert [row["kind"] for row in rows] == [line.kind for line in reversed(whole)]
        assert [row["available_after"] for row in rows] == [
            format_credits(line.available_after) for line in reversed(whole)
        ]
        assert rows[1]["task"] == task_ids[0]
        only = await ada.client.get("/billing.csv?kind=release")
        assert [row["kind"] for row in csv.DictReader(io.StringIO(only.text))] == ["release"]


async def test_a_long_ledger_has_pages(world: World):
    async with signed_in(world, "ada", "1") as ada:
        for _ in range(30):
            await book.grant(
                world.runtime.database,
                ada.account_id,
                parse_credits("1"),
                reason="=cmd",
                now=world.clock(),
            )
        page = await ada.client.get("/billing")
        before = re.search(r"before=([0-9]+)", page.text)
        assert before is not None
        older = await ada.client.get(f"/billing?before={before[1]}")
        assert page.text.count('data-entry="grant"') == 25
        assert older.text.count('data-entry="grant"') == 6
        # A spreadsheet takes nothing for a formula.
        assert "'=cmd" in (await ada.client.get("/billing.csv")).text
