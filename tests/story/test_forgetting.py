"""What is forgotten with tasks, and what goes on counting."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import START, Person, World
from tests.kept import CONFIRM_S, NOT_FOUND, NOTHING, finished, read, reaped, set_row
from tests.scripted import FOUR, PATH_CREATE, PICTURE, ScriptedProvider, create, tools_for

from kinetoscope.accounts import keys
from kinetoscope.accounts.caps import Caps
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
MEDIA = timedelta(days=14)
TASK = timedelta(days=60)


async def test_idempotency_keys_are_forgotten_after_a_day(world: World):
    alice = await world.person("alice")
    headers = {**alice.headers, "Idempotency-Key": "once"}
    await world.client.post(PATH_CREATE, json=PICTURE, headers=headers)
    world.clock.move(timedelta(days=1) - SECOND)
    assert await reaped(world) == NOTHING
    world.clock.move(SECOND)
    assert await reaped(world) == replace(NOTHING, rows=1)
    assert await world.count("idempotency_key") == 0


async def test_webhooks_of_a_task_go_with_it(world: World):
    alice = await world.person("alice")
    await finished(world, alice, {**FOUR, "callBackUrl": "https://receiver.test/"})
    assert await world.count("webhook_delivery") == 1
    world.clock.move(MEDIA)
    await reaped(world)
    assert await world.count("webhook_delivery") == 1
    world.clock.move(TASK)
    await reaped(world)
    assert (await world.count("task"), await world.count("webhook_delivery")) == (0, 0)


async def capped(world: World, caps: Caps) -> Person:
    """Make an account with credits, and a key with caps."""
    person = await world.person("alice")
    issued = await keys.create(
        world.runtime.database,
        person.account_id,
        "capped",
        mode=KeyMode.LIVE,
        expires_at=None,
        caps=caps,
        now=world.clock(),
    )
    return replace(person, key=issued.text, key_id=issued.id)


async def test_a_cap_over_a_keys_life_goes_on_counting_what_forgotten_tasks_cost(world: World):
    alice = await capped(world, Caps(spend_max=Credits(30_00)))
    await finished(world, alice)
    failed = await create(world, alice, FOUR)
    await advance(
        tools_for(world, ScriptedProvider(statuses=[Failed(code="1", message="")])), failed
    )
    await finished(world, alice)
    world.clock.move(TASK)
    await reaped(world)
    world.clock.move(timedelta(seconds=CONFIRM_S))
    await reaped(world)
    assert await world.count("task") == 0
    assert await world.count("api_key where spent_forgotten = 2400") == 1
    response = await world.client.post(PATH_CREATE, json=FOUR, headers=alice.headers)
    assert (response.status_code, response.json()["available"]) == (402, 6)
    assert await audit(world.runtime.database) == []


async def test_a_cap_whose_window_is_longer_keeps_an_emptied_row_for_so_long(world: World):
    window = timedelta(days=90)
    alice = await capped(world, Caps(spend_max=Credits(20_00), spend_window=window))
    task_id = await finished(world, alice, {"model": FOUR["model"], "inputs": {"prompt": "canary"}})
    world.clock.move(TASK)
    await reaped(world)
    world.clock.move(timedelta(seconds=CONFIRM_S))
    assert (await reaped(world)).tasks == 1
    assert await reaped(world) == NOTHING
    assert await world.count("task where inputs = '{}' and data_deleted_at is not null") == 1
    assert (await read(world, alice, task_id)) == NOT_FOUND
    response = await world.client.post(PATH_CREATE, json=FOUR, headers=alice.headers)
    assert response.status_code == 402
    world.clock.moment = START + window
    assert (await reaped(world)).tasks == 1
    assert await world.count("task") == 0
    await finished(world, alice)
    assert await audit(world.runtime.database) == []


@pytest.mark.parametrize("table", ["task", "account"])
async def test_a_held_task_without_files_is_kept_too(world: World, table: str):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    failing = ScriptedProvider(statuses=[Failed(code="1", message="")])
    await advance(tools_for(world, failing), task_id)
    key = task_id if table == "task" else alice.account_id
    await set_row(world, table, key, "legal_hold = true")
    world.clock.move(TASK)
    assert await reaped(world) == NOTHING
    assert await world.count("task") == 1
    await set_row(world, table, key, "legal_hold = false")
    assert await reaped(world) == replace(NOTHING, tasks=1)


async def test_a_task_is_forgotten_only_once_its_files_are_certainly_gone(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    world.clock.move(TASK)
    assert await reaped(world) == replace(NOTHING, files=4)
    world.clock.move(timedelta(seconds=CONFIRM_S) - 2 * SECOND)
    assert await reaped(world) == NOTHING
    assert await world.count(f"media_file where task_id = '{task_id}'") == 4
    world.clock.move(2 * SECOND)
    assert await reaped(world) == replace(NOTHING, confirmed=4, tasks=1)
    assert (await world.count("task"), await world.count("media_file")) == (0, 0)
