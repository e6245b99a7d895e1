"""POST /api/v1/jobs/createTask."""

import pytest

from tests.conftest import World

pytestmark = pytest.mark.anyio

PATH = "/api/v1/jobs/createTask"

SUNSET = {
    "model": "seedance-20",
    "inputs": {
        "prompt": "A beautiful sunset over the ocean",
        "duration": "5",
        "aspectRatio": "16:9",
    },
}


async def test_a_good_request_gives_a_task_id_and_holds_its_price(world: World):
    alice = await world.person("alice", "1000")
    response = await world.client.post(PATH, json=SUNSET, headers=alice.headers)
    assert response.status_code == 200
    assert list(response.json()) == ["taskId"]
    assert response.json()["taskId"].startswith("task_")
    assert await world.balance(alice) == (800_00, 200_00, 0, 1)
    assert await world.count("ledger_entry where kind = 'hold'") == 1
    assert await world.count("procrastinate_jobs") == 1
