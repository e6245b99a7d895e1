"""OpenAI's webhooks at a real receiver, verified by OpenAI's own client (behaviour 17)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import openai
import orjson
import pytest
from openai import OpenAI
from tests.conftest import MovedClock, Person, World
from tests.receiver import LOOPBACK, Receiver, receiving
from tests.scripted import ScriptedProvider, StatusStep, done_pictures, done_video, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.dialects.openai.callback import telling
from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import Settings
from kinetoscope.tasks import whole
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks.sender import Sender

pytestmark = pytest.mark.anyio

VERIFIER = OpenAI(api_key="none", base_url="http://127.0.0.1:1")


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


def move_to_the_present(clock: MovedClock) -> None:
    """The verifier compares with the machine's clock."""
    clock.moment = system_clock()


async def secret_of(world: World, person: Person) -> str:
    response = await world.client.post("/api/v1/webhooks/secret", json={}, headers=person.headers)
    return str(response.json()["secret"])


@pytest.mark.parametrize(
    ("end", "type_"),
    [(done_video, "video.completed"), (Failed(code="x", message="no"), "video.failed")],
    ids=["completed", "failed"],
)
async def test_a_videos_end_is_told_and_believed(
    world: World,
    alice: Person,
    receiver: Receiver,
    end: StatusStep,
    type_: str,
):
    move_to_the_present(world.clock)
    secret = await secret_of(world, alice)
    form = {"model": "seedance2.0-mini", "prompt": "a kite", "callBackUrl": receiver.url()}
    fields = {name: (None, value) for name, value in form.items()}
    made = await world.client.post("/v1/videos", files=fields, headers=alice.headers)
    task_id = TaskId(made.json()["id"])
    await advance(tools_for(world, ScriptedProvider(statuses=[end])), task_id)
    await Sender(sender_parts(world.runtime, LOOPBACK)).drain()
    (received,) = receiver.received
    assert orjson.loads(received.body) == {
        "id": "evt_" + task_id.removeprefix("task_"),
        "object": "event",
        "created_at": int(world.clock().timestamp()),
        "type": type_,
        "data": {"id": task_id},
    }
    event = VERIFIER.webhooks.unwrap(received.body, dict(received.headers), secret=secret)
    assert (event.type, event.data.id) == (type_, task_id)  # type: ignore[union-attr]
    forged = received.body.replace(b"evt_", b"evt-")
    with pytest.raises(openai.InvalidWebhookSignatureError):
        VERIFIER.webhooks.unwrap(forged, dict(received.headers), secret=secret)


async def test_what_is_no_video_is_told_by_its_kind(world: World, alice: Person):
    body = {"model": "gpt-image-2", "inputs": {"prompt": "a kite"}}
    made = await world.client.post("/api/v1/jobs/createTask", json=body, headers=alice.headers)
    task_id = TaskId(made.json()["taskId"])
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    found = await whole.told(world.runtime.database, task_id, world.clock())
    assert found is not None
    assert orjson.loads(telling(world.runtime, found).body)["type"] == "image.completed"
