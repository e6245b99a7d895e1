"""OpenAI's videos over HTTP: what its clients send, and what they are shown."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import Person, World
from tests.dialects.examples_openai import PICTURE
from tests.scripted import (
    PICTURE as IMAGE_ORDER,
)
from tests.scripted import (
    VIDEO,
    Meanwhile,
    ScriptedProvider,
    assert_in_order,
    create,
    done_video,
    record,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Failed, Job, Kind, Status, Working
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.cancel import cancel
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

VIDEOS = "/openai/v1/videos"
SMALL = {"model": "seedance2.0-mini", "prompt": "a kite", "seconds": "4", "size": "864x496"}
"""30 credits."""


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def ask(
    world: World,
    person: Person,
    method: str,
    path: str = "",
    **further: Any,  # noqa: ANN401
) -> httpx.Response:
    return await world.client.request(method, VIDEOS + path, headers=person.headers, **further)


async def post(
    world: World, person: Person, form: dict[str, Any], **files: tuple[str, bytes, str]
) -> httpx.Response:
    """Send a form, as the SDK always does, with or without a file."""
    fields = [(name, (None, str(value))) for name, value in form.items()]
    return await ask(world, person, "POST", files=[*fields, *files.items()])


async def made(
    world: World, person: Person, form: dict[str, Any], **files: tuple[str, bytes, str]
) -> TaskId:
    response = await post(world, person, form, **files)
    assert response.status_code == 200, response.text
    return TaskId(response.json()["id"])


async def shown(world: World, person: Person, video_id: str) -> dict[str, Any]:
    response = await ask(world, person, "GET", f"/{video_id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def before_each(script: ScriptedProvider, meanwhile: Meanwhile) -> ScriptedProvider:
    """Do something whenever a provider is asked how it goes."""
    asked = script.status

    async def status(upstream_id: str, job: Job) -> Status:
        await meanwhile()
        return await asked(upstream_id, job)

    script.status = status  # type: ignore[method-assign]
    return script


async def filmed(world: World, task_id: TaskId) -> None:
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), task_id)


def told(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert sorted(error) == ["code", "message", "param", "type"]
    assert error["message"]
    return response.status_code, error["code"], error["param"]


async def test_a_video_from_its_creation_to_its_end(world: World, alice: Person):
    """Behaviours 1 and 2 of the SDK: always a form; what it must be told, and its four statuses."""
    response = await post(world, alice, SMALL)
    assert response.headers["openai-poll-after-ms"] == "1000"
    begun = response.json()
    video_id = begun["id"]
    created_s = int(world.clock().timestamp())
    assert begun == {
        "id": video_id,
        "object": "video",
        "created_at": created_s,
        "completed_at": None,
        "expires_at": None,
        "status": "queued",
        "progress": 0,
        "model": "seedance2.0-mini",
        "prompt": "a kite",
        "seconds": "4",
        "size": "864x496",
        "remixed_from_video_id": None,
        "error": None,
    }
    assert await world.balance(alice) == (97000, 3000, 0, 1)

    seen: list[dict[str, Any]] = []

    async def look() -> None:
        seen.append(await shown(world, alice, video_id))

    script = ScriptedProvider(statuses=[Working(progress=0.4), done_video])
    await advance(tools_for(world, before_each(script, look)), video_id)
    assert {(each["status"], each["progress"]) for each in seen} >= {("in_progress", 40)}
    ended = await ask(world, alice, "GET", f"/{video_id}")
    assert "openai-poll-after-ms" not in ended.headers
    body = ended.json()
    assert (body["status"], body["progress"], body["size"]) == ("completed", 100, "64x48")
    assert body["completed_at"] <= int(world.clock().timestamp())
    assert body["expires_at"] == body["completed_at"] + timedelta(days=14).total_seconds()
    assert (await record(world, alice, video_id))["status"] == "success"
    assert await world.balance(alice) == (97000, 0, 3000, 0)
    await assert_in_order(world, ended=1)


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (Failed(code="2038", message="no", kind=Kind.MODERATION), "moderation_blocked"),
        (Failed(code="4011", message="no", kind=Kind.MODERATION), "moderation_blocked"),
        (Failed(code="500", message="no"), "server_error"),
    ],
    ids=["moderation", "face", "broken"],
)
async def test_why_a_video_failed_is_told_in_openais_words(
    world: World, alice: Person, failed: Failed, code: str
):
    video_id = await made(world, alice, SMALL)
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), video_id)
    body = await shown(world, alice, video_id)
    assert (body["status"], body["error"]["code"]) == ("failed", code)
    assert body["error"]["message"]
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_what_was_cancelled_elsewhere_has_failed_here(world: World, alice: Person):
    """Behaviour 2: there is no status for it."""
    video_id = await made(world, alice, SMALL)
    await cancel(
        world.runtime.database,
        lifetimes_of(world.runtime.settings),
        alice.account_id,
        video_id,
        world.clock(),
        mode=KeyMode.LIVE,
    )
    body = await shown(world, alice, video_id)
    assert (body["status"], body["error"]["code"]) == ("failed", "cancelled")


async def test_a_forms_texts_become_what_the_model_wants(world: World, alice: Person):
    """Behaviour 1: bracketed names, and texts for booleans and numbers."""
    form = {
        **SMALL,
        "generate_audio": "false",
        "seed": "7",
        "imageUrls[]": "https://example.com/a.png",
        "input_reference[image_url]": "https://example.com/b.png",
        "user": "somebody",
        "unheard_of": "true",
    }
    video_id = await made(world, alice, form)
    values = await world.runtime.database.fetch_values(
        "select inputs from task where id = %(id)s", {"id": video_id}
    )
    assert values is not None
    assert values[0] == {
        "prompt": "a kite",
        "duration": 4,
        "outputResolution": "480p",
        "aspectRatio": "16:9",
        "generate_audio": False,
        "mode": "keyframe",
        "seed": 7,
        # The one image opens the clip.
        "imageUrls": ["https://example.com/b.png", "https://example.com/a.png"],
    }


REFUSED: tuple[tuple[dict[str, str], int, str, str | None], ...] = (
    ({"model": "sora-2"}, 404, "model_not_found", "model"),
    ({"model": "gpt-image-2"}, 400, "custom", "model"),
    ({"size": "1792x1024"}, 400, "custom", "size"),
    ({"seconds": "3"}, 400, "too_small", "seconds"),
    ({"prompt": ""}, 400, "too_small", "prompt"),
    ({"n": "2"}, 400, "custom", "n"),
    ({"resolution": "720p"}, 400, "custom", "resolution"),
    ({"duration": "5"}, 400, "custom", "duration"),
    ({"size": "16:9", "aspect_ratio": "1:1"}, 400, "custom", "aspect_ratio"),
    ({"model": "seedance2-5-edit", "seconds": "4"}, 400, "custom", "seconds"),
    ({"callBackUrl": "http://127.0.0.1/"}, 400, "invalid_value", "callBackUrl"),
    ({"input_reference": "abc-upload.png"}, 404, "not_found", None),
    ({"input_reference[id]": "x"}, 400, "invalid_type", "input_reference"),
    (
        {
            "model": "seedance2-5",
            "size": "1280x720",
            "input_reference[image_url]": "https://example.com/a.png",
        },
        400,
        "custom",
        "size",
    ),
)


async def test_what_cannot_be_made_is_refused_by_the_clients_name_for_it(
    world: World, alice: Person
):
    for change, status, code, param in REFUSED:
        response = await post(world, alice, {**SMALL, **change})
        assert told(response) == (status, code, param), (change, response.text)
        assert response.headers["x-should-retry"] == "false"
    assert await world.count("task") == 0
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_a_picture_that_comes_along_opens_the_clip(world: World, alice: Person):
    form = {name: value for name, value in SMALL.items() if name != "size"}
    video_id = await made(world, alice, form, input_reference=PICTURE)
    uploaded = await world.client.get("/openai/v1/files", headers=alice.headers)
    (file,) = uploaded.json()["data"]
    again = await post(world, alice, {**form, "input_reference[file_id]": file["id"]})
    assert again.status_code == 200, again.text
    rows = await world.runtime.database.fetch_values(
        "select array_agg(inputs->'imageUrls'->>0) from task where model = 'seedance2.0-mini'", {}
    )
    assert rows is not None
    assert all(f"/media/{file['id']}?" in url for url in rows[0]), rows
    script = ScriptedProvider(statuses=[done_video])
    await advance(tools_for(world, script), video_id)
    assert [each.role for each in script.jobs[0].order.references] == ["first_frame"]

    mallory = await world.person("mallory")
    stolen = await post(world, mallory, {**form, "input_reference[file_id]": file["id"]})
    assert told(stolen)[:2] == (404, "not_found")
    elsewhere = await post(world, alice, form, mask=PICTURE)
    assert told(elsewhere) == (400, "invalid_value", "mask")


async def test_the_list_is_of_ones_own_videos_page_by_page(world: World, alice: Person):
    ids = []
    for _ in range(3):
        ids.append(await made(world, alice, SMALL))
        world.clock.move(timedelta(seconds=1))
    ids.append(await create(world, alice, VIDEO))
    await create(world, alice, IMAGE_ORDER)
    mallory = await world.person("mallory")
    await create(world, mallory, VIDEO)

    async def page(**query: str | int) -> tuple[list[str], bool]:
        response = await ask(world, alice, "GET", params=query)
        body = response.json()
        found = [each["id"] for each in body["data"]]
        assert (body["object"], body["first_id"], body["last_id"]) == (
            "list",
            found[0] if found else None,
            found[-1] if found else None,
        )
        return found, body["has_more"]

    newest = ids[::-1]
    assert await page() == (newest, False)
    assert await page(limit=2) == (newest[:2], True)
    assert await page(limit=2, after=newest[1]) == (newest[2:], False)
    assert await page(order="asc", limit=3) == (ids[:3], True)
    assert await page(order="asc", after=ids[2]) == (ids[3:], False)
    assert await page(after=newest[-1]) == ([], False)
    for query, code in (({"limit": "0"}, "limit"), ({"order": "up"}, "order")):
        assert told(await ask(world, alice, "GET", params=query)) == (400, "invalid_value", code)
    foreign = await ask(world, mallory, "GET", params={"after": ids[0]})
    assert told(foreign)[:2] == (404, "not_found")


async def test_the_files_of_a_video(world: World, alice: Person):
    video_id = await made(world, alice, SMALL)
    path = f"/{video_id}/content"
    assert told(await ask(world, alice, "GET", path))[2] == "video_id"
    await filmed(world, video_id)
    whole = await ask(world, alice, "GET", path)
    assert whole.headers["content-type"] == "video/mp4"
    url = (await record(world, alice, video_id))["output"][0]["url"]
    assert whole.content == (await world.client.get(url)).content
    part = await world.client.get(VIDEOS + path, headers={**alice.headers, "Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    nowhere = await world.client.get(
        VIDEOS + path, headers={**alice.headers, "Range": "bytes=99999999-"}
    )
    assert nowhere.status_code == 416
    assert nowhere.headers["content-range"] == f"bytes */{len(whole.content)}"
    small = await ask(world, alice, "GET", path, params={"variant": "thumbnail"})
    assert small.headers["content-type"] == "image/jpeg"
    assert small.content.startswith(b"\xff\xd8\xff")
    sheet = await ask(world, alice, "GET", path, params={"variant": "spritesheet"})
    assert told(sheet)[:2] == (501, "unsupported")
    assert sheet.headers["x-should-retry"] == "false"
    assert told(await ask(world, alice, "GET", path, params={"variant": "x"}))[2] == "variant"
    world.clock.move(timedelta(days=14))
    assert told(await ask(world, alice, "GET", path))[:2] == (404, "not_found")
    assert (await shown(world, alice, video_id))["status"] == "completed"


async def test_pictures_strangers_and_nonsense_are_no_videos(world: World, alice: Person):
    picture = await create(world, alice, IMAGE_ORDER)
    video_id, mallory = await made(world, alice, SMALL), await world.person("mallory")
    for person, name in ((alice, picture), (mallory, video_id), (alice, "video_123")):
        for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", ""), ("POST", "/remix")):
            json = {"prompt": "x"} if method == "POST" else None
            response = await ask(world, person, method, f"/{name}{tail}", json=json)
            assert told(response)[:2] == (404, "not_found"), (method, tail)
    assert (await shown(world, alice, video_id))["status"] == "queued"


async def test_deleting_ends_what_runs_and_removes_what_is_done(world: World, alice: Person):
    running, done = await made(world, alice, SMALL), await made(world, alice, SMALL)
    await filmed(world, done)
    assert await world.balance(alice) == (94000, 3000, 3000, 1)
    for video_id in (running, done):
        response = await ask(world, alice, "DELETE", f"/{video_id}")
        assert response.json() == {"id": video_id, "object": "video.deleted", "deleted": True}
        assert told(await ask(world, alice, "GET", f"/{video_id}"))[0] == 404
    assert await world.balance(alice) == (97000, 0, 3000, 0)
    assert await audit(world.runtime.database) == []
    assert list((world.runtime.settings.data_dir / "media").rglob("*.mp4")) == []


async def test_what_its_provider_has_not_stopped_is_not_called_deleted(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kinetoscope.dialects.openai.videos.CANCEL_WAIT_S", 0.01)
    video_id = await made(world, alice, SMALL)
    answers: list[dict[str, Any]] = []

    async def remove() -> None:
        if not answers:
            answers.append((await ask(world, alice, "DELETE", f"/{video_id}")).json())

    script = ScriptedProvider(statuses=[Working(progress=0.1), done_video])
    await advance(tools_for(world, before_each(script, remove)), video_id)
    assert answers == [{"id": video_id, "object": "video.deleted", "deleted": False}]
    response = await ask(world, alice, "DELETE", f"/{video_id}")
    assert response.json()["deleted"] is True


async def test_a_test_key_deletes_no_live_video(world: World, alice: Person):
    video_id = await made(world, alice, SMALL)
    await filmed(world, video_id)
    test = await world.person("alice", "0", mode=KeyMode.TEST)
    assert told(await ask(world, test, "DELETE", f"/{video_id}"))[:2] == (403, "permission_denied")
    assert (await shown(world, alice, video_id))["status"] == "completed"


async def test_a_remix_is_told_the_same_but_for_the_prompt(world: World, alice: Person):
    video_id = await made(world, alice, SMALL)
    early = await ask(world, alice, "POST", f"/{video_id}/remix", json={"prompt": "a red kite"})
    assert told(early) == (400, "invalid_value", "video_id")
    await filmed(world, video_id)
    response = await ask(world, alice, "POST", f"/{video_id}/remix", json={"prompt": "a red kite"})
    body = response.json()
    assert body["id"] != video_id
    assert (body["remixed_from_video_id"], body["prompt"]) == (video_id, "a red kite")
    assert (body["seconds"], body["size"], body["model"]) == ("4", "864x496", SMALL["model"])
    assert await world.balance(alice) == (94000, 3000, 3000, 1)


async def test_clips_are_edited_and_continued_by_the_models_that_can(world: World):
    alice = await world.person("rich", "10000")
    clip = await made(world, alice, {"model": "seedance2-5", "prompt": "a walk"})
    other = await made(world, alice, SMALL)
    await filmed(world, clip)
    await filmed(world, other)
    asked = {"prompt": "in winter", "video": {"id": clip}}
    edited = await ask(world, alice, "POST", "/edits", json=asked)
    assert edited.json()["model"] == "seedance2-5-edit"
    longer = {**asked, "seconds": "8"}
    continued = await ask(world, alice, "POST", "/extensions", json=longer)
    assert (continued.json()["model"], continued.json()["seconds"]) == ("seedance2-5-extend", "8")
    script = ScriptedProvider(statuses=[done_video])
    await advance(tools_for(world, script), TaskId(continued.json()["id"]))
    named = {**asked, "video": {"id": other}}
    refused = await ask(world, alice, "POST", "/edits", json=named)
    assert told(refused) == (400, "custom", "model")
    assert "seedance2-5-edit" in refused.json()["error"]["message"]
    named["model"] = "seedance2-5-edit"
    assert (await ask(world, alice, "POST", "/edits", json=named)).status_code == 200
    wrong = await ask(world, alice, "POST", "/extensions", json={**named, "seconds": "8"})
    assert told(wrong) == (400, "custom", "model")
    mallory = await world.person("mallory")
    assert told(await ask(world, mallory, "POST", "/edits", json=asked))[:2] == (404, "not_found")


async def test_what_is_not_spoken_is_said_to_be_unsupported(world: World):
    """Not a 404, which clients take for a lost video, nor anything that they send again."""
    for method, path in (
        ("POST", "/openai/v1/videos/characters"),
        ("POST", "/openai/v1/chat/completions"),
        ("POST", "/v1/webhook_endpoints"),
        ("POST", "/v1/images/variations"),
    ):
        response = await world.client.request(method, path)
        assert told(response)[:2] == (501, "unsupported")
        assert response.headers["x-should-retry"] == "false"
