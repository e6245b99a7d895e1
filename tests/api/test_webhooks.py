"""What arrives at a callBackUrl when a task ends, over HTTP, at a real receiver."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Receiver, receiving
from tests.scripted import (
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    record,
    tools_for,
)

from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio

SECRET = "/api/v1/webhooks/secret"


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
def sender(world: World) -> Sender:
    return Sender(sender_parts(world.runtime, LOOPBACK))


async def ended(world: World, person: Person, url: str, order: Any = PICTURE) -> TaskId:
    """Create a task with a callBackUrl and let it succeed."""
    task_id = await create(world, person, {**order, "callBackUrl": url})
    done = done_video if order is VIDEO else done_pictures
    await advance(tools_for(world, ScriptedProvider(statuses=[done])), task_id)
    return task_id


async def test_a_success_is_told_in_the_envelope(
    world: World, alice: Person, receiver: Receiver, sender: Sender
):
    task_id = await ended(world, alice, receiver.url("/hook?a=1"), VIDEO)
    assert await sender.drain() == 1
    (got,) = receiver.received
    shown = await record(world, alice, task_id)
    assert got.path == "/hook?a=1"
    assert got.headers["Content-Type"] == "application/json"
    assert got.id == "msg_" + task_id.removeprefix("task_")
    assert got.data == {
        **shown,
        "state": "success",
        "orderId": "order_" + task_id.removeprefix("task_"),
        "updateTime": shown["completeTime"],
    }
    assert got.data["status"] == "success"
    assert got.data["output"][0]["url"] == shown["output"][0]["url"]
