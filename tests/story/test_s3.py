"""S3 as the store, spoken to for real: files go straight in by presigned address."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from moto.server import ThreadedMotoServer
from tests.conftest import Person, World
from tests.scripted import ScriptedProvider, create, done_video, paint, record, tools_for

from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import uploads
from kinetoscope.media.store import MediaStore
from kinetoscope.server import create_app
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.reap import reap
from kinetoscope.wiring import reaper_of

pytestmark = pytest.mark.anyio

BUCKET = "kinetoscope-media"


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """Run an S3 server of our own on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> MediaStore:
    for name, value in (
        ("AWS_ENDPOINT_URL", s3_url),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    assert httpx.put(f"{s3_url}/{BUCKET}").is_success
    return MediaStore(f"s3://{BUCKET}/media")


async def test_a_store_on_s3_puts_reads_and_deletes(s3: MediaStore, tmp_path: Path):
    path = paint(tmp_path / "a.png", 400, 320)
    name = "a" * 26 + "-1.png"
    await s3.put(name, path)
    stored = await s3.stat(name)
    assert stored.bytes_size == path.stat().st_size
    read = b"".join([chunk async for chunk in s3.read(name, 8, 100)])
    assert read == path.read_bytes()[8:100]
    await s3.delete([name, "b" * 26 + "-1.png"])
    with pytest.raises(NotFound):
        await s3.stat(name)


async def test_an_upload_goes_straight_to_s3_and_into_a_task(
    world: World, s3: MediaStore, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    alice = await world.person("alice")
    runtime = replace(world.runtime, store=s3)
    transport = httpx.ASGITransport(app=create_app(runtime))
    content = paint(tmp_path / "a.png", 400, 320).read_bytes()
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        body = {"fileName": "a.png"}
        asked = await client.post("/api/v1/uploads", json=body, headers=alice.headers)
        place = asked.json()
        assert urlsplit(place["uploadUrl"]).netloc == urlsplit(s3_url).netloc
        assert "X-Amz-Signature" in place["uploadUrl"]
        async with httpx.AsyncClient() as outside:
            headers = {"Content-Type": place["contentType"]}
            put = await outside.put(place["uploadUrl"], content=content, headers=headers)
            assert put.is_success
        back = await client.get(place["url"])
        assert (back.status_code, back.content) == (200, content)
    order = {"model": "seedance-20", "inputs": {"prompt": "a", "imageUrls": [place["url"]]}}
    task_id = await create(world, alice, order)
    tools = tools_for(world, ScriptedProvider(statuses=[done_video]), store=s3)
    await advance(tools, task_id)
    found = await record(world, alice, task_id)
    assert found["status"] == "success"
    name = urlsplit(found["output"][0]["url"]).path.rpartition("/")[2]
    assert (await s3.stat(name)).bytes_size > 0
    # Nobody bounded what was put straight into the store, so that is done when it is fetched.
    monkeypatch.setitem(uploads.BYTES_MAX, MediaKind.IMAGE, len(content) - 1)
    large = await create(world, alice, order)
    await advance(tools_for(world, ScriptedProvider(submits=[]), store=s3), large)
    error = (await record(world, alice, large))["error"]
    assert error["code"] == "asset_review_failed"
    assert error["detail"] == f"The file is larger than {len(content) - 1} bytes"
    await gone(s3, place)


async def promised(world: World, s3: MediaStore, person: Person, content: bytes) -> dict[str, Any]:
    """Have a place promised and put a file there, past this server."""
    place = await placed(world, s3, person)
    async with httpx.AsyncClient() as outside:
        headers = {"Content-Type": place["contentType"]}
        put = await outside.put(place["uploadUrl"], content=content, headers=headers)
        assert put.is_success
    return place


async def placed(world: World, s3: MediaStore, person: Person) -> dict[str, Any]:
    async with over(world, s3) as client:
        body = {"fileName": "a.png"}
        asked = await client.post("/api/v1/uploads", json=body, headers=person.headers)
        place: dict[str, Any] = asked.json()
        return place


def over(world: World, s3: MediaStore) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(replace(world.runtime, store=s3)))
    return httpx.AsyncClient(transport=transport, base_url="http://x")


def name_of(place: dict[str, Any]) -> str:
    return urlsplit(str(place["url"])).path.rpartition("/")[2]


async def gone(s3: MediaStore, place: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        await s3.stat(name_of(place))


async def test_what_is_too_long_is_removed_when_somebody_reads_it(
    world: World, s3: MediaStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(uploads.BYTES_MAX, MediaKind.IMAGE, 1000)
    alice = await world.person("alice")
    exact = await promised(world, s3, alice, bytes(1000))
    large = await promised(world, s3, alice, bytes(1001))
    other = await promised(world, s3, alice, bytes(1001))
    async with over(world, s3) as client:
        assert (await client.get(exact["url"])).status_code == 200
        assert (await client.get(large["url"])).status_code == 404
        asked = {"fileUrl": other["url"]}
        copied = await client.post("/api/v1/uploads", json=asked, headers=alice.headers)
        assert copied.status_code == 413
    await gone(s3, large)
    await gone(s3, other)
    assert await world.count("media_file where deleted_at is not null") == 2


async def test_the_reaper_removes_what_is_too_long_once_nothing_more_can_be_put(
    world: World, s3: MediaStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(uploads.BYTES_MAX, MediaKind.IMAGE, 1000)
    alice = await world.person("alice")
    exact = await promised(world, s3, alice, bytes(1000))
    large = await promised(world, s3, alice, bytes(1001))
    late = await placed(world, s3, alice)
    reaper = reaper_of(replace(world.runtime, store=s3))
    assert (await reap(reaper)).oversize == 0
    world.clock.move(timedelta(hours=1))
    assert (await reap(reaper)).oversize == 1
    await gone(s3, large)
    assert (await s3.stat(name_of(exact))).bytes_size == 1000
    assert await world.count("media_file where bytes_size = 1000 and deleted_at is null") == 1
    # One that was begun in time and was long on its way.
    async with httpx.AsyncClient() as outside:
        assert (await outside.put(late["uploadUrl"], content=bytes(1001))).is_success
    assert (await reap(reaper)).oversize == 0
    world.clock.move(timedelta(hours=1))
    assert (await reap(reaper)).oversize == 1
    await gone(s3, late)


async def test_a_presigned_address_ends(s3: MediaStore):
    url = await s3.sign_put("a" * 26 + "-upload.png", timedelta(hours=1))
    assert url is not None
    assert "X-Amz-Expires=3600" in url
