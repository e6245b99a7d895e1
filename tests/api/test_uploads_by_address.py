"""Uploads by address: what is found there says what it is, and is told of in the client's words."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tests.api.test_uploads import DAY, HOUR, PATH, picture, promise, put
from tests.conftest import Person, World
from tests.scripted import film, stored_names
from tests.unit.outside import Server, serving

from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import uploads
from kinetoscope.server import create_app

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Outside:
    """A server that may be fetched from, and an app that may."""

    server: Server
    client: httpx.AsyncClient
    person: Person

    async def ask(self, **body: object) -> httpx.Response:
        return await self.client.post(PATH, json=body, headers=self.person.headers)


@pytest.fixture
async def outside(world: World) -> AsyncIterator[Outside]:
    loopback = (ip_network("127.0.0.1/32"),)
    settings = replace(world.runtime.settings, allowed_networks=loopback)
    app = create_app(replace(world.runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with (
        serving() as server,
        httpx.AsyncClient(transport=transport, base_url="http://x") as client,
    ):
        yield Outside(server, client, await world.person("alice"))


@pytest.mark.parametrize("file_name", [None, "cat.png", "cat.jpg"])
async def test_its_content_says_what_it_is_and_its_name_is_told_again(
    world: World, outside: Outside, tmp_path: Path, file_name: str | None
):
    outside.server.body = picture(tmp_path)
    body = {} if file_name is None else {"fileName": file_name}
    done = await outside.ask(fileUrl=outside.server.url("/ok"), **body)
    assert done.status_code == 200, done.text
    found = done.json()
    assert (found["contentType"], found.get("fileName")) == ("image/png", file_name)
    assert found["bytes"] == len(outside.server.body)
    back = await world.client.get(found["url"])
    assert (back.content, back.headers["content-type"]) == (outside.server.body, "image/png")


@pytest.mark.parametrize("file_name", ["cat.exe", "cat", "../cat.png", ""])
async def test_a_name_that_is_none_is_refused_before_anything_is_fetched(
    world: World, outside: Outside, file_name: str
):
    refused = await outside.ask(fileUrl=outside.server.url("/ok"), fileName=file_name)
    assert refused.status_code == 400
    assert [issue["path"] for issue in refused.json()["errors"]] == [["fileName"]]
    assert outside.server.paths == []
    assert await world.count("media_file") == 0


async def test_media_of_another_kind_than_its_name_is_refused(
    world: World, outside: Outside, tmp_path: Path
):
    outside.server.body = film(tmp_path / "a.mp4").read_bytes()
    refused = await outside.ask(fileUrl=outside.server.url("/ok"), fileName="cat.png")
    assert refused.status_code == 400
    (issue,) = refused.json()["errors"]
    assert issue["path"] == ["fileUrl"]
    assert issue["message"] == "Expected media of the kind image, found video/mp4"
    assert await world.count("media_file") == 0


async def test_what_is_no_media_is_laid_to_the_address(world: World, outside: Outside):
    outside.server.body = b"<html>log in first</html>"
    refused = await outside.ask(fileUrl=outside.server.url("/ok"))
    assert refused.status_code == 400
    assert [issue["path"] for issue in refused.json()["errors"]] == [["fileUrl"]]
    assert await world.count("media_file") == 0
    assert stored_names(world) == set()
    assert list((world.runtime.settings.work_dir / "uploads").iterdir()) == []


async def test_media_of_our_own_is_copied_without_going_out(world: World, tmp_path: Path):
    alice, bob = await world.person("alice"), await world.person("bob")
    place = await promise(world, alice)
    content = picture(tmp_path)
    assert (await put(world, place["uploadUrl"], content)).status_code == 200

    async def ask(url: str) -> httpx.Response:
        return await world.client.post(PATH, json={"fileUrl": url}, headers=bob.headers)

    # Our own name leads nowhere from here, and would be refused if it were looked up.
    copied = await ask(place["url"])
    assert copied.status_code == 200, copied.text
    assert copied.json()["url"] != place["url"]
    assert (await world.client.get(copied.json()["url"])).content == content
    for url, message in (
        (place["url"][:-1] + "!", "This media address is not valid"),
        (world.runtime.signer.url("a" * 26 + "-1.png", world.clock() + HOUR), "Media not found"),
    ):
        refused = await ask(url)
        assert refused.status_code == 400
        (issue,) = refused.json()["errors"]
        assert (issue["path"], issue["message"]) == (["fileUrl"], message)
    world.clock.move(DAY)
    assert (await ask(place["url"])).status_code == 400
    assert await world.count("media_file") == 2


async def test_a_gif_is_refused_and_told_what_is_taken(
    world: World, outside: Outside, tmp_path: Path
):
    Image.new("RGB", (400, 320)).save(tmp_path / "a.gif")
    outside.server.body = (tmp_path / "a.gif").read_bytes()
    refused = await outside.ask(fileUrl=outside.server.url("/ok"))
    (by_address,) = refused.json()["errors"]
    place = await promise(world, outside.person)
    refused = await put(world, place["uploadUrl"], outside.server.body)
    (by_file,) = refused.json()["errors"]
    for issue in (by_address, by_file):
        assert issue["message"].startswith("Expected one of mp4, mov, webm, png, jpg, webp, wav")
        assert issue["message"].endswith("found image/gif")
    assert stored_names(world) == set()


async def test_what_is_too_large_for_its_kind_takes_no_place(
    world: World, outside: Outside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    outside.server.body = picture(tmp_path)
    monkeypatch.setitem(uploads.BYTES_MAX, MediaKind.IMAGE, len(outside.server.body) - 1)
    refused = await outside.ask(fileUrl=outside.server.url("/ok"))
    assert refused.status_code == 413, refused.text
    assert await world.count("media_file") == 0
