"""What one key may do within its account: each cap is refused by its own words, exactly."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PATH_CREATE,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    tools_for,
)

from kinetoscope.accounts import keys
from kinetoscope.accounts.caps import Caps
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio


async def capped(world: World, caps: Caps, granted: str = "1000") -> Person:
    """Make an account with credits, and a key with caps."""
    person = await world.person("alice", granted)
    issued = await keys.create(
        world.runtime.database,
        person.account_id,
        "capped",
        mode=KeyMode.LIVE,
        expires_at=None,
        caps=caps,
        now=world.clock(),
    )
    return Person(name=person.name, account_id=person.account_id, key=issued.text, key_id=issued.id)


async def post(world: World, person: Person, order: object):
    return await world.client.post(PATH_CREATE, json=order, headers=person.headers)


async def succeed(world: World, task_id: TaskId) -> None:
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)


async def test_a_key_orders_only_its_models(world: World):
    alice = await capped(world, Caps(models=("gpt-image-2",)))
    assert (await post(world, alice, PICTURE)).status_code == 200
    refused = await post(world, alice, VIDEO)
    assert refused.status_code == 403
    assert refused.json() == {"message": "This API Key may not use the model seedance-20"}
    assert await world.count("task") == 1


async def test_a_key_pays_up_to_its_price_for_one_task(world: World):
    alice = await capped(world, Caps(price_max=Credits(200_00)))
    assert (await post(world, alice, VIDEO)).status_code == 200
    dearer = {"model": "seedance-20", "inputs": {"prompt": "a sunset", "duration": 6}}
    refused = await post(world, alice, dearer)
    assert refused.status_code == 403
    assert "more than 200 credits on one task" in refused.json()["message"]
    assert await world.balance(alice) == (80000, 20000, 0, 1)


async def test_a_key_runs_its_share_of_tasks_and_the_account_the_rest(world: World):
    alice = await capped(world, Caps(tasks_running_max=2))
    tasks = [await create(world, alice, PICTURE) for _ in range(2)]
    refused = await post(world, alice, PICTURE)
    assert refused.status_code == 429
    assert refused.json()["limit"] == 2
    assert refused.json()["current"] == 2
    assert refused.json()["message"].startswith("Concurrency limit reached (2). You have 2 tasks")
    other = await world.person("alice", "0")
    assert (await post(world, other, PICTURE)).status_code == 200
    await succeed(world, tasks[0])
    assert (await post(world, alice, PICTURE)).status_code == 200


async def test_a_key_spends_up_to_its_cap_and_failures_do_not_count(world: World):
    alice = await capped(world, Caps(spend_max=Credits(434)))
    first, second = [await create(world, alice, PICTURE) for _ in range(2)]
    refused = await post(world, alice, PICTURE)
    assert refused.status_code == 402
    assert refused.json() == {
        "message": "The spending cap of this API Key is reached",
        "required": 2.17,
        "available": 0,
    }
    failed = Failed(code="500", message="no")
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), first)
    await succeed(world, second)
    await create(world, alice, PICTURE)
    assert (await post(world, alice, PICTURE)).status_code == 402
    assert await audit(world.runtime.database) == []


async def test_a_spending_window_moves_on(world: World):
    alice = await capped(world, Caps(spend_max=Credits(217), spend_window=timedelta(hours=1)))
    await create(world, alice, PICTURE)
    world.clock.move(timedelta(hours=1) - timedelta(seconds=1))
    assert (await post(world, alice, PICTURE)).status_code == 402
    world.clock.move(timedelta(seconds=1))
    assert (await post(world, alice, PICTURE)).status_code == 200


async def rotated(world: World, person: Person) -> Person:
    issued = await keys.rotate(
        world.runtime.database, person.key_id, overlap=timedelta(hours=1), now=world.clock()
    )
    return Person(name=person.name, account_id=person.account_id, key=issued.text, key_id=issued.id)


async def test_rotating_a_key_does_not_refill_its_cap_whichever_of_the_two_is_used(world: World):
    alice = await capped(world, Caps(spend_max=Credits(217 * 2)))
    successor = await rotated(world, alice)
    await create(world, successor, PICTURE)
    await create(world, alice, PICTURE)
    for person in (alice, successor):
        assert (await post(world, person, PICTURE)).status_code == 402


async def test_rotating_a_key_does_not_double_its_share(world: World):
    alice = await capped(world, Caps(tasks_running_max=1))
    successor = await rotated(world, alice)
    await create(world, successor, PICTURE)
    assert (await post(world, alice, PICTURE)).status_code == 429
    latest = await rotated(world, successor)
    assert (await post(world, latest, PICTURE)).status_code == 429


async def test_both_keys_of_a_rotation_at_once_do_not_overspend(world: World):
    alice = await capped(world, Caps(spend_max=Credits(217 * 5)))
    people = [alice, await rotated(world, alice)] * 10
    answers = await asyncio.gather(*(post(world, person, PICTURE) for person in people))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 402: 15}


async def test_thirty_parallel_requests_do_not_overspend_a_cap(world: World):
    alice = await capped(world, Caps(spend_max=Credits(217 * 7)))
    answers = await asyncio.gather(*(post(world, alice, PICTURE) for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {200: 7, 402: 23}
    assert await world.count("task") == 7
    assert await audit(world.runtime.database) == []


async def test_thirty_parallel_requests_do_not_pass_a_share(world: World):
    alice = await capped(world, Caps(tasks_running_max=3))
    answers = await asyncio.gather(*(post(world, alice, PICTURE) for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {200: 3, 429: 27}


async def test_capped_and_uncapped_keys_of_one_account_do_not_deadlock(world: World):
    capped_key = await capped(world, Caps(spend_max=Credits(10**9)))
    free = await world.person("alice", "0")
    people = [capped_key, free] * 20
    answers = await asyncio.gather(*(post(world, person, PICTURE) for person in people))
    assert Counter(answer.status_code for answer in answers) == {200: 40}
    assert await audit(world.runtime.database) == []


async def test_an_accounts_own_limits_still_hold_for_a_capped_key(world: World):
    poor = await capped(world, Caps(spend_max=Credits(10**9)), granted="2")
    refused = await post(world, poor, PICTURE)
    assert refused.status_code == 402
    assert refused.json()["message"] == "Insufficient credits"
