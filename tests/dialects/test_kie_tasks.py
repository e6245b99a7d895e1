"""kie.ai's createTask and recordInfo over HTTP, as its clients read them (contract row 31)."""

import json
from typing import Any

import httpx
import pytest
from tests.conftest import Person, World
from tests.scripted import (
    FOUR,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    record,
    tools_for,
)

from kinetoscope.accounts import accounts, keys
from kinetoscope.accounts.caps import Caps
from kinetoscope.api.envelope import STATUS
from kinetoscope.dialects.kie import codes
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import DatabaseUnavailable, StoreUnavailable
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Failed, Kind, Polling, Status, Waiting, Working
from kinetoscope.tasks import cancel
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

CREATE = "/kie/api/v1/jobs/createTask"
RECORD = "/kie/api/v1/jobs/recordInfo"
SEEDANCE: dict[str, Any] = {
    "model": "bytedance/seedance-2",
    "input": {"prompt": "a sunset", "resolution": "480p", "duration": 4, "aspect_ratio": "1:1"},
}
"""60 credits."""


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def post(
    world: World, person: Person, body: object, path: str = CREATE, **headers: str
) -> httpx.Response:
    return await world.client.post(path, json=body, headers={**person.headers, **headers})


async def begun(world: World, person: Person, body: object = SEEDANCE) -> TaskId:
    response = await post(world, person, body)
    told = response.json()
    assert (response.status_code, told["code"], told["msg"]) == (200, 200, "success"), told
    return TaskId(told["data"]["taskId"])


async def shown(world: World, person: Person, task_id: str) -> dict[str, Any]:
    query = {"taskId": task_id}
    response = await world.client.get(RECORD, params=query, headers=person.headers)
    told = response.json()
    assert (response.status_code, told["code"], told["message"]) == (200, 200, "success"), told
    found: dict[str, Any] = told["data"]
    return found


async def test_a_task_from_its_creation_to_its_files(world: World, alice: Person):
    task_id = await begun(world, alice)
    waiting = await shown(world, alice, task_id)
    assert waiting == {
        "taskId": task_id,
        "model": "bytedance/seedance-2",
        "state": "waiting",
        "param": waiting["param"],
        "resultJson": "",
        "failCode": "",
        "failMsg": "",
        "costTime": None,
        "completeTime": None,
        "createTime": waiting["updateTime"],
        "updateTime": waiting["updateTime"],
        "progress": 0,
        "creditsConsumed": 60,
    }
    param = json.loads(waiting["param"])
    assert param["model"] == "bytedance/seedance-2"
    assert (param["input"]["prompt"], "callBackUrl" in param) == ("a sunset", False)

    between: list[dict[str, Any]] = []

    async def meanwhile() -> None:
        between.append(await shown(world, alice, task_id))

    provider = ScriptedProvider(
        statuses=[Waiting(), Working(progress=0.4), done_video],
        polling=Polling(delay_s=3, delay_s_max=3),
    )
    await advance(tools_for(world, provider, meanwhile=meanwhile), task_id)
    steps = [(each["state"], each["progress"]) for each in between]
    assert steps[-2:] == [("waiting", 0), ("generating", 40)]

    done = await shown(world, alice, task_id)
    native = await record(world, alice, task_id)
    assert (done["state"], done["progress"], done["creditsConsumed"]) == ("success", 100, 60)
    assert done["completeTime"] == done["updateTime"] == native["completeTime"]
    assert 0 < done["costTime"] <= done["completeTime"] - done["createTime"]
    (item,) = native["output"]
    result = json.loads(done["resultJson"])
    assert result == {"resultUrls": [item["url"]], "lastFrameUrl": item["lastFrameImage"]}
    assert (await world.client.get(result["resultUrls"][0])).is_success
    assert native["model"] == "seedance-20"
    assert await world.balance(alice) == (94000, 0, 6000, 0)
    assert await audit(world.runtime.database) == []


async def test_a_task_of_the_native_contract_is_read_here(world: World, alice: Person):
    """Four files, and the model under our own name."""
    task_id = await create(world, alice, FOUR)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    found = await shown(world, alice, task_id)
    assert (found["model"], found["state"]) == ("midjourney-v8", "success")
    native = await record(world, alice, task_id)
    urls = json.loads(found["resultJson"])["resultUrls"]
    assert urls == [item["url"] for item in native["output"]]
    assert len(urls) == 4


@pytest.mark.parametrize(
    ("failed", "code", "message"),
    [
        (Failed(code="2038", message="It violates.", kind=Kind.MODERATION), "400", "It violates."),
        (Failed(code="4011", message="A face.", kind=Kind.MODERATION), "400", "A face."),
        (Failed(code="InvalidParameter", message="Too long."), "422", "Too long."),
        (Failed(code="Odd", message="Odd."), "501", "Odd."),
        (Failed(code="500", message="Broken."), "500", "Broken."),
    ],
)
async def test_a_failure_is_told_under_a_status_and_code_of_200_and_costs_nothing(
    world: World, alice: Person, failed: Status, code: str, message: str
):
    """It never stays at `generating`, and always says why (wire-shapes §3, kie.ai's loops)."""
    task_id = await begun(world, alice)
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), task_id)
    found = await shown(world, alice, task_id)
    assert (found["state"], found["failCode"], found["failMsg"]) == ("fail", code, message)
    assert (found["resultJson"], found["creditsConsumed"]) == ("", 0)
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_a_cancelled_task_has_failed(world: World, alice: Person):
    task_id = await begun(world, alice)
    database, settings = world.runtime.database, world.runtime.settings
    await cancel.cancel(
        database,
        lifetimes_of(settings),
        alice.account_id,
        task_id,
        world.clock(),
        mode=KeyMode.LIVE,
    )
    found = await shown(world, alice, task_id)
    assert (found["state"], found["failCode"]) == ("fail", "501")
    assert found["failMsg"] == "The task was cancelled."


async def test_media_that_has_expired_says_so(world: World, alice: Person):
    task_id = await begun(world, alice)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    assert "expireFlag" not in await shown(world, alice, task_id)
    world.clock.move(world.runtime.settings.media_lifetime)
    found = await shown(world, alice, task_id)
    assert (found["state"], found["expireFlag"]) == ("success", 1)
    (url,) = json.loads(found["resultJson"])["resultUrls"]
    assert (await world.client.get(url)).status_code == 403


async def test_polls_do_not_carry_files(world: World, alice: Person):
    picture = "data:image/png;base64," + "A" * 100_000
    body = {"model": "nano-banana-2", "input": {"prompt": "x", "image_input": [picture]}}
    found = await shown(world, alice, await begun(world, alice, body))
    assert len(found["param"]) < 500
    assert json.loads(found["param"])["input"]["uploadedUrls"][0].endswith("…")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "must be a JSON object"),
        ({}, "model: Expected the name of a model; input: Expected an object"),
        ({"model": "x", "input": "y"}, "input: Expected an object"),
        ({"model": "kling-3.0/video", "input": {}}, "Unknown model 'kling-3.0/video'"),
        ({"model": "bytedance/seedance-2", "input": {}}, "prompt: "),
        ({**SEEDANCE, "input": None}, "input: Expected an object"),
        ({**SEEDANCE, "input": {"prompt": "x", "aspect_ratio": ["1:1"]}}, "aspect_ratio: Expected"),
        ({**SEEDANCE, "input": {"prompt": "x", "aspect_ratio": []}}, "aspect_ratio: Expected"),
        ({**SEEDANCE, "input": {"prompt": "x", "aspect_ratio": {}}}, "aspect_ratio: Expected"),
        ({**SEEDANCE, "callBackUrl": 5}, "callBackUrl: Expected an http or https URL"),
        ({**SEEDANCE, "callBackUrl": "http://127.0.0.1/x"}, "callBackUrl: "),
        ({"model": "seedream/5-pro-layer-decomposition", "input": {}}, "Unknown model"),
    ],
)
async def test_what_cannot_be_made_is_422_in_one_line(
    world: World, alice: Person, body: object, words: str
):
    response = await post(world, alice, body)
    told = response.json()
    assert (response.status_code, told["code"], told["data"]) == (200, 422, None)
    assert words in told["msg"]
    assert told["message"] == told["msg"]
    assert await world.count("task") == 0
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_no_credits_is_402(world: World):
    poor = await world.person("poor", "59.99")
    response = await post(world, poor, SEEDANCE)
    told = response.json()
    assert (response.status_code, told["code"], told["data"]) == (200, 402, None)
    assert told["msg"] == "Insufficient credits"
    assert await world.count("task") == 0


async def test_a_key_that_may_not_spend_so_much_is_433(world: World, alice: Person):
    issued = await keys.create(
        world.runtime.database,
        alice.account_id,
        "capped",
        mode=KeyMode.LIVE,
        expires_at=None,
        caps=Caps(spend_max=Credits(5999)),
        now=world.clock(),
    )
    headers = {"Authorization": f"Bearer {issued.text}"}
    response = await world.client.post(CREATE, json=SEEDANCE, headers=headers)
    assert (response.status_code, response.json()["code"]) == (200, 433)


async def test_over_the_cap_is_429_and_makes_nothing(world: World, alice: Person):
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=1, api_access=None)
    await begun(world, alice)
    response = await post(world, alice, SEEDANCE)
    told = response.json()
    assert (response.status_code, told["code"]) == (200, 429)
    assert told["msg"].startswith("Concurrency limit reached (1).")
    assert response.headers["Retry-After"] == "2"
    assert await world.count("task") == 1


async def test_a_task_that_is_not_there_is_404_and_anothers_401(world: World, alice: Person):
    """Nobody reads another's result."""
    mallory = await world.person("mallory")
    task_id = await begun(world, alice)
    for query, person, code in (
        ({"taskId": "task_" + "0" * 24}, alice, 404),
        ({"taskId": "no-id-of-ours"}, alice, 404),
        ({}, alice, 422),
        ({"taskId": task_id}, mallory, 401),
    ):
        response = await world.client.get(RECORD, params=query, headers=person.headers)
        told = response.json()
        assert (response.status_code, told["code"], told["data"]) == (200, code, None)


async def test_a_name_for_a_request_makes_one_task(world: World, alice: Person):
    first = await post(world, alice, SEEDANCE, **{"Idempotency-Key": "one"})
    again = await post(world, alice, SEEDANCE, **{"Idempotency-Key": "one"})
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = {**SEEDANCE, "model": "bytedance/seedance-2-fast"}
    assert (await post(world, alice, other, **{"Idempotency-Key": "one"})).json()["code"] == 422
    assert await world.count("task") == 1
    assert await world.balance(alice) == (94000, 6000, 0, 1)


async def test_a_test_key_rehearses_for_nothing(world: World):
    tester = await world.person("tester", "0", mode=KeyMode.TEST)
    response = await post(world, tester, SEEDANCE, **{"X-Test-Outcome": "moderation"})
    assert response.json()["code"] == 200
    refused = await post(world, tester, SEEDANCE, **{"X-Test-Outcome": "nonsense"})
    assert refused.json()["code"] == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/kie/api/v1/veo/generate"),
        ("GET", "/kie/api/v1/veo/record-info"),
        ("POST", "/kie/api/v1/generate"),
        ("POST", "/kie/api/v1/gpt4o-image/generate"),
        ("POST", "/kie/claude/v1/messages"),
        ("GET", "/kie/api/v1/jobs/createTask"),
    ],
)
async def test_routes_of_single_models_are_501_and_505(world: World, method: str, path: str):
    response = await world.client.request(method, path)
    told = response.json()
    assert (response.status_code, told["code"], told["data"]) == (501, 505, None)
    assert "/kie/api/v1/jobs/createTask" in told["msg"]


def test_an_answer_that_may_hide_a_task_says_which_and_invites_no_retry():
    """Whoever retries by status does not; whoever reads `data` alone polls the task there is."""
    task_id = TaskId("task_" + "1" * 24)
    told = codes.refuse(None, DatabaseUnavailable(task_id=task_id))  # type: ignore[arg-type]
    body = json.loads(bytes(told.body))
    assert (told.status_code, body["code"], body["data"]) == (200, 500, {"taskId": task_id})
    assert "Retry-After" not in told.headers
    for error in (DatabaseUnavailable(), StoreUnavailable("away")):
        away = codes.refuse(None, error)  # type: ignore[arg-type]
        assert (away.status_code, json.loads(bytes(away.body))["code"]) == (503, 455)
        assert away.headers["Retry-After"] == "1"


def test_every_error_has_a_code_that_is_none_of_success():
    assert all(codes.CODES.get(error, status) >= 400 for error, status in STATUS.items())
    assert set(codes.CODES) <= set(STATUS)


async def test_our_own_ids_and_names_of_inputs_work_here_too(world: World, alice: Person):
    for order in (VIDEO, PICTURE, {"model": "kinetoscope/seedance-20", "input": {"prompt": "x"}}):
        await begun(world, alice, order)
    assert await world.count("task") == 3


@pytest.mark.parametrize(("absent", "present"), [("input", "inputs"), ("inputs", "input")])
async def test_inputs_of_null_are_none(world: World, alice: Person, absent: str, present: str):
    order = {"model": "seedance-20", absent: None, present: {"prompt": "a sunset"}}
    found = await shown(world, alice, await begun(world, alice, order))
    assert json.loads(found["param"])["input"]["prompt"] == "a sunset"
