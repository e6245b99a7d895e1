"""estimateTask says what createTask would do, and does nothing."""

from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PATH_CREATE,
    PICTURE,
    TOKENS,
    VIDEO,
    ScriptedProvider,
    done_pictures,
    tools_for,
)
from tests.scripted import create as create_task

from kinetoscope.accounts import accounts, keys
from kinetoscope.accounts.caps import Caps
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

PATH = "/api/v1/jobs/estimateTask"


async def estimate(world: World, person: Person, body: object) -> dict[str, Any]:
    response = await world.client.post(PATH, json=body, headers=person.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_price_balance_and_route_are_told_and_nothing_is_written(world: World):
    alice = await world.person("alice")
    found = await estimate(world, alice, VIDEO)
    assert found["inputs"]["duration"] == 5
    del found["inputs"]
    assert found == {
        "model": "seedance-20",
        "creditsRequired": 200,
        "settles": False,
        "cached": False,
        "route": {"provider": "embedded"},
        "balance": {"available": 1000, "after": 800},
        "allowed": True,
        "refusal": None,
    }
    for table in ("task", "idempotency_key", "procrastinate_jobs"):
        assert await world.count(table) == 0
    assert await world.balance(alice) == (100000, 0, 0, 0)


@pytest.mark.parametrize("body", [VIDEO, PICTURE, TOKENS])
async def test_what_is_estimated_is_what_is_held(world: World, body: object):
    alice = await world.person("alice")
    found = await estimate(world, alice, body)
    await create_task(world, alice, body)
    available, held, _, _ = await world.balance(alice)
    assert found["creditsRequired"] == held / 100
    assert found["balance"]["after"] == available / 100
    assert found["settles"] == (body is TOKENS)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "nothing", "inputs": {}},
        {"model": "seedance-20", "inputs": {"prompt": 5}},
        {"model": "seedance-20"},
        {**VIDEO, "callBackUrl": "nowhere"},
        [],
    ],
)
async def test_what_createtask_refuses_as_invalid_is_refused_alike(world: World, body: object):
    alice = await world.person("alice")
    dry = await world.client.post(PATH, json=body, headers=alice.headers)
    real = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
    assert (dry.status_code, dry.json()) == (real.status_code, real.json())
    assert dry.status_code == 400


async def refusal_of(world: World, person: Person) -> object:
    """Estimate, then create: both must tell the same refusal."""
    found = await estimate(world, person, VIDEO)
    real = await world.client.post(PATH_CREATE, json=VIDEO, headers=person.headers)
    assert real.status_code >= 400
    assert found["allowed"] is False
    assert found["refusal"] == real.json()
    return found["refusal"]["message"]


async def test_every_refusal_by_state_is_foretold_in_the_same_words(world: World):
    poor = await world.person("poor", "1")
    assert await refusal_of(world, poor) == "Insufficient credits"
    alice = await world.person("alice")
    database, now = world.runtime.database, world.clock()
    for caps, beginning in (
        (Caps(models=("gpt-image-2",)), "This API Key may not use the model"),
        (Caps(price_max=Credits(1)), "This API Key may not spend more than 0.01"),
        (Caps(spend_max=Credits(1)), "The spending cap"),
        (Caps(tasks_running_max=0), "Concurrency limit reached (0)"),
    ):
        issued = await keys.create(
            database,
            alice.account_id,
            "capped",
            mode=KeyMode.LIVE,
            expires_at=None,
            caps=caps,
            now=now,
        )
        person = Person(
            name="alice", account_id=alice.account_id, key=issued.text, key_id=issued.id
        )
        assert str(await refusal_of(world, person)).startswith(beginning)
    await accounts.limit(database, "alice", tasks_running_max=0, api_access=None)
    assert str(await refusal_of(world, alice)).startswith("Concurrency limit reached (0)")


async def test_cached_media_and_test_keys_cost_nothing(world: World):
    alice = await world.person("alice")
    order = {"model": "midjourney-v8", "inputs": {"prompt": "a sunset", "seed": 7}}
    assert (await estimate(world, alice, {**order, "useCache": True}))["cached"] is False
    task_id = await create_task(world, alice, order)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    found = await estimate(world, alice, {**order, "useCache": True})
    assert (found["cached"], found["creditsRequired"]) == (True, 0)
    tester = await world.person("alice", "0", mode=KeyMode.TEST)
    assert (await estimate(world, tester, VIDEO))["creditsRequired"] == 0
