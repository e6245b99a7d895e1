"""Where the operator grants credits: nothing is sold, and nobody can say that it was."""

import pytest
from tests.conftest import World
from tests.dashboard.fake_stripe import event, signature
from tests.dashboard.signed_in import signed_in

pytestmark = pytest.mark.anyio


async def test_without_stripe_there_is_nothing_to_buy(world: World):
    async with signed_in(world, "ada", "0") as ada:
        page = await ada.client.get("/billing")
        assert "grants credits here" in page.text
        assert "Nothing has moved yet" in page.text
        answer = await ada.client.post("/billing/buy", data={"pack": "100000-500"})
        assert answer.status_code == 404
        assert await world.count("payment") == 0


async def test_without_a_secret_nothing_is_heard(world: World):
    body = event("checkout.session.completed", {"id": "cs_1", "payment_status": "paid"})
    headers = signature(body, world.clock().timestamp(), "")
    answer = await world.client.post("/api/stripe/webhook", content=body, headers=headers)
    assert answer.status_code == 404


async def test_the_operator_is_told_the_command(world: World):
    async with signed_in(world, "root", is_operator=True) as root:
        page = await root.client.get("/billing")
        assert "kinetoscope credits grant --account root@example.com 1000" in page.text
