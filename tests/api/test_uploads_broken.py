"""Uploads when several come at once, and when this machine does not do its part."""

import asyncio
import errno
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs
from tests.api.test_uploads import PATH, picture, promise, put
from tests.conftest import World
from tests.scripted import paint, stored_names

from kinetoscope.media import files, probing
from kinetoscope.media.store import MediaStore, StoreFailed

pytestmark = pytest.mark.anyio

AWAY = {"message": "Service temporarily unavailable. Please try again later."}


def name_of(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


async def test_of_different_files_put_at_once_one_is_kept_whole(world: World, tmp_path: Path):
    place = await promise(world, await world.person("alice"))
    contents = [paint(tmp_path / f"{n}.png", 100 + n, 100).read_bytes() for n in range(6)]
    answered = await asyncio.gather(
        *(put(world, place["uploadUrl"], content) for content in contents)
    )
    statuses = [response.status_code for response in answered]
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    kept = contents[statuses.index(200)]
    assert (await world.client.get(place["url"])).content == kept
    known = await files.find(world.runtime.database, name_of(place["url"]))
    assert known is not None
    assert known.sha256 == hashlib.sha256(kept).digest()


async def test_of_one_file_put_many_times_at_once_all_are_taken(world: World, tmp_path: Path):
    place = await promise(world, await world.person("alice"))
    content = picture(tmp_path)
    answered = await asyncio.gather(*(put(world, place["uploadUrl"], content) for _ in range(6)))
    assert [response.status_code for response in answered] == [200] * 6
    assert (await world.client.get(place["url"])).content == content


async def test_puts_of_one_name_do_not_write_into_each_others_drafts(tmp_path: Path):
    store = MediaStore(f"file://{tmp_path / 'store'}")
    sources = []
    for number in range(8):
        source = tmp_path / f"{number}"
        source.write_bytes(bytes([number]) * (4_000_000 - 300_000 * number))
        sources.append(source)
    name = "a" * 26 + "-upload.png"
    for _ in range(5):
        await asyncio.gather(*(store.put(name, source) for source in sources))
        kept = await asyncio.to_thread((tmp_path / "store" / "aa" / name).read_bytes)
        assert kept in [source.read_bytes() for source in sources]
    assert [path.name for path in (tmp_path / "store" / "aa").iterdir()] == [name]


async def test_a_put_that_fails_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = MediaStore(f"file://{tmp_path / 'store'}")
    source = tmp_path / "a.png"
    source.write_bytes(b"x" * 1000)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreFailed):
        await store.put("a" * 26 + "-upload.png", source)
    assert list((tmp_path / "store" / "aa").iterdir()) == []


async def test_a_store_that_fails_is_503_and_says_nothing_of_this_machine(
    world: World, tmp_path: Path
):
    place = await promise(world, await world.person("alice"))
    folder = world.runtime.store.folder
    assert folder is not None
    in_the_way = folder / name_of(place["url"])[:2]
    in_the_way.write_bytes(b"")
    with capture_logs() as logs:
        refused = await put(world, place["uploadUrl"], picture(tmp_path))
    assert (refused.status_code, refused.json()) == (503, AWAY)
    assert "upload.store_failed" in {line["event"] for line in logs}
    # What is promised here is kept: the same bytes may come again.
    in_the_way.unlink()
    assert (await put(world, place["uploadUrl"], picture(tmp_path))).status_code == 200


async def test_an_inspection_that_cannot_start_is_503_and_nothing_is_kept(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = await promise(world, await world.person("alice"))
    while probing._servers:  # one that runs would need no start
        probing._servers.popitem()[1].end()
    monkeypatch.setattr("sys.executable", "/no/such/python")
    refused = await put(world, place["uploadUrl"], picture(tmp_path))
    assert (refused.status_code, refused.json()) == (503, AWAY)
    assert stored_names(world) == set()
    monkeypatch.undo()
    assert (await put(world, place["uploadUrl"], picture(tmp_path))).status_code == 200


async def test_an_error_without_a_status_is_told_in_one_sentence(world: World):
    async def broken() -> None:
        raise StoreFailed("PermissionError: /srv/secret/media")

    world.app.get("/broken")(broken)
    response = await world.client.get("/broken")
    assert response.status_code == 500
    assert "secret" not in response.text


async def test_scratch_that_another_process_removes_meanwhile_hinders_nobody(
    world: World, tmp_path: Path
):
    place = await promise(world, await world.person("alice"))
    folder = world.runtime.settings.work_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    # Listed, and gone when it is looked at.
    (folder / "gone").symlink_to("nowhere")
    assert (await put(world, place["uploadUrl"], picture(tmp_path))).status_code == 200


async def test_every_answer_to_a_put_is_documented(world: World):
    paths = (await world.client.get("/openapi.json")).json()["paths"]
    answers = set(paths[PATH + "/{name}"]["put"]["responses"])
    assert {"200", "400", "403", "404", "408", "409", "413", "429", "503"} <= answers
