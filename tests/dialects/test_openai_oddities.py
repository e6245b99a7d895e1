"""What OpenAI's dialect does with odd requests: nothing is left behind, and nothing breaks."""

from typing import Never

import pytest
from tests.api.test_access_matrix import key_with
from tests.conftest import Person, World
from tests.dialects.examples_openai import MAKES, PAINTS, PICTURE, SOUNDS
from tests.dialects.working import working
from tests.scripted import (
    PICTURE as PICTURE_TASK,
)
from tests.scripted import VIDEO, ScriptedProvider, create, done_pictures, done_video, tools_for

from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.ids import TaskId, new_task_id
from kinetoscope.media.store import MediaStore, StoreFailed
from kinetoscope.tasks import create as creating
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

FILE = {"input_reference": PICTURE}


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def uploads(world: World, person: Person) -> list[str]:
    listed = await world.client.get("/v1/files", headers=person.headers)
    return [each["id"] for each in listed.json()["data"]]


async def done(world: World, person: Person) -> TaskId:
    task_id = await create(world, person, VIDEO)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)
    return task_id


@pytest.mark.parametrize(
    ("path", "data", "field"),
    [("/v1/videos", MAKES, "input_reference"), ("/v1/images/edits", PAINTS, "image[]")],
)
async def test_files_come_along_with_keys_that_may_upload(
    world: World, alice: Person, path: str, data: dict[str, str], field: str
):
    narrow = await key_with(world, alice, "tasks:read", "tasks:write")
    headers = {"Authorization": f"Bearer {narrow.text}"}
    async with working(world):
        refused = await world.client.post(path, data=data, files={field: PICTURE}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    assert (await world.count("media_file"), await world.count("task")) == (0, 0)


async def test_a_refused_request_leaves_no_upload(world: World):
    poor = await world.person("poor", "1")
    refused = await world.client.post("/v1/videos", data=MAKES, files=FILE, headers=poor.headers)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    two = [("image[]", PICTURE), ("image[]", ("b.png", b"no picture", "image/png"))]
    await world.client.post("/v1/images/edits", data=PAINTS, files=two, headers=poor.headers)
    assert await world.count("media_file") > 1
    assert await uploads(world, poor) == []


async def test_a_repetition_leaves_the_upload_that_its_task_refers_to(world: World, alice: Person):
    headers = {**alice.headers, "Idempotency-Key": "once"}
    made = [
        (await world.client.post("/v1/videos", data=MAKES, files=FILE, headers=headers)).json()
        for _ in range(2)
    ]
    assert made[0]["id"] == made[1]["id"]
    (name,) = await uploads(world, alice)
    values = await world.runtime.database.fetch_values("select inputs::text from task", {})
    assert values is not None
    assert name in values[0]


async def test_an_upload_stays_whose_task_may_be_there(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    async def lost(*_: object) -> Never:
        raise DatabaseUnavailable(new_task_id())

    monkeypatch.setattr(creating, "create", lost)
    answer = await world.client.post("/v1/videos", data=MAKES, files=FILE, headers=alice.headers)
    assert answer.status_code == 503
    assert len(await uploads(world, alice)) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"stream": ["x"]},
        {"partial_images": {}},
        {"response_format": ["url"]},
        {"quality": []},
        {"background": {}},
        {"style": "vivid"},
        {"effort": "low"},
        {"reasoning": {"effort": "low"}},
    ],
    ids=lambda odd: next(iter(odd)),
)
async def test_odd_values_are_refused_by_name(world: World, alice: Person, odd: dict[str, object]):
    (name,) = odd
    answer = await world.client.post(
        "/v1/images/generations", json=PAINTS | odd, headers=alice.headers
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, name), answer.text
    assert await world.count("task") == 0


async def test_odd_forms_are_refused_by_name(world: World, alice: Person):
    for name in ("stream", "response_format", "background", "quality"):
        answer = await world.client.post(
            "/v1/images/edits",
            data={**PAINTS, f"{name}[]": "true"},
            files={"image": PICTURE},
            headers=alice.headers,
        )
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, name), answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/files/%00", 404),
        ("/v1/files?after=%00", 404),
        ("/v1/files/%00/content", 404),
        ("/v1/videos?after=%00", 404),
        ("/v1/videos?limit=0000100", 400),
        (f"/v1/models/{'a' * 201}", 404),
    ],
)
async def test_names_that_nothing_has_are_not_found(
    world: World, alice: Person, path: str, status: int
):
    answer = await world.client.get(path, headers=alice.headers)
    assert answer.status_code == status, answer.text
    assert len(answer.content) < 500


async def test_a_reference_that_no_file_has_is_not_found(world: World, alice: Person):
    for reference in ("\0", {"file_id": "a\0.png"}):
        json = {**MAKES, "input_reference": reference}
        answer = await world.client.post("/v1/videos", json=json, headers=alice.headers)
        assert answer.status_code == 404, answer.text


async def test_a_store_that_is_away_is_told_and_asked_again(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: object) -> Never:
        raise StoreFailed("/home/somebody: connection refused")

    clip = await done(world, alice)
    native = await world.client.get(f"/api/v1/jobs/recordInfo?taskId={clip}", headers=alice.headers)
    url = native.json()["output"][0]["url"]
    monkeypatch.setattr(MediaStore, "stat", away)
    counted = {**alice.headers, "x-stainless-retry-count": "0"}
    async with working(world):
        answers = [
            await world.client.post("/v1/images/generations", json=PAINTS, headers=counted),
            await world.client.post("/v1/audio/speech", json=SOUNDS, headers=counted),
        ]
    for paid in answers:
        assert "has ended" in paid.json()["error"]["message"]
    answers += [
        await world.client.get(f"/v1/videos/{clip}/content", headers=alice.headers),
        await world.client.get(url),
        await world.client.post("/api/v1/uploads", json={"fileUrl": url}, headers=alice.headers),
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), answer.text
        assert "x-should-retry" not in answer.headers
        assert "somebody" not in answer.text


async def test_videos_of_models_that_are_gone_are_listed_as_they_are_shown(
    world: World, alice: Person
):
    ended, waiting = await done(world, alice), await create(world, alice, VIDEO)
    pictures, known = await create(world, alice, PICTURE_TASK), await create(world, alice, VIDEO)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), pictures)
    await world.runtime.database.execute(
        "update task set model = 'of-last-year' where id <> %(known)s", {"known": known}
    )
    listed = await world.client.get("/v1/videos", headers=alice.headers)
    assert {each["id"] for each in listed.json()["data"]} == {ended, waiting, known}
    for task_id, status in ((ended, 200), (waiting, 200), (pictures, 404)):
        shown = await world.client.get(f"/v1/videos/{task_id}", headers=alice.headers)
        assert shown.status_code == status
