"""The acceptance list for clients of Kinovi's API, rows 1 to 14: keys, creating, reading.

Each test is one row and bears its number. The facts are those of https://kinovi.ai/docs and
https://github.com/kinovi-ai/kinovi-models; the corners of each are tested elsewhere.
"""

import hashlib
import re
from datetime import timedelta

import httpx
import pytest
from tests.conftest import World
from tests.scripted import (
    PATH_CREATE,
    PATH_RECORD,
    PICTURE,
    TOKENS,
    VIDEO,
    ScriptedProvider,
    create,
    done_video,
    record,
    tools_for,
)

from kinetoscope.accounts import accounts, keys
from kinetoscope.kernel.secrets import parse_key
from kinetoscope.providers.contract import Failed, Job, Status, Working
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.task import GENERATION_FAILED

pytestmark = pytest.mark.anyio

ROUTES = (("POST", PATH_CREATE), ("GET", f"{PATH_RECORD}?taskId=task_{'0' * 24}"))


async def refusals(world: World, headers: dict[str, str]) -> list[tuple[int, object]]:
    """Ask both routes; return what each answers."""
    answers = []
    for method, path in ROUTES:
        body = VIDEO if method == "POST" else None
        response = await world.client.request(method, path, json=body, headers=headers)
        answers.append((response.status_code, response.json()))
    return answers


async def test_row_01_a_key_that_does_not_open_is_401_in_four_exact_messages(world: World):
    alice = await world.person("alice")
    brief = await world.person("brief", expires_at=world.clock() + timedelta(hours=1))
    world.clock.move(timedelta(hours=1))
    missing = (401, {"message": "Missing Authorization header"})
    invalid = (401, {"message": "Invalid API Key"})
    inactive = (401, {"message": "API Key is inactive"})
    expired = (401, {"message": "API Key has expired"})
    assert await refusals(world, {}) == [missing, missing]
    assert await refusals(world, {"Authorization": "Bearer wrong"}) == [invalid, invalid]
    assert await refusals(world, brief.headers) == [expired, expired]
    await keys.set_active(world.runtime.database, alice.key_id, active=False)
    assert await refusals(world, alice.headers) == [inactive, inactive]
    assert await world.count("task") == 0


async def test_row_02_api_access_that_is_off_is_403(world: World):
    alice = await world.person("alice")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=None, api_access=False)
    off = (403, {"message": "API access not enabled for this account"})
    assert await refusals(world, alice.headers) == [off, off]


async def test_row_03_a_key_is_shown_once_hashed_expires_is_stopped_and_rotated(world: World):
    alice = await world.person("alice")
    database, now = world.runtime.database, world.clock()
    (listed,) = await keys.listing(database, alice.account_id)
    presented = parse_key(alice.key)
    assert presented is not None
    async with database.connection() as connection:
        cursor = await connection.execute("select secret_sha256, api_key::text from api_key")
        row = await cursor.fetchone()
    assert row is not None
    secret = alice.key.split("_")[3][:43]
    assert bytes(row[0]) == presented.secret_sha256 == hashlib.sha256(secret.encode()).digest()
    assert secret not in row[1]
    assert secret not in repr(listed)
    successor = await keys.rotate(database, alice.key_id, overlap=timedelta(hours=1), now=now)
    new = {"Authorization": f"Bearer {successor.text}"}

    async def post(headers: dict[str, str]) -> httpx.Response:
        return await world.client.post(PATH_CREATE, json=PICTURE, headers=headers)

    for headers in (alice.headers, new):
        assert (await post(headers)).is_success
    world.clock.move(timedelta(hours=1))
    assert (await post(new)).is_success
    old = await post(alice.headers)
    assert old.json() == {"message": "API Key has expired"}


async def test_row_04_creating_answers_200_with_a_task_id_and_reserves_credits(world: World):
    alice = await world.person("alice")
    response = await world.client.post(PATH_CREATE, json=VIDEO, headers=alice.headers)
    assert response.status_code == 200
    assert list(response.json()) == ["taskId"]
    assert re.fullmatch(r"task_[0-9a-z]{24}", response.json()["taskId"])
    assert await world.balance(alice) == (80000, 20000, 0, 1)


async def refused_free(world: World, body: object) -> dict[str, object]:
    """Send what must be a 400 that costs nothing; return its body."""
    alice = await world.person("alice", "0")
    before = await world.balance(alice)
    response = await world.client.post(PATH_CREATE, json=body, headers=alice.headers)
    assert response.status_code == 400
    assert await world.count("task") == 0
    assert await world.balance(alice) == before
    told: dict[str, object] = response.json()
    return told


async def test_row_05_an_unknown_model_is_400_and_not_charged(world: World):
    for model in ("seedance-2.0", "seedance-2-fast", "seedance2-mini", "SEEDANCE-20"):
        told = await refused_free(world, {"model": model, "inputs": {"prompt": "x"}})
        assert told == {"message": "Unknown model"}


async def test_row_06_bad_inputs_are_400_with_the_issues(world: World):
    told = await refused_free(world, {"model": "seedance2-5-extend", "inputs": {"prompt": "x"}})
    assert told["message"] == "Invalid inputs for model"
    issues = told["errors"]
    assert isinstance(issues, list)
    assert issues
    for issue in issues:
        assert set(issue) == {"code", "message", "path"}
    assert ["videoUrls"] in [issue["path"] for issue in issues]


@pytest.mark.parametrize(
    "body",
    [[], "text", {"inputs": {}}, {"model": "seedance-20"}, {**VIDEO, "callBackUrl": "not a url"}],
)
async def test_row_07_a_malformed_body_or_callback_is_400(world: World, body: object):
    told = await refused_free(world, body)
    assert told["message"] == "Invalid request parameters"


async def test_row_08_unknown_input_keys_are_ignored(world: World):
    alice = await world.person("alice")
    inputs = {"prompt": "a sunset", "nobodyKnowsThis": {"deep": [1]}, "turbo": "yes"}
    await create(world, alice, {"model": "seedance-20", "inputs": inputs})
    assert await world.balance(alice) == (80000, 20000, 0, 1)


async def test_row_09_too_few_credits_are_402_with_decimals(world: World):
    alice = await world.person("alice", "2.16")
    response = await world.client.post(PATH_CREATE, json=PICTURE, headers=alice.headers)
    assert response.status_code == 402
    assert b'"required":2.17,"available":2.16' in response.content
    assert response.json()["message"] == "Insufficient credits"
    assert await world.count("task") == 0


async def test_row_10_over_the_cap_is_429_with_no_task_and_no_charge(world: World):
    alice = await world.person("alice")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=3, api_access=None)
    for _ in range(3):
        await create(world, alice, PICTURE)
    before = await world.balance(alice)
    response = await world.client.post(PATH_CREATE, json=PICTURE, headers=alice.headers)
    assert response.status_code == 429
    told = response.json()
    beginning = "Concurrency limit reached (3). You have 3 tasks in progress. "
    assert told["message"].startswith(beginning)
    assert (told["limit"], told["current"]) == (3, 3)
    assert await world.count("task") == 3
    assert await world.balance(alice) == before


async def test_row_11_a_record_is_flat_with_these_keys(world: World):
    alice = await world.person("alice")
    found = await record(world, alice, await create(world, alice, VIDEO))
    keys_of_kinovi = [
        "taskId",
        "model",
        "status",
        "creditsUsed",
        "output",
        "error",
        "createTime",
        "completeTime",
    ]
    assert list(found)[:8] == keys_of_kinovi
    assert found["model"] == "seedance-20"
    assert found["creditsUsed"] == 200
    assert found["createTime"] == int(world.clock().timestamp() * 1000)


async def test_row_12_the_states_are_waiting_generating_success_or_fail(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    seen = [(await record(world, alice, task_id))["status"]]
    provider = ScriptedProvider(statuses=[Working(progress=0.4), Working(progress=0.8), done_video])
    asked = provider.status

    async def watched(upstream_id: str, job: Job) -> Status:
        seen.append((await record(world, alice, task_id))["status"])
        return await asked(upstream_id, job)

    provider.status = watched  # type: ignore[method-assign]
    await advance(tools_for(world, provider), task_id)
    seen.append((await record(world, alice, task_id))["status"])
    assert seen == ["waiting", "waiting", "generating", "generating", "success"]
    failing = await create(world, alice, VIDEO)
    provider = ScriptedProvider(statuses=[Failed(code="500", message="no")])
    await advance(tools_for(world, provider), failing)
    assert (await record(world, alice, failing))["status"] == "fail"


async def test_row_13_a_failure_is_200_with_its_error_and_the_credits_back(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    failure = Failed(code="2038", message="Your input text violates platform rules.")
    await advance(tools_for(world, ScriptedProvider(statuses=[failure])), task_id)
    found = await record(world, alice, task_id)
    assert (found["status"], found["output"], found["creditsUsed"]) == ("fail", None, 200)
    assert found["error"] == {"code": "2038", "message": failure.message}
    assert isinstance(found["completeTime"], int)
    assert await world.balance(alice) == (100000, 0, 0, 0)
    settled = await create(world, alice, TOKENS)
    broken = ScriptedProvider(statuses=[Failed(code="500", message=GENERATION_FAILED.message)])
    await advance(tools_for(world, broken), settled)
    assert (await record(world, alice, settled))["creditsUsed"] == 1.75
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_row_14_a_record_that_cannot_be_read_has_its_four_answers(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    task_id = await create(world, alice, VIDEO)
    for query, status, message in (
        ({}, 400, "Missing taskId parameter"),
        ({"taskId": "nonsense"}, 400, "Invalid taskId"),
        ({"taskId": task_id}, 403, "Access denied"),
        ({"taskId": "task_" + "0" * 24}, 404, "Task not found"),
    ):
        response = await world.client.get(PATH_RECORD, params=query, headers=bob.headers)
        assert (response.status_code, response.json()) == (status, {"message": message})
