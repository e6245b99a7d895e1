"""GET and POST /api/v1/verify: whether a file came from here, and nothing about whose it is."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.certificates import chain
from tests.conftest import START, Person, World
from tests.scripted import (
    FOUR,
    PICTURE,
    VIDEO,
    ScriptedProvider,
    StatusStep,
    create,
    done_pictures,
    done_video,
    film,
    record,
    tools_for,
)
from tests.unit.test_provenance_signing import actions_of, verified

from kinetoscope.api import verify
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.media import files
from kinetoscope.media.credentials import Credentials
from kinetoscope.providers.contract import Done, Failed, Job
from kinetoscope.tasks.advance import advance
from kinetoscope.wiring import credentials_of, worker_tools

pytestmark = pytest.mark.anyio

PATH = "/api/v1/verify"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
UNKNOWN = {"known": False}


def by_program(job: Job) -> Done:
    return replace(done_pictures(job), preview=True, ai_generated=False)


async def made(
    world: World,
    person: Person,
    order: object,
    done: StatusStep,
    credentials: Credentials | None = None,
) -> list[bytes]:
    """Have something made and download it: files first, then last frames."""
    task_id = await create(world, person, order)
    tools = tools_for(world, ScriptedProvider(statuses=[done]))
    await advance(replace(tools, credentials=credentials), task_id)
    found = await record(world, person, task_id)
    items = found["output"] or []
    urls = [item["url"] for item in items]
    urls += [item["lastFrameImage"] for item in items if "lastFrameImage" in item]
    answers = [await world.client.get(url) for url in urls]
    assert [response.status_code for response in answers] == [200] * len(urls)
    return [response.content for response in answers]


async def by_digest(world: World, data: bytes) -> dict[str, object]:
    response = await world.client.get(PATH, params={"sha256": hashlib.sha256(data).hexdigest()})
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


async def by_file(world: World, data: bytes) -> dict[str, object]:
    response = await world.client.post(PATH, content=data)
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


async def test_a_file_from_here_is_known_to_anybody_by_digest_and_by_itself(world: World):
    alice = await world.person("alice")
    clip, last_frame = await made(world, alice, VIDEO, done_video)
    expected = {
        "known": True,
        "mediaType": "video/mp4",
        "createdAt": unix_ms(START),
        "model": "seedance-20",
        "aiGenerated": True,
        "preview": False,
        "digitalSourceType": f"{SOURCE_TYPES}trainedAlgorithmicMedia",
    }
    assert await by_digest(world, clip) == await by_file(world, clip) == expected
    assert await by_digest(world, last_frame) == {**expected, "mediaType": "image/png"}
    digest = hashlib.sha256(clip).hexdigest().upper()
    response = await world.client.get(PATH, params={"sha256": digest})
    assert response.json() == expected


async def test_nothing_is_said_of_the_owner_or_the_order(world: World):
    alice = await world.person("alice")
    order = {"model": "gpt-image-2", "inputs": {"prompt": "planted words"}}
    [picture] = await made(world, alice, order, done_pictures)
    told = json.dumps(await by_digest(world, picture))
    for text in (alice.account_id, alice.key_id, alice.name, "task_", "planted"):
        assert text not in told
        assert text.encode() not in picture


async def test_what_a_program_made_is_told_apart_from_what_an_ai_made(world: World):
    alice = await world.person("alice")
    pictures = await made(world, alice, FOUR, by_program)
    assert len(pictures) == 4
    for picture in pictures:
        found = await by_digest(world, picture)
        assert (found["aiGenerated"], found["preview"]) == (False, True)
        assert found["digitalSourceType"] == f"{SOURCE_TYPES}algorithmicMedia"
        assert b"not AI output" in picture


async def test_the_record_says_who_made_it_once_it_is_made(world: World):
    alice = await world.person("alice")
    by_ai = await create(world, alice, PICTURE)
    assert (await record(world, alice, by_ai))["aiGenerated"] is None
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), by_ai)
    assert (await record(world, alice, by_ai))["aiGenerated"] is True
    drawn = await create(world, alice, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[by_program])), drawn)
    assert (await record(world, alice, drawn))["aiGenerated"] is False


async def test_a_changed_file_is_not_known(world: World):
    alice = await world.person("alice")
    [picture] = await made(world, alice, PICTURE, done_pictures)
    for changed in (picture[:-1], picture + b"\0", picture[:50] + b"x" + picture[51:]):
        assert await by_digest(world, changed) == await by_file(world, changed) == UNKNOWN


async def test_an_upload_did_not_come_from_here(world: World):
    alice = await world.person("alice")
    sha256 = hashlib.sha256(b"uploaded").digest()
    expires_at = START + timedelta(days=1)
    await files.promise(world.runtime.database, "upload-1.png", alice.account_id, expires_at, START)
    assert await files.claim(
        world.runtime.database,
        name="upload-1.png",
        media_type="image/png",
        bytes_size=8,
        sha256=sha256,
    )
    assert await by_digest(world, b"uploaded") == UNKNOWN


async def test_a_task_that_failed_after_all_gave_nothing_to_anybody(world: World):
    alice = await world.person("alice")
    [picture] = await made(world, alice, PICTURE, done_pictures)
    [failed] = [await create(world, alice, PICTURE)]
    await advance(
        tools_for(world, ScriptedProvider(statuses=[Failed(code="500", message="no")])), failed
    )
    database = world.runtime.database
    await database.execute(
        "update media_file set task_id = %(id)s where sha256 = %(sha256)s",
        {"id": failed, "sha256": hashlib.sha256(picture).digest()},
    )
    assert await by_digest(world, picture) == UNKNOWN


async def test_a_file_is_known_longer_than_it_is_kept_and_until_its_task_is_forgotten(
    world: World,
):
    alice = await world.person("alice")
    [picture] = await made(world, alice, PICTURE, done_pictures)
    world.clock.move(timedelta(days=60, seconds=-1))
    assert (await by_digest(world, picture))["known"] is True
    world.clock.move(timedelta(seconds=1))
    assert await by_digest(world, picture) == UNKNOWN


@pytest.mark.parametrize(
    "digest", [None, "", "0" * 63, "0" * 65, "g" * 64, "0x" + "0" * 62, "\u0660" * 64]
)
async def test_what_is_no_digest_is_refused(world: World, digest: str | None):
    params = {} if digest is None else {"sha256": digest}
    response = await world.client.get(PATH, params=params)
    assert response.status_code == 400
    assert response.json() == {
        "message": "Invalid request parameters",
        "errors": [
            {
                "code": "invalid_format",
                "message": "Expected 64 hexadecimal digits",
                "path": ["sha256"],
            }
        ],
    }


async def test_too_long_a_file_is_refused_before_it_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verify, "FILE_BYTES_MAX", 1000)
    response = await world.client.post(PATH, content=b"x" * 1001)
    assert response.status_code == 413

    async def unannounced():
        for _ in range(11):
            yield b"x" * 100

    response = await world.client.post(PATH, content=unannounced())
    assert response.status_code == 413
    assert (await world.client.post(PATH, content=b"x" * 1000)).json() == UNKNOWN


async def test_a_file_is_sent_without_keeping_it(world: World):
    await world.client.post(PATH, content=b"somebody's file")
    assert await world.count("media_file") == 0


async def test_a_signed_file_is_verified_known_and_marked_in_the_record(
    world: World, tmp_path_factory: pytest.TempPathFactory
):
    signer = chain()
    alice = await world.person("alice")
    clip, last_frame = await made(world, alice, VIDEO, done_video, signer.credentials())
    for number, (data, media_type) in enumerate([(clip, "video/mp4"), (last_frame, "image/png")]):
        path = tmp_path_factory.mktemp("signed") / f"{number}"
        path.write_bytes(data)
        assert verified(path, media_type, signer.authority)[0] == "Trusted"
        assert (await by_digest(world, data))["known"] is True


async def record_item(world: World, credentials: Credentials | None) -> dict[str, object]:
    alice = await world.person("alice")
    task_id = await create(world, alice, VIDEO)
    tools = tools_for(world, ScriptedProvider(statuses=[done_video]))
    await advance(replace(tools, credentials=credentials), task_id)
    found = await record(world, alice, task_id)
    assert (found["status"], found["creditsUsed"]) == ("success", 200)
    item: dict[str, object] = found["output"][0]
    return item


async def test_the_record_tells_whether_a_file_is_signed(world: World):
    assert (await record_item(world, chain().credentials()))["contentCredentials"] is True
    assert "contentCredentials" not in await record_item(world, None)


async def test_a_key_that_fails_costs_nobody_a_task(world: World):
    broken = Credentials(key=chain().key, certificate=chain().certificate)
    assert (await record_item(world, broken))["contentCredentials"] is False


async def test_the_size_that_is_stored_is_that_of_the_file_as_it_is_served(world: World):
    alice = await world.person("alice")
    clip, _ = await made(world, alice, VIDEO, done_video)
    rows = await world.runtime.database.fetch_all(
        files.MediaFile,
        f"select {files.COLUMNS} from media_file where kind = 'output'",
        {},
    )
    assert [(row.bytes_size, row.sha256) for row in rows] == [
        (len(clip), hashlib.sha256(clip).digest())
    ]


async def test_a_file_that_takes_no_label_is_served_as_it_was_made(world: World):
    alice = await world.person("alice")
    tail = b"\0\0\0\0free"  # a box that runs to the end of the file: nothing can come after it

    def open_ended(job: Job) -> Done:
        done = done_video(job)
        path = film(job.folder / "clip.mp4")
        path.write_bytes(path.read_bytes() + tail)
        return done

    clip, _ = await made(world, alice, VIDEO, open_ended)
    assert clip.endswith(tail)
    assert (await by_file(world, clip))["known"] is True


async def test_anybody_may_ask(world: World):
    response = await world.client.get(
        PATH, params={"sha256": "0" * 64}, headers={"Authorization": "Bearer nonsense"}
    )
    assert (response.status_code, response.json()) == (200, UNKNOWN)


async def test_a_worker_signs_what_its_own_renderer_drew(
    world: World, tmp_path_factory: pytest.TempPathFactory
):
    signer = chain()
    settings = replace(
        world.runtime.settings, c2pa_key=signer.key, c2pa_certificate=signer.certificate
    )
    runtime = replace(world.runtime, settings=settings, credentials=credentials_of(settings))
    alice = await world.person("alice")
    order = {"model": "gpt-image-2", "inputs": {"prompt": "a sunset"}}
    task_id = await create(world, alice, order)
    async with worker_tools(runtime) as tools:
        await advance(tools, task_id)
    found = await record(world, alice, task_id)
    [item] = found["output"]
    assert (found["preview"], found["aiGenerated"]) == (True, False)
    assert item["contentCredentials"] is True
    data = (await world.client.get(item["url"])).content
    path = tmp_path_factory.mktemp("signed") / "drawn"
    path.write_bytes(data)
    state, manifest = verified(path, item["mediaType"], signer.authority)
    assert state == "Trusted"
    [action] = actions_of(manifest)
    assert action["digitalSourceType"] == f"{SOURCE_TYPES}algorithmicMedia"
    assert (await by_file(world, data))["aiGenerated"] is False
