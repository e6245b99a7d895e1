"""fal's webhooks at a real receiver, verified as fal's documentation says."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.conftest import Person, World
from tests.receiver import LOOPBACK, Received, Receiver, receiving
from tests.scripted import ScriptedProvider, StatusStep, done_video, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.dialects.fal import signing
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio

QUEUE = "/fal/queue/bytedance/seedance-2.0/text-to-video"
JWKS = "/fal/.well-known/jwks.json"


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


async def told_of(
    world: World, person: Person, receiver: Receiver, end: StatusStep
) -> tuple[str, Received]:
    """Make a task that ends so, and return what its receiver was told."""
    submitted = await world.client.post(
        QUEUE,
        params={"fal_webhook": receiver.url("/hook?a=1")},
        json={"prompt": "a sunset"},
        headers=person.headers,
    )
    task_id = submitted.json()["request_id"]
    await advance(tools_for(world, ScriptedProvider(statuses=[end])), TaskId(task_id))
    assert await Sender(sender_parts(world.runtime, LOOPBACK)).drain() == 1
    (received,) = receiver.received
    return task_id, received


def verified(received: Received, keys: list[dict[str, str]], body: bytes) -> bool:
    """Verify as https://docs.fal.ai/model-apis/model-endpoints/webhooks does, but for the clock."""
    headers = {name.lower(): value for name, value in received.headers.items()}
    message = "\n".join(
        [
            headers["x-fal-webhook-request-id"],
            headers["x-fal-webhook-user-id"],
            headers["x-fal-webhook-timestamp"],
            hashlib.sha256(body).hexdigest(),
        ]
    )
    signature = bytes.fromhex(headers["x-fal-webhook-signature"])
    for key in keys:
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
        try:
            public.verify(signature, message.encode())
        except InvalidSignature:
            continue
        return True
    return False


async def test_a_success_carries_the_result_and_a_signature(
    world: World, alice: Person, receiver: Receiver
):
    task_id, received = await told_of(world, alice, receiver, done_video)
    result = await world.client.get(f"{QUEUE}/requests/{task_id}", headers=alice.headers)
    assert json.loads(received.body) == {
        "request_id": task_id,
        "gateway_request_id": task_id,
        "status": "OK",
        "payload": result.json(),
    }
    assert received.path == "/hook?a=1"
    headers = received.headers
    assert headers["X-Fal-Webhook-Request-Id"] == task_id
    assert headers["X-Fal-Webhook-User-Id"] == alice.account_id
    assert headers["X-Fal-Webhook-Timestamp"] == str(int(world.clock().timestamp()))
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(headers)

    found = await world.client.get(JWKS)
    keys = found.json()["keys"]
    assert [(key["kty"], key["crv"]) for key in keys] == [("OKP", "Ed25519")]
    assert verified(received, keys, received.body)
    assert not verified(received, keys, received.body.replace(b"OK", b"KO"))
    assert not verified(received, signing.jwks(b"another deployment's")["keys"], received.body)
    assert found.json() == signing.jwks(world.runtime.signing_key)


async def test_a_failure_says_why(world: World, alice: Person, receiver: Receiver):
    failed = Failed(code="2038", message="Not this.")
    task_id, received = await told_of(world, alice, receiver, failed)
    told = json.loads(received.body)
    assert (told["status"], told["error"]) == ("ERROR", "Not this.")
    result = await world.client.get(f"{QUEUE}/requests/{task_id}", headers=alice.headers)
    assert (result.status_code, told["payload"]) == (422, result.json())
    assert verified(received, signing.jwks(world.runtime.signing_key)["keys"], received.body)
