"""Disputes: credits go back with the money, once, and return when the money does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import World
from tests.dashboard.fake_stripe import FakeStripe, fake_stripe, selling
from tests.dashboard.signed_in import SignedIn, signed_in
from tests.dashboard.test_billing import available, bought, grants, paid_event, tell

from kinetoscope.accounts import audit
from kinetoscope.kernel.credits import parse_credits
from kinetoscope.ledger import book, payments
from kinetoscope.settings import Settings

pytestmark = pytest.mark.anyio

CREATED = "charge.dispute.created"
WITHDRAWN = "charge.dispute.funds_withdrawn"
CLOSED = "charge.dispute.closed"


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with fake_stripe() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, stripe: FakeStripe) -> Settings:
    return selling(tmp_path, stripe)


async def paid(world: World, who: SignedIn, stripe: FakeStripe) -> str:
    """Buy the small pack; return the session's id."""
    session_id = await bought(who, stripe)
    await tell(world, paid_event(stripe, session_id))
    return session_id


async def state(world: World, who: SignedIn) -> str:
    (payment,) = await payments.listing(world.runtime.database, who.account_id, world.clock(), 10)
    return payment.state


async def actions(world: World, who: SignedIn) -> list[str]:
    noted = await audit.listing(world.runtime.database, who.account_id, None, 20)
    return [entry.action for entry in reversed(noted)]


async def test_a_dispute_that_is_lost_takes_back_once(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "50") as ada:
        session_id = await paid(world, ada, stripe)
        events = [
            *(stripe.dispute_event(kind, session_id) for kind in (CREATED, WITHDRAWN) * 6),
            stripe.dispute_event("charge.dispute.updated", session_id, status="under_review"),
        ]
        answers = await asyncio.gather(*(tell(world, event) for event in events))
        assert {answer.status_code for answer in answers} == {200}
        assert await available(world, ada.account_id) == "50"
        assert await state(world, ada) == "disputed"
        for _ in range(2):
            await tell(world, stripe.dispute_event(CLOSED, session_id, status="lost"))
        # Neither what comes late nor the payment's own event again changes anything.
        await tell(world, events[0])
        await tell(world, paid_event(stripe, session_id))
        assert await grants(world, ada.account_id) == [
            ("dispute", "-1000"),
            ("payment", "1000"),
            ("test", "50"),
        ]
        assert await state(world, ada) == "disputed"
        assert await actions(world, ada) == ["payment.begin", "payment.paid", "payment.disputed"]
        page = (await ada.client.get("/billing")).text
        assert page.count("Disputed") == 2
        place = f"/billing/payments/{stripe.sessions[session_id]['client_reference_id']}"
        assert "Your bank was asked" in (await ada.client.get(place)).text


async def test_a_dispute_that_is_won_gives_back_what_was_taken(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await paid(world, ada, stripe)
        spent = parse_credits("-970")
        await book.grant(
            world.runtime.database, ada.account_id, spent, reason="test", now=world.clock()
        )
        await tell(world, stripe.dispute_event(CREATED, session_id))
        assert await available(world, ada.account_id) == "0"
        won = stripe.dispute_event(CLOSED, session_id, status="won")
        await asyncio.gather(*(tell(world, won) for _ in range(8)))
        assert await available(world, ada.account_id) == "30"
        assert await state(world, ada) == "paid"
        await tell(world, stripe.dispute_event(CREATED, session_id))
        await tell(world, stripe.dispute_event(CLOSED, session_id, status="lost"))
        assert await available(world, ada.account_id) == "30"
        assert await state(world, ada) == "paid"
        assert (await actions(world, ada))[-2:] == ["payment.disputed", "payment.dispute_won"]
        noted = await audit.listing(world.runtime.database, ada.account_id, None, 2)
        assert [entry.detail for entry in noted] == [{"credits": "30"}, {"credits": "30"}]
        assert "Dispute won" in (await ada.client.get("/billing")).text


@pytest.mark.parametrize(
    ("status", "left"),
    [("won", "1000"), ("lost", "0")],
)
async def test_an_end_that_comes_first_settles_it(
    world: World, stripe: FakeStripe, status: str, left: str
):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await paid(world, ada, stripe)
        await tell(world, stripe.dispute_event(CLOSED, session_id, status=status))
        await tell(world, stripe.dispute_event(CREATED, session_id))
        assert await available(world, ada.account_id) == left


async def test_an_inquiry_takes_nothing_before_it_is_a_dispute(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await paid(world, ada, stripe)
        for kind, status in [(CREATED, "warning_needs_response"), (CLOSED, "warning_closed")]:
            await tell(world, stripe.dispute_event(kind, session_id, status=status))
        assert await available(world, ada.account_id) == "1000"
        await tell(world, stripe.dispute_event(WITHDRAWN, session_id))
        assert await available(world, ada.account_id) == "0"


async def test_nothing_is_taken_for_a_refund_and_a_dispute(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await paid(world, ada, stripe)
        await book.grant(
            world.runtime.database,
            ada.account_id,
            parse_credits("500"),
            reason="test",
            now=world.clock(),
        )
        half = stripe.charge_event("charge.refunded", session_id, amount_refunded=250)
        await tell(world, half)
        await tell(world, stripe.dispute_event(CREATED, session_id))
        assert await available(world, ada.account_id) == "500"
        rest = stripe.charge_event("charge.refunded", session_id, amount_refunded=500)
        await tell(world, rest)
        assert await available(world, ada.account_id) == "500"


async def test_a_dispute_before_its_payment_is_told_again_later(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        event = stripe.dispute_event(CREATED, session_id)
        assert (await tell(world, event)).status_code == 200  # may be another shop's
        await tell(world, stripe.charge_event("charge.succeeded", session_id))
        assert (await tell(world, event)).status_code == 409
        await tell(world, paid_event(stripe, session_id))
        assert (await tell(world, event)).status_code == 200
        assert await available(world, ada.account_id) == "0"


async def test_another_currency_is_for_a_person_to_look_at(world: World, stripe: FakeStripe):
    async with signed_in(world, "ada", "0") as ada:
        session_id = await paid(world, ada, stripe)
        await tell(world, stripe.dispute_event(CREATED, session_id, currency="eur"))
        assert await available(world, ada.account_id) == "1000"
        assert (await actions(world, ada))[-1] == "payment.differs"


async def test_what_cannot_be_noted_is_not_settled(
    world: World, stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object, **__: object) -> None:
        raise ConnectionError("the process ends here")

    async with signed_in(world, "ada", "0") as ada:
        session_id = await bought(ada, stripe)
        with monkeypatch.context() as patched:
            patched.setattr(audit, "note_within", broken)
            assert (await tell(world, paid_event(stripe, session_id))).status_code == 500
        assert await available(world, ada.account_id) == "0"
        # Told again, it is settled and noted.
        await tell(world, paid_event(stripe, session_id))
        assert await available(world, ada.account_id) == "1000"
        assert (await actions(world, ada))[-1] == "payment.paid"
