"""Row 20 of the acceptance list: what a webhook carries, for a success and for a failure."""

from dataclasses import replace

import pytest
from tests.conftest import World
from tests.receiver import LOOPBACK, ended, listed, receiving
from tests.scripted import PICTURE, ScriptedProvider, create, record, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


@pytest.mark.parametrize("answer", [200, 201, 204])
async def test_row_20_a_webhook_has_the_envelope_and_any_2xx_is_enough(world: World, answer: int):
    alice = await world.person("alice")
    sender = Sender(sender_parts(world.runtime, LOOPBACK))
    async with receiving() as receiver:
        receiver.answers.append(answer)
        task_id = await ended(world, alice, receiver.url())
        order = {**PICTURE, "callBackUrl": receiver.url()}
        failing = await create(world, alice, order)
        broken = ScriptedProvider(statuses=[Failed(code="2038", message="Not this.")])
        await advance(tools_for(world, broken), failing)
        await sender.drain()
        told = {received.data["taskId"]: received.data for received in receiver.received}
    for name in (task_id, failing):
        shown = await record(world, alice, name)
        number = name.removeprefix("task_")
        assert told[name] == {
            **shown,
            "state": shown["status"],
            "orderId": f"order_{number}",
            "updateTime": shown["completeTime"],
        }
    assert told[task_id]["status"] == told[task_id]["state"] == "success"
    assert told[failing]["state"] == "fail"
    assert told[failing]["error"] == {"code": "2038", "message": "Not this."}
    states = {delivery["state"] for delivery in await listed(world, alice)}
    assert states == {"delivered"}
