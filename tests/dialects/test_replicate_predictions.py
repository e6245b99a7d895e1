"""Predictions: one task in Replicate's words, whoever made it, and made once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from replicate.prediction import Prediction
from tests.conftest import Person, World
from tests.dialects.replicate_calls import (
    BASE,
    PICTURE_MODEL,
    SUNSET,
    VIDEO_MODEL,
    ask,
    predict,
    shown,
)
from tests.scripted import (
    FOUR,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    assert_in_order,
    create,
    done_pictures,
    done_video,
    record,
    tools_for,
)

from kinetoscope.dialects.replicate import asked, predictions
from kinetoscope.dialects.replicate.versions import version_of
from kinetoscope.dialects.retries import COUNT as RETRY_COUNT
from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import CancelOutcome, Failed, Kind, Polling, Working
from kinetoscope.tasks import watch
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.deadlines import end_overdue
from kinetoscope.tasks.listing import Place
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=1, delay_s_max=1)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def finish(world: World, task_id: str, provider: ScriptedProvider | None = None) -> None:
    scripted = provider or ScriptedProvider(statuses=[done_video])
    await advance(tools_for(world, scripted), TaskId(task_id))


async def test_a_prediction_from_its_making_to_its_file(world: World, alice: Person):
    made = await predict(world, alice, inputs={**SUNSET, "aspect_ratio": "9:16", "seed": 7})
    model = world.runtime.catalog.models_by_id["seedance-20"]
    page = f"http://kinetoscope.test{BASE}/predictions/{made['id']}"
    stream = made["urls"].pop("stream")
    assert stream.startswith(f"http://kinetoscope.test{BASE}/streams/{made['id']}?")
    assert made["input"].pop("aspectRatio") == "9:16"
    assert {name: made["input"][name] for name in ("prompt", "seed")} == {**SUNSET, "seed": 7}
    assert made == {
        "id": made["id"],
        "model": VIDEO_MODEL,
        "version": version_of(model),
        "input": made["input"],
        "logs": "",
        "output": None,
        "error": None,
        "status": "starting",
        "created_at": "2026-11-23T12:00:00.000Z",
        "started_at": None,
        "completed_at": None,
        "data_removed": False,
        "source": "api",
        "metrics": {},
        "urls": {
            "get": page,
            "cancel": f"{page}/cancel",
            "web": f"http://kinetoscope.test/tasks/{made['id']}",
        },
    }
    await finish(world, made["id"])
    ended = await shown(world, alice, made["id"])
    native = await record(world, alice, made["id"])
    assert ended["status"] == "succeeded"
    assert ended["output"] == native["output"][0]["url"]
    assert ended["completed_at"] is not None
    assert set(ended["metrics"]) == {"total_time", "predict_time"}
    Prediction(**ended)  # the 1.x client's own strict reading
    world.clock.move(timedelta(days=15))
    gone = await shown(world, alice, made["id"])
    assert (gone["status"], gone["output"], gone["data_removed"]) == ("succeeded", None, True)
    await assert_in_order(world, ended=1)


async def test_progress_is_read_from_the_logs(world: World, alice: Person):
    """Behaviour 8: the client makes progress of lines that look like tqdm's."""
    made = await predict(world, alice)
    seen: list[tuple[str, float]] = []

    async def meanwhile() -> None:
        told = Prediction(**await shown(world, alice, made["id"]))
        assert told.progress is not None
        seen.append((told.status, told.progress.percentage))

    provider = ScriptedProvider(
        statuses=[Working(progress=0.0), Working(progress=0.42), done_video], polling=POLLING
    )
    await advance(tools_for(world, provider, meanwhile=meanwhile), TaskId(made["id"]))
    assert seen == [("processing", 0.0), ("processing", 0.42)]
    ended = Prediction(**await shown(world, alice, made["id"]))
    assert ended.progress == Prediction.Progress(percentage=1.0, current=100, total=100)


async def test_waiting_answers_at_the_end(world: World, alice: Person):
    waiting = asyncio.create_task(
        ask(
            world,
            alice,
            "POST",
            f"/models/{PICTURE_MODEL}/predictions",
            json={"input": SUNSET},
            headers={"Prefer": "wait"},
        )
    )
    async with asyncio.timeout(20):
        while not (waiting_ids := list(world.runtime.watch.listener.waiting)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await finish(world, waiting_ids[0], ScriptedProvider(statuses=[done_pictures]))
        response = await waiting
    assert (response.status_code, response.json()["status"]) == (201, "succeeded")
    assert isinstance(response.json()["output"], str)


async def test_a_wait_that_is_over_says_starting_however_far_it_is(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Behaviour 5: clients take every other word for the end, and give their users nothing."""
    monkeypatch.setattr(asked, "HELD", 0.05)
    named = {"Idempotency-Key": "one"}
    made = await predict(world, alice, headers=named)
    answers = []

    async def meanwhile() -> None:
        path = f"/models/{VIDEO_MODEL}/predictions"
        headers = {**named, "Prefer": "wait=1"}
        answers.append(
            await ask(world, alice, "POST", path, json={"input": SUNSET}, headers=headers)
        )

    provider = ScriptedProvider(statuses=[Working(progress=0.5), done_video], polling=POLLING)
    await advance(tools_for(world, provider, meanwhile=meanwhile), TaskId(made["id"]))
    (answer,) = answers
    told = answer.json()
    assert (answer.status_code, told["status"], told["id"]) == (202, "starting", made["id"])
    assert "50%" in told["logs"]
    assert (await shown(world, alice, made["id"]))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [("wait", 57), ("wait=1", 0.95), ("respond-async, wait=120", 57), ("wait=0", 0.95), ("", None)],
)
def test_how_long_is_waited_stays_below_what_clients_wait(prefer: str, seconds: float | None):
    assert asked.hold_s(prefer) == seconds


async def test_where_too_many_wait_a_prediction_is_made_and_not_waited_for(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """An error would have its client make another one."""
    monkeypatch.setattr(watch, "WATCHERS_PER_ACCOUNT_MAX", 0)
    made = await predict(world, alice, headers={"Prefer": "wait"})
    assert made["status"] == "starting"
    assert await world.count("task") == 1


async def test_what_was_made_and_cannot_be_shown_is_named_and_not_asked_for_again(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_arguments: object) -> object:
        raise DatabaseUnavailable

    monkeypatch.setattr(predictions, "_awaited", away)
    response = await ask(
        world, alice, "POST", f"/models/{PICTURE_MODEL}/predictions", json={"input": SUNSET}
    )
    (task,) = (await world.client.get("/api/v1/jobs/listTasks", headers=alice.headers)).json()[
        "tasks"
    ]
    assert response.status_code == 503
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers
    assert task["taskId"] in response.json()["detail"]


@pytest.mark.parametrize("count", [1, 4])
async def test_one_file_is_a_text_and_several_are_a_list(world: World, alice: Person, count: int):
    task_id = await create(world, alice, PICTURE if count == 1 else FOUR)
    await finish(world, task_id, ScriptedProvider(statuses=[done_pictures]))
    found = await shown(world, alice, task_id)
    urls = [output["url"] for output in (await record(world, alice, task_id))["output"]]
    assert found["output"] == (urls[0] if count == 1 else urls)
    assert len(urls) == count


async def test_versions_are_names_for_the_same_model(world: World, alice: Person):
    model = world.runtime.catalog.models_by_id["gpt-image-2"]
    digits = version_of(model)
    assert len(digits) == 64
    for version in (digits, PICTURE_MODEL, f"{PICTURE_MODEL}:{digits}"):
        response = await ask(
            world, alice, "POST", "/predictions", json={"version": version, "input": SUNSET}
        )
        assert response.status_code == 201, response.text
        made = response.json()
        assert (made["model"], made["version"]) == (PICTURE_MODEL, digits)
    for version in ("0" * 64, f"{PICTURE_MODEL}:{'0' * 64}", f"{VIDEO_MODEL}:{digits}", "x/y", "x"):
        response = await ask(
            world, alice, "POST", "/predictions", json={"version": version, "input": SUNSET}
        )
        assert response.status_code == 422, response.text
    assert await world.count("task") == 3


async def test_a_model_is_found_by_the_name_it_has_elsewhere_and_keeps_it(
    world: World, alice: Person
):
    made = await predict(world, alice, "bytedance/seedance-2.0")
    assert made["model"] == "bytedance/seedance-2.0"
    assert (await record(world, alice, made["id"]))["model"] == "seedance-20"
    response = await ask(
        world,
        alice,
        "POST",
        "/deployments/kinetoscope/seedance-20/predictions",
        json={"input": SUNSET},
    )
    assert response.json()["deployment"] == "kinetoscope/seedance-20"


async def test_a_cancelled_prediction_is_canceled_and_free(world: World, alice: Person):
    """Behaviour 6: never `aborted`, which the 1.x client refuses to read."""
    made = await predict(world, alice)
    response = await ask(world, alice, "POST", f"/predictions/{made['id']}/cancel")
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["error"]) == ("canceled", None)
    again = await ask(world, alice, "POST", f"/predictions/{made['id']}/cancel")
    assert again.json()["status"] == "canceled"
    assert (await world.balance(alice))[:3] == (100_000, 0, 0)


async def test_cancel_after_ends_what_takes_too_long(world: World, alice: Person):
    made = await predict(world, alice, headers={"Cancel-After": "1m30s"})
    assert made["deadline"] == "2026-11-23T12:01:30.000Z"
    begun = await predict(world, alice, headers={"Cancel-After": "2m"})
    provider = ScriptedProvider(
        statuses=[Working(progress=0.1)] * 2, cancels=[CancelOutcome.STOPPED], polling=POLLING
    )

    async def meanwhile() -> None:
        world.clock.move(timedelta(minutes=2))
        runtime = world.runtime
        await end_overdue(runtime.database, lifetimes_of(runtime.settings), world.clock())
        await tools.cancellations.refresh()

    tools = tools_for(world, provider, meanwhile=meanwhile)
    await advance(tools, TaskId(begun["id"]))
    for task_id in (made["id"], begun["id"]):
        assert (await shown(world, alice, task_id))["status"] == "canceled"
    assert (await world.balance(alice))[:3] == (100_000, 0, 0)
    for text in ("1s", "soon", "", "99999d"):
        refused = await ask(
            world,
            alice,
            "POST",
            f"/models/{VIDEO_MODEL}/predictions",
            json={"input": SUNSET},
            headers={"Cancel-After": text},
        )
        assert refused.status_code == 422, text
        assert "Cancel-After" in refused.json()["detail"]
    assert await world.count("task") == 2


async def test_a_failed_prediction_says_why_and_is_free(world: World, alice: Person):
    made = await predict(world, alice)
    failed = Failed(code="2038", message="Not allowed", kind=Kind.MODERATION)
    await finish(world, made["id"], ScriptedProvider(statuses=[failed]))
    found = await shown(world, alice, made["id"])
    native = (await record(world, alice, made["id"]))["error"]
    assert found["status"] == "failed"
    assert found["output"] is None
    assert native["message"] in found["error"]
    assert f"(code {native['code']})" in found["error"]
    assert (await world.balance(alice))[:3] == (100_000, 0, 0)


async def test_the_list_goes_forth_and_back(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(predictions, "PAGE_SIZE", 2)
    made = []
    for _ in range(5):
        made.append(await create(world, alice, PICTURE))
        world.clock.move(timedelta(seconds=1))
    pages, url = [], f"{BASE}/predictions?created_after=2026-11-23T12:00:01Z"
    previous = []
    while url:
        page = (await world.client.get(url, headers=alice.headers)).json()
        pages.append([each["id"] for each in page["results"]])
        previous.append(page["previous"])
        url = page["next"]
    newest = made[::-1]
    assert pages == [newest[:2], newest[2:4]]
    assert previous[0] is None
    back = (await world.client.get(previous[1], headers=alice.headers)).json()
    assert [each["id"] for each in back["results"]] == newest[:2]
    assert back["previous"] is None
    bob = await world.person("bob")
    assert (await ask(world, bob, "GET", "/predictions")).json()["results"] == []
    for query in ("cursor=nonsense", "created_before=today"):
        assert (await ask(world, alice, "GET", f"/predictions?{query}")).status_code == 422


async def test_other_peoples_predictions_are_theirs(world: World, alice: Person):
    made, bob = await predict(world, alice), await world.person("bob")
    for method, path in (("GET", ""), ("GET", "/stream"), ("POST", "/cancel")):
        response = await ask(world, bob, method, f"/predictions/{made['id']}{path}")
        assert response.status_code == 403, path
    assert (await shown(world, alice, made["id"]))["status"] == "starting"
    assert (await ask(world, alice, "GET", "/predictions/task_nothing1")).status_code == 404


async def test_an_idempotency_key_makes_one_prediction(world: World, alice: Person):
    headers = {"Idempotency-Key": "one"}
    first = await predict(world, alice, headers=headers)
    again = await predict(world, alice, headers=headers)
    assert first["id"] == again["id"]
    other = await ask(
        world,
        alice,
        "POST",
        f"/models/{VIDEO_MODEL}/predictions",
        json={"input": {"prompt": "another"}},
        headers=headers,
    )
    assert other.status_code == 422
    assert (await world.balance(alice))[1] == 20_000


async def test_what_a_client_counts_as_a_repetition_makes_nothing_new(world: World, alice: Person):
    """The newer Python client sends a POST again after a lost answer, and counts its tries."""

    def tried(count: int) -> dict[str, str]:
        return {RETRY_COUNT: str(count)}

    first = await predict(world, alice, headers=tried(0))
    assert (await predict(world, alice, headers=tried(1)))["id"] == first["id"]
    assert (await predict(world, alice, headers=tried(2)))["id"] == first["id"]
    # Equal requests that are none are the user's will.
    second = await predict(world, alice, headers=tried(0))
    assert second["id"] != first["id"]
    other = await predict(world, alice, inputs={"prompt": "another"}, headers=tried(1))
    bob = await world.person("bob")
    his = await predict(world, bob, headers=tried(1))
    assert len({first["id"], second["id"], other["id"], his["id"]}) == 4
    world.clock.move(2 * predictions.USUAL_TIMEOUT)
    assert (await predict(world, alice, headers=tried(1)))["id"] not in {first["id"], second["id"]}
    assert await world.count("task") == 5


async def test_a_native_task_is_a_prediction_too(world: World, alice: Person):
    task_id = await create(world, alice, VIDEO)
    found = await shown(world, alice, task_id)
    assert (found["model"], found["status"]) == (VIDEO_MODEL, "starting")


def test_a_cursor_keeps_its_places():
    places = [
        Place(
            created_at=datetime(2026, 11, 23, 12, 0, 0, number, UTC),
            task_id=f"task_{number:08}",
        )
        for number in range(60)
    ]
    text = predictions.write_cursor(places)
    assert predictions.read_cursor(text) == places[-predictions.TRAIL_MAX :]
