"""Uploads: promised with a key, put without one, used in a task, gone after a day."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.conftest import Person, World
from tests.scripted import (
    ScriptedProvider,
    create,
    done_video,
    film,
    paint,
    record,
    stored_names,
    tools_for,
)
from tests.unit import hostile_media
from tests.unit.outside import serving

from kinetoscope.accounts import retention
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import uploads
from kinetoscope.server import create_app
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

PATH = "/api/v1/uploads"

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


async def promise(world: World, person: Person, name: str = "cat.png") -> dict[str, Any]:
    response = await world.client.post(PATH, json={"fileName": name}, headers=person.headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def put(
    world: World, url: str, content: bytes, content_type: str = "image/png"
) -> httpx.Response:
    return await world.client.put(url, content=content, headers={"Content-Type": content_type})


def picture(tmp_path: Path) -> bytes:
    return paint(tmp_path / "cat.png", 400, 320).read_bytes()


async def test_a_file_is_promised_put_without_a_key_and_read_back(world: World, tmp_path: Path):
    alice = await world.person("alice")
    place = await promise(world, alice)
    assert place["contentType"] == "image/png"
    assert place["fileName"] == "cat.png"
    assert place["expiresAt"] == int((world.clock() + DAY).timestamp() * 1000)
    content = picture(tmp_path)
    done = await put(world, place["uploadUrl"], content)
    assert done.status_code == 200, done.text
    assert done.json() == {
        "url": place["url"],
        "contentType": "image/png",
        "bytes": len(content),
        "expiresAt": place["expiresAt"],
    }
    back = await world.client.get(place["url"])
    assert (back.status_code, back.content) == (200, content)
    assert back.headers["content-type"] == "image/png"
    assert await world.balance(alice) == (100000, 0, 0, 0)


async def test_an_account_may_have_its_uploads_kept_shorter(world: World, tmp_path: Path):
    alice, bob = await world.person("alice"), await world.person("bob")
    before = await promise(world, alice)
    await retention.set_lifetimes(
        world.runtime.database, "alice", media=None, task=None, upload=2 * HOUR
    )
    place, other = await promise(world, alice), await promise(world, bob)
    assert place["expiresAt"] == int((world.clock() + 2 * HOUR).timestamp() * 1000)
    assert (
        before["expiresAt"] == other["expiresAt"] == int((world.clock() + DAY).timestamp() * 1000)
    )
    await put(world, place["uploadUrl"], picture(tmp_path))
    world.clock.move(2 * HOUR - SECOND)
    assert (await world.client.get(place["url"])).status_code == 200
    world.clock.move(SECOND)
    assert (await world.client.get(place["url"])).status_code == 403  # the address has expired too
    await retention.set_lifetimes(
        world.runtime.database, "alice", media=None, task=None, upload=7 * DAY
    )
    longest = await promise(world, alice)
    assert longest["expiresAt"] == int((world.clock() + DAY).timestamp() * 1000)


async def test_a_task_is_given_the_uploaded_bytes(world: World, tmp_path: Path):
    alice = await world.person("alice")
    place = await promise(world, alice)
    content = picture(tmp_path)
    await put(world, place["uploadUrl"], content)
    seen: list[bytes] = []

    def look(job: Any) -> Any:  # noqa: ANN401 - the provider's own
        seen.append(job.references[0].path.read_bytes())
        return done_video(job)

    order = {"model": "seedance-20", "inputs": {"prompt": "a", "imageUrls": [place["url"]]}}
    task_id = await create(world, alice, order)
    # Its task still finds what expired while it waited; a new one does not.
    world.clock.move(DAY)
    tools = tools_for(world, ScriptedProvider(statuses=[look]), task_deadline=2 * DAY)
    await advance(tools, task_id)
    assert seen == [content]
    assert (await record(world, alice, task_id))["status"] == "success"
    late = await create(world, alice, order)
    await advance(tools_for(world, ScriptedProvider(submits=[])), late)
    assert (await record(world, alice, late))["error"]["code"] == "asset_review_failed"


async def test_it_is_refused_after_24_hours_to_the_second(world: World, tmp_path: Path):
    alice = await world.person("alice")
    place = await promise(world, alice)
    await put(world, place["uploadUrl"], picture(tmp_path))
    world.clock.move(DAY - SECOND)
    assert (await world.client.get(place["url"])).status_code == 200
    world.clock.move(SECOND)
    assert (await world.client.get(place["url"])).status_code == 403


async def test_the_place_is_open_for_an_hour_to_the_second(world: World, tmp_path: Path):
    alice = await world.person("alice")
    place = await promise(world, alice)
    world.clock.move(HOUR)
    late = await put(world, place["uploadUrl"], picture(tmp_path))
    assert (late.status_code, late.json()) == (
        403,
        {"message": "This upload address has expired"},
    )
    assert stored_names(world) == set()


async def test_reading_does_not_permit_putting_nor_putting_reading(world: World, tmp_path: Path):
    alice = await world.person("alice")
    place = await promise(world, alice)
    name = urlsplit(place["url"]).path.rpartition("/")[2]
    reading = parse_qs(urlsplit(place["url"]).query)
    putting = parse_qs(urlsplit(place["uploadUrl"]).query)
    forged = await world.client.put(
        f"{PATH}/{name}",
        params=reading,
        content=picture(tmp_path),
        headers={"Content-Type": "image/png"},
    )
    assert forged.status_code == 403
    assert (await world.client.get(f"/media/{name}", params=putting)).status_code == 403
    other = place["uploadUrl"].replace(name, "a" * 26 + "-upload.png")
    assert (await put(world, other, picture(tmp_path))).status_code == 403


@pytest.mark.parametrize(
    ("file_name", "content_type"),
    [
        ("a.JPG", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("holiday film.mp4", "video/mp4"),
        ("x.y.mov", "video/quicktime"),
        ("tön.wav", "audio/wav"),
        ("a.m4a", "audio/mp4"),
    ],
)
async def test_the_type_follows_from_the_name(world: World, file_name: str, content_type: str):
    alice = await world.person("alice")
    assert (await promise(world, alice, file_name))["contentType"] == content_type


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"fileName": 5},
        {"fileName": ""},
        {"fileName": "cat"},
        {"fileName": "cat.exe"},
        {"fileName": "cat.svg"},
        {"fileName": "cat.gif"},
        {"fileName": "../cat.png"},
        {"fileName": "a\u0000.png"},
        {"fileName": "a" * 300 + ".png"},
        {"fileUrl": 5},
        {"fileUrl": "ftp://a/b.png"},
        {"fileName": 5, "fileUrl": "https://a/b.png"},
        [],
    ],
)
async def test_what_is_no_file_name_is_refused_and_named(world: World, body: object):
    alice = await world.person("alice")
    response = await world.client.post(PATH, json=body, headers=alice.headers)
    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request parameters"
    assert response.json()["errors"]
    assert await world.count("media_file") == 0


async def test_bytes_that_are_not_what_was_promised_are_refused_and_not_kept(
    world: World, tmp_path: Path
):
    alice = await world.person("alice")
    clip = film(tmp_path / "a.mp4").read_bytes()
    for content, content_type, status in (
        (b"<html>", "image/png", 400),
        (b"", "image/png", 400),
        (clip, "image/png", 400),
        (picture(tmp_path), "image/jpeg", 400),
        (picture(tmp_path)[:200], "image/png", 400),
    ):
        place = await promise(world, alice)
        refused = await put(world, place["uploadUrl"], content, content_type)
        assert refused.status_code == status, refused.text
        assert (await world.client.get(place["url"])).status_code == 404
    assert stored_names(world) == set()
    assert list((world.runtime.settings.work_dir / "uploads").iterdir()) == []


async def test_too_many_bytes_are_refused_stated_or_not(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(uploads.BYTES_MAX, MediaKind.IMAGE, 1000)
    alice = await world.person("alice")
    place = await promise(world, alice)
    assert place["bytesMax"] == 1000

    async def chunks():
        for _ in range(1001):
            yield b"x"

    stated = await put(world, place["uploadUrl"], bytes(1001))
    streamed = await world.client.put(
        place["uploadUrl"], content=chunks(), headers={"Content-Type": "image/png"}
    )
    assert (stated.status_code, streamed.status_code) == (413, 413)
    assert stored_names(world) == set()
    assert list((world.runtime.settings.work_dir / "uploads").iterdir()) == []


async def test_the_same_bytes_may_be_put_again_and_others_may_not(world: World, tmp_path: Path):
    alice = await world.person("alice")
    place = await promise(world, alice)
    content = picture(tmp_path)
    for _ in range(2):
        assert (await put(world, place["uploadUrl"], content)).status_code == 200
    other = paint(tmp_path / "other.png", 50, 50).read_bytes()
    assert (await put(world, place["uploadUrl"], other)).status_code == 409
    assert (await world.client.get(place["url"])).content == content


async def test_a_file_is_fetched_from_an_address_that_may_be_fetched(world: World, tmp_path: Path):
    alice = await world.person("alice")
    content = picture(tmp_path)
    async with serving() as outside:
        url = outside.url("/ok")
        refused = await world.client.post(PATH, json={"fileUrl": url}, headers=alice.headers)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["path"] == ["fileUrl"]
        assert outside.paths == []
        loopback = (ip_network("127.0.0.1/32"),)
        settings = replace(world.runtime.settings, allowed_networks=loopback)
        app = create_app(replace(world.runtime, settings=settings))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            outside.body = content
            done = await client.post(PATH, json={"fileUrl": url}, headers=alice.headers)
            assert done.status_code == 200, done.text
            assert done.json()["contentType"] == "image/png"
            assert done.json()["bytes"] == len(content)
            missing = outside.url("/status/404")
            refused = await client.post(PATH, json={"fileUrl": missing}, headers=alice.headers)
            assert refused.status_code == 400
            assert "404" in refused.json()["errors"][0]["message"]
    back = await world.client.get(done.json()["url"])
    assert (back.status_code, back.content) == (200, content)
    assert await world.count("media_file") == 1


async def test_nobody_puts_where_nothing_was_promised(world: World, tmp_path: Path):
    name = "a" * 26 + "-upload.png"
    url = world.runtime.signer.upload_url(name, world.clock() + HOUR)
    refused = await put(world, url, picture(tmp_path))
    assert (refused.status_code, refused.json()) == (404, {"message": "There is no such upload"})


async def test_hostile_files_are_refused_at_the_door_and_nothing_of_them_is_kept(
    world: World, tmp_path: Path
):
    alice = await world.person("alice")
    refused = 0
    hostile = [
        *hostile_media.write_all(tmp_path, 9),
        hostile_media.png_bomb(tmp_path / "b.png", 30_000),
    ]
    for path in hostile:
        if path.is_symlink() or not path.is_file():
            continue
        name = f"a.{path.suffix.removeprefix('.')}"
        if name.rpartition(".")[2] not in uploads.TAKEN:
            name = "a.png"
        place = await promise(world, alice, name)
        answered = await put(world, place["uploadUrl"], path.read_bytes(), place["contentType"])
        assert answered.status_code in {400, 413}, path.name
        assert (await world.client.get(place["url"])).status_code == 404
        refused += 1
    assert refused > 30
    assert stored_names(world) == set()
