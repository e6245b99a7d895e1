"""Replicate's webhooks end to end: which events are told, of what, and believed by its verifier."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from replicate.prediction import Prediction
from replicate.webhook import (
    InvalidSignatureError,
    Webhooks,
    WebhookSigningSecret,
)
from tests.conftest import Person, World
from tests.dialects.replicate_calls import ask, predict, shown
from tests.receiver import LOOPBACK, Receiver, receiving
from tests.scripted import ScriptedProvider, create, done_video, record, tools_for

from kinetoscope.cli.sending import sender_parts
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed, Polling, Working
from kinetoscope.settings import Settings
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks import outbox
from kinetoscope.webhooks.deliver import deliver
from kinetoscope.webhooks.outbox import Room

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=1, delay_s_max=1)
ROOM = Room(total=100, per_lane=100, by_lane={}, full_accounts=())
LEASE = timedelta(minutes=1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_networks=LOOPBACK.allowed_networks)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def send_all(world: World) -> None:
    """Deliver what is due, one after the other, as the sender does."""
    parts = sender_parts(world.runtime, LOOPBACK)
    for claimed in await outbox.claim_due(world.runtime.database, ROOM, world.clock(), LEASE):
        assert await deliver(parts, claimed)


async def made_with(world: World, alice: Person, **further: object) -> str:
    """Make a prediction in two looks and an end, delivering what is due after each."""
    made = await predict(world, alice, **further)  # type: ignore[arg-type]
    provider = ScriptedProvider(
        statuses=[Working(progress=0.1), Working(progress=0.6), done_video], polling=POLLING
    )

    async def meanwhile() -> None:
        await send_all(world)

    tools = tools_for(world, provider, meanwhile=meanwhile)
    await advance(tools, TaskId(made["id"]))
    await send_all(world)
    return str(made["id"])


async def test_by_default_start_logs_and_the_end_are_told(
    world: World, alice: Person, receiver: Receiver
):
    """Behaviour 17: the client's own verifier believes each, and no other body."""
    task_id = await made_with(world, alice, webhook=receiver.url())
    bodies: list[dict[str, Any]] = [orjson.loads(each.body) for each in receiver.received]
    assert [body["status"] for body in bodies] == [*["processing"] * 3, "succeeded"]
    assert {body["id"] for body in bodies} == {task_id}
    told = [Prediction(**body).progress for body in bodies]
    assert [each and each.percentage for each in told] == [0.1, 0.1, 0.6, 1.0]
    ids = [each.id for each in receiver.received]
    assert len(set(ids)) == 4
    assert bodies[-1] == await shown(world, alice, task_id)
    key = (await ask(world, alice, "GET", "/webhooks/default/secret")).json()["key"]
    for each in receiver.received:
        headers, body = dict(each.headers), each.body.decode()
        Webhooks.validate(headers=headers, body=body, secret=WebhookSigningSecret(key=key))
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(
                headers=headers, body=body + " ", secret=WebhookSigningSecret(key=key)
            )


@pytest.mark.parametrize(
    ("events", "statuses"),
    [
        (["completed"], ["succeeded"]),
        (["output"], ["succeeded"]),
        (["output", "completed"], ["succeeded"]),
        (["start"], ["processing"]),
        (["start", "completed"], ["processing", "succeeded"]),
        (["logs"], ["processing", "processing"]),
    ],
)
async def test_the_filter_says_which_events_are_told(
    world: World, alice: Person, receiver: Receiver, events: list[str], statuses: list[str]
):
    await made_with(world, alice, webhook=receiver.url(), webhook_events_filter=events)
    assert [orjson.loads(each.body)["status"] for each in receiver.received] == statuses


async def test_a_failure_and_a_cancel_are_ends_and_no_output(
    world: World, alice: Person, receiver: Receiver
):
    for events in (["completed"], ["output"]):
        further = {"webhook": receiver.url(), "webhook_events_filter": events}
        failing = await predict(world, alice, **further)  # type: ignore[arg-type]
        stopped = await predict(world, alice, **further)  # type: ignore[arg-type]
        failed = Failed(code="2038", message="Not allowed")
        await advance(tools_for(world, ScriptedProvider(statuses=[failed])), TaskId(failing["id"]))
        await ask(world, alice, "POST", f"/predictions/{stopped['id']}/cancel")
        await send_all(world)
    told = sorted(orjson.loads(each.body)["status"] for each in receiver.received)
    assert told == ["canceled", "failed"]


async def test_the_older_word_for_a_webhook_is_the_end(
    world: World, alice: Person, receiver: Receiver
):
    await made_with(world, alice, webhook_completed=receiver.url())
    assert [orjson.loads(each.body)["status"] for each in receiver.received] == ["succeeded"]


async def test_a_native_task_is_told_of_in_our_own_words(
    world: World, alice: Person, receiver: Receiver
):
    order = {
        "model": "seedance-20",
        "inputs": {"prompt": "a sunset"},
        "callBackUrl": receiver.url(),
    }
    task_id = await create(world, alice, order)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    await send_all(world)
    (called,) = receiver.received
    assert called.data["output"] == (await record(world, alice, task_id))["output"]


async def test_an_address_that_is_never_called_is_refused(world: World, alice: Person):
    response = await ask(
        world,
        alice,
        "POST",
        "/models/kinetoscope/seedance-20/predictions",
        json={"input": {"prompt": "x"}, "webhook": "http://10.0.0.1/hook"},
    )
    assert response.status_code == 422
    assert response.json()["invalid_fields"][0]["field"] == "webhook"
    assert await world.count("task") == 0
