"""GET /api/v1/jobs/recordInfo: one shape for every state, true to the file, for the owner alone."""

import io
from datetime import timedelta

import av
import httpx
import pytest
from PIL import Image
from tests.conftest import START, Person, World
from tests.scripted import (
    FOUR,
    INTENT,
    PATH_RECORD,
    PICTURE,
    TOKENS,
    VIDEO,
    ScriptedProvider,
    StatusStep,
    create,
    done_pictures,
    done_video,
    done_with_usage,
    film,
    record,
    tools_for,
)
from typing_extensions import override

from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import MediaKind, Usage
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.providers.contract import Done, Failed, Job, OutputFile, Status, Waiting, Working
from kinetoscope.tasks import intents, store
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

KEYS = [
    "taskId",
    "model",
    "status",
    "creditsUsed",
    "output",
    "error",
    "createTime",
    "completeTime",
    "progress",
    "preview",
    "aiGenerated",
    "expiresAt",
    "metadataExpiresAt",
]
"""Those of the contract in its order, then ours."""


async def finish(world: World, task_id: TaskId, *statuses: StatusStep) -> None:
    await advance(tools_for(world, ScriptedProvider(statuses=statuses)), task_id)


async def test_a_new_task_waits(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    found = await record(world, alice, task_id)
    assert list(found) == KEYS
    assert found == {
        "taskId": task_id,
        "model": "seedance-20",
        "status": "waiting",
        "creditsUsed": 200,
        "output": None,
        "error": None,
        "createTime": unix_ms(START),
        "completeTime": None,
        "progress": None,
        "preview": False,
        "aiGenerated": None,
        "expiresAt": None,
        "metadataExpiresAt": None,
    }
    assert found["createTime"] == 1795435200000


async def test_a_claimed_task_still_waits_and_one_with_progress_generates(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    database = world.runtime.database
    task = await store.claim(database, task_id)
    assert task is not None
    assert (await record(world, alice, task_id))["status"] == "waiting"
    await intents.intend(database, task, INTENT, world.clock())
    await intents.accept(database, task, "upstream-1")
    assert (await record(world, alice, task_id))["status"] == "waiting"
    await store.note_progress(database, task, None, world.clock())
    found = await record(world, alice, task_id)
    assert (found["status"], found["progress"]) == ("generating", None)
    for told, shown in [(0, 0), (40, 40), (39, 40), (None, 40), (99, 99)]:
        await store.note_progress(database, task, told, world.clock())
        assert (await record(world, alice, task_id))["progress"] == shown
    found = await record(world, alice, task_id)
    assert (found["output"], found["error"], found["completeTime"]) == (None, None, None)


async def test_a_task_that_was_begun_again_never_goes_back(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    database = world.runtime.database
    first = await store.claim(database, task_id)
    assert first is not None
    await store.note_progress(database, first, 70, world.clock())
    second = await store.claim(database, task_id)
    assert second is not None
    found = await record(world, alice, task_id)
    assert (found["status"], found["progress"]) == ("generating", 70)
    await store.note_progress(database, second, 5, world.clock())
    assert (await record(world, alice, task_id))["progress"] == 70


async def test_progress_only_ever_rises_while_a_task_runs(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    shown: list[object] = []

    async def look() -> None:
        shown.append((await record(world, alice, task_id))["progress"])

    told = [None, 0.0, 0.505, 0.1, None, 0.999, 1.0]

    class Looking(ScriptedProvider):
        @override
        async def status(self, upstream_id: str, job: Job) -> Status:
            await look()
            return await super().status(upstream_id, job)

    statuses: list[StatusStep] = [Waiting()]
    statuses += [Working(progress=progress) for progress in told]
    statuses.append(done_pictures)
    await advance(tools_for(world, Looking(statuses=statuses)), task_id)
    await look()
    assert shown == [None, None, None, None, 50, 50, 50, 99, 99, 100]


async def test_a_finished_video_is_described_as_it_is(world: World):
    alice = await world.person("alice")
    order = {"model": "seedance-20", "inputs": {"prompt": "a sunset", "seed": 10792}}
    task_id = await create(world, alice, order)
    world.clock.move(timedelta(seconds=197, milliseconds=7))
    await finish(world, task_id, Working(progress=0.5), done_video)
    found = await record(world, alice, task_id)
    assert list(found) == KEYS
    (item,) = found.pop("output")
    expires_at = START + timedelta(days=14, seconds=197, milliseconds=7)
    assert found == {
        "taskId": task_id,
        "model": "seedance-20",
        "status": "success",
        "creditsUsed": 200,
        "error": None,
        "createTime": unix_ms(START),
        "completeTime": unix_ms(START) + 197_007,
        "progress": 100,
        "preview": False,
        "aiGenerated": True,
        "expiresAt": unix_ms(expires_at),
        "metadataExpiresAt": unix_ms(expires_at + timedelta(days=46)),
    }
    url, last_frame = item.pop("url"), item.pop("lastFrameImage")
    assert item == {
        "mediaType": "video/mp4",
        "seed": 10792,
        "width": 64,
        "height": 48,
        "duration": 0.5,
    }
    clip = await world.client.get(url)
    assert (clip.status_code, clip.headers["content-type"]) == (200, "video/mp4")
    with av.open(io.BytesIO(clip.content)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (64, 48, 12)
    still = await world.client.get(last_frame)
    assert (still.status_code, still.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(still.content)) as image:
        assert image.size == (64, 48)
    assert await world.balance(alice) == (800_00, 0, 200_00, 0)
    assert await audit(world.runtime.database) == []


async def test_four_pictures_are_four_items_each_true_to_its_file(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, FOUR)
    await finish(world, task_id, done_pictures)
    found = await record(world, alice, task_id)
    items = found["output"]
    assert [list(item) for item in items] == [["url", "mediaType", "seed", "width", "height"]] * 4
    assert [(item["width"], item["height"]) for item in items] == [
        (31, 20),
        (32, 20),
        (33, 20),
        (34, 20),
    ]
    assert len({item["url"] for item in items}) == 4
    for item in items:
        picture = await world.client.get(item["url"])
        with Image.open(io.BytesIO(picture.content)) as image:
            assert image.size == (item["width"], item["height"])
        assert picture.headers["content-type"] == item["mediaType"] == "image/png"
    assert (await record(world, alice, task_id))["output"] == items


async def test_what_the_file_is_counts_and_not_what_the_provider_says(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)

    def mislabelled(job: Job) -> Done:
        path = film(job.folder / "clip.webm.mp4", 80, 32, frames=24)
        file = OutputFile(path=path, kind=MediaKind.VIDEO, media_type="video/webm", seed=1)
        return Done(files=(file,), usage=Usage(), preview=True)

    await finish(world, task_id, mislabelled)
    found = await record(world, alice, task_id)
    (item,) = found["output"]
    del item["url"]
    expected = {"mediaType": "video/mp4", "seed": 1, "width": 80, "height": 32, "duration": 1.0}
    assert (item, found["preview"]) == (expected, True)


async def test_a_failed_task_is_a_200_with_its_price_while_the_credits_are_back(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    world.clock.move(timedelta(seconds=9))
    message = "Your input text violates platform rules. Please modify and try again."
    await finish(world, task_id, Working(progress=0.3), Failed(code="2038", message=message))
    found = await record(world, alice, task_id)
    assert list(found) == KEYS
    assert found == {
        "taskId": task_id,
        "model": "gpt-image-2",
        "status": "fail",
        "creditsUsed": 2.17,
        "output": None,
        "error": {"code": "2038", "message": message},
        "createTime": unix_ms(START),
        "completeTime": unix_ms(START) + 9_000,
        "progress": 30,
        "preview": False,
        "aiGenerated": None,
        "expiresAt": None,
        "metadataExpiresAt": unix_ms(START + timedelta(days=60, seconds=9)),
    }
    assert await world.balance(alice) == (1000_00, 0, 0, 0)
    assert await world.count("ledger_entry where kind = 'release' and available = 217") == 1
    assert await world.count("ledger_entry where kind = 'capture'") == 0
    assert await audit(world.runtime.database) == []


async def test_a_settled_task_shows_what_it_cost_in_the_end(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, TOKENS)
    assert (await record(world, alice, task_id))["creditsUsed"] == 1.75
    await finish(world, task_id, done_with_usage(Usage(tokens_text_in=7, tokens_image_out=1056)))
    response = await ask(world, alice, task_id)
    # 7 x 1.30/1000 + 1056 x 7.82/1000 = 8.26702
    assert '"creditsUsed":8.27,' in response.text
    assert await world.balance(alice) == (991_73, 0, 8_27, 0)
    assert await audit(world.runtime.database) == []


async def ask(world: World, person: Person, task_id: str | None) -> httpx.Response:
    params = None if task_id is None else {"taskId": task_id}
    return await world.client.get(PATH_RECORD, params=params, headers=person.headers)


async def test_the_id_is_demanded_and_checked_in_the_contracts_words(world: World):
    alice = await world.person("alice")
    missing = {"message": "Missing taskId parameter"}
    invalid = {"message": "Invalid taskId"}
    not_found = {"message": "Task not found"}
    for task_id, status, body in [
        (None, 400, missing),
        ("", 400, missing),
        ("x", 400, invalid),
        (" ", 400, invalid),
        ("task_", 400, invalid),
        ("task_SHOUTED_AT_LENGTH", 400, invalid),
        ("task_0123456789abcdefghijklmn ", 400, invalid),
        ("task_0123456789abcdefghijklmn\n", 400, invalid),
        ("task_0123456789abcdefghijklm\x00", 400, invalid),
        ("\x00", 400, invalid),
        ("task_' or true --", 400, invalid),
        ("task_%", 400, invalid),
        ("é" * 3000, 400, invalid),
        ("task_" + "a" * 41, 400, invalid),
        ("task_0123456789abcdefghijklmn", 404, not_found),
        ("task_clabcdefghijklmnopqrstuvw", 404, not_found),
        ("demo_task_nothing", 404, not_found),
    ]:
        response = await ask(world, alice, task_id)
        assert (response.status_code, response.json()) == (status, body), task_id
    raw = await world.client.get(PATH_RECORD + "?taskId=%ff%ed%a0%80", headers=alice.headers)
    assert (raw.status_code, raw.json()) == (400, invalid)
    other = await world.client.get(PATH_RECORD + "?taskid=task_0123456789", headers=alice.headers)
    assert (other.status_code, other.json()) == (400, missing)


async def test_nobody_reads_anothers_task_in_any_state(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    tester = await world.person("tester", mode=KeyMode.TEST)
    waiting = await create(world, alice, PICTURE)
    failed = await create(world, alice, PICTURE)
    await finish(world, failed, Failed(code="500", message="secret"))
    for stranger in (bob, tester):
        for task_id in (waiting, failed):
            response = await ask(world, stranger, task_id)
            assert (response.status_code, response.json()) == (403, {"message": "Access denied"})
    assert (await ask(world, alice, failed)).status_code == 200


async def test_any_key_of_an_account_reads_the_accounts_tasks(world: World):
    first = await world.person("alice")
    second = await world.person("alice", "0", mode=KeyMode.TEST)
    assert (first.account_id, first.key_id == second.key_id) == (second.account_id, False)
    task_id = await create(world, first, PICTURE)
    assert (await record(world, second, task_id))["taskId"] == task_id


async def test_reading_changes_nothing(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    async with world.runtime.database.connection() as connection:
        query = "select t::text from task t"
        before = await (await connection.execute(query)).fetchall()
        for _ in range(3):
            await record(world, alice, task_id)
        assert await (await connection.execute(query)).fetchall() == before
    assert await world.balance(alice) == (997_83, 217, 0, 1)
