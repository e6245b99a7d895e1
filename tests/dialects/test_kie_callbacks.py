"""kie.ai's webhooks at a real receiver, verified as their page shows it."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Received, Receiver, receiving
from tests.scripted import ScriptedProvider, create, done_video, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed, Status
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio

INPUT = {"prompt": "a sunset", "resolution": "480p"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def secret_of(world: World, person: Person) -> str:
    response = await world.client.post("/api/v1/webhooks/secret", json={}, headers=person.headers)
    assert response.is_success, response.text
    return str(response.json()["secret"])


def verified(received: Received, key: str) -> bool:
    """Verify as https://docs.kie.ai/common-api/webhook-verification does."""
    timestamp = received.headers["X-Webhook-Timestamp"]
    task_id = json.loads(received.body)["data"]["task_id"]
    message = f"{task_id}.{timestamp}".encode()
    computed = base64.b64encode(hmac.new(key.encode(), message, hashlib.sha256).digest())
    return hmac.compare_digest(computed.decode(), received.headers["X-Webhook-Signature"])


async def told_of(
    world: World, person: Person, receiver: Receiver, end: Status
) -> tuple[TaskId, Received]:
    body = {"model": "bytedance/seedance-2", "input": INPUT, "callBackUrl": receiver.url("/kie")}
    response = await world.client.post(
        "/kie/api/v1/jobs/createTask", json=body, headers=person.headers
    )
    task_id = TaskId(response.json()["data"]["taskId"])
    await advance(tools_for(world, ScriptedProvider(statuses=[end])), task_id)
    await Sender(sender_parts(world.runtime, LOOPBACK)).drain()
    (received,) = receiver.received
    return task_id, received


async def test_a_success_carries_the_record_under_200(
    world: World, alice: Person, receiver: Receiver
):
    secret = await secret_of(world, alice)
    task_id, received = await told_of(world, alice, receiver, done_video)  # type: ignore[arg-type]
    body = json.loads(received.body)
    shown = await world.client.get(
        "/kie/api/v1/jobs/recordInfo", params={"taskId": task_id}, headers=alice.headers
    )
    assert (body["code"], body["msg"]) == (200, "Playground task completed successfully.")
    assert body["data"] == {**shown.json()["data"], "task_id": task_id}
    param = json.loads(body["data"]["param"])
    assert param["callBackUrl"] == receiver.url("/kie")
    assert verified(received, secret)
    assert not verified(received, "whsec_another")


async def test_a_failure_carries_501(world: World, alice: Person, receiver: Receiver):
    secret = await secret_of(world, alice)
    failed = Failed(code="500", message="Broken.")
    task_id, received = await told_of(world, alice, receiver, failed)
    body = json.loads(received.body)
    assert (body["code"], body["msg"]) == (501, "Playground task failed.")
    data = body["data"]
    assert (data["taskId"], data["state"]) == (task_id, "fail")
    assert (data["failCode"], data["failMsg"]) == ("500", "Broken.")
    assert verified(received, secret)


async def test_a_task_of_the_native_contract_is_told_in_its_own_words(
    world: World, alice: Person, receiver: Receiver
):
    order = {"model": "seedance-20", "inputs": INPUT, "callBackUrl": receiver.url("/own")}
    task_id = await create(world, alice, order)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    await Sender(sender_parts(world.runtime, LOOPBACK)).drain()
    (received,) = receiver.received
    assert received.data["status"] == "success"
    assert "X-Webhook-Signature" not in received.headers
