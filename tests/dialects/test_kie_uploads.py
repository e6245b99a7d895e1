"""kie.ai's uploads, credits and download addresses over HTTP."""

import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.conftest import Person, World
from tests.scripted import ScriptedProvider, create, done_pictures, paint, record, tools_for

from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

DOWNLOAD = "/kie/api/v1/common/download-url"
ORDER = {"model": "nanobanana2", "inputs": {"prompt": "a fox"}}

Answers = httpx.Response


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return paint(tmp_path / "fox.png", 320, 320).read_bytes()


async def streamed(world: World, person: Person, picture: bytes) -> Answers:
    return await world.client.post(
        "/kie/api/file-stream-upload",
        data={"uploadPath": "images/foxes", "fileName": "my-fox.png"},
        files={"file": ("fox.png", picture, "image/png")},
        headers=person.headers,
    )


async def packed(world: World, person: Person, picture: bytes) -> Answers:
    text = base64.encodebytes(picture).decode()  # with line breaks, as `base64` writes it
    body = {"base64Data": text, "uploadPath": "images/foxes", "fileName": "my-fox.png"}
    return await world.client.post("/kie/api/file-base64-upload", json=body, headers=person.headers)


async def in_a_data_uri(world: World, person: Person, picture: bytes) -> Answers:
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    body = {"base64Data": uri, "uploadPath": "/images/foxes/", "fileName": "my-fox.png"}
    return await world.client.post(
        "/kie/api/v1/file-base64-upload", json=body, headers=person.headers
    )


async def by_address(world: World, person: Person, picture: bytes) -> Answers:
    """From an address of our own: nothing else may be fetched in tests."""
    url = (await packed(world, person, picture)).json()["data"]["downloadUrl"]
    body = {"fileUrl": url, "uploadPath": "images/foxes", "fileName": "my-fox.png"}
    return await world.client.post("/kie/api/file-url-upload", json=body, headers=person.headers)


@pytest.mark.parametrize("send", [streamed, packed, in_a_data_uri, by_address])
async def test_an_upload_is_told_as_both_of_their_pages_have_it(
    world: World,
    alice: Person,
    picture: bytes,
    send: Callable[[World, Person, bytes], Awaitable[Answers]],
):
    response = await send(world, alice, picture)
    told = response.json()
    assert response.status_code == 200, told
    data = told["data"]
    assert (told["success"], told["code"]) == (True, 200)
    assert told["msg"] == "File uploaded successfully"
    assert data["filePath"] == "images/foxes/my-fox.png"
    assert (data["fileName"], data["mimeType"]) == ("my-fox.png", "image/png")
    assert (data["fileSize"], data["downloadUrl"]) == (len(picture), data["fileUrl"])
    assert data["uploadedAt"] == "2026-11-23T12:00:00+00:00"
    assert (await world.client.get(data["downloadUrl"])).content == picture
    body = {"model": "nano-banana-2", "input": {"prompt": "x", "image_input": [data["fileUrl"]]}}
    made = await world.client.post("/kie/api/v1/jobs/createTask", json=body, headers=alice.headers)
    assert made.json()["code"] == 200


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("file-base64-upload", {"base64Data": "no base64!"}, "base64Data: This is no base64"),
        ("file-base64-upload", {}, "base64Data: Expected base64"),
        ("file-base64-upload", {"base64Data": "aGVsbG8="}, "base64Data: "),
        ("file-url-upload", {"fileUrl": 7}, "fileUrl: Expected an http or https URL"),
        ("file-url-upload", {"fileUrl": "http://127.0.0.1/a.png"}, "fileUrl: "),
        ("file-stream-upload", {"fileName": "a.png"}, "file: Expected a file"),
    ],
)
async def test_a_bad_upload_has_a_status_of_its_own(
    world: World, alice: Person, path: str, body: object, words: str
):
    response = await world.client.post(f"/kie/api/{path}", json=body, headers=alice.headers)
    told = response.json()
    assert (response.status_code, told["code"], told["success"]) == (400, 400, False)
    assert words in told["msg"]
    assert await world.count("media_file") == 0


@pytest.mark.parametrize("send", [streamed, packed])
async def test_an_upload_waits_for_a_place(
    world: World,
    alice: Person,
    picture: bytes,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[World, Person, bytes], Awaitable[Answers]],
):
    monkeypatch.setattr("kinetoscope.api.intake.PLACES_PER_ACCOUNT_MAX", 0)
    monkeypatch.setattr("kinetoscope.api.intake.PATIENCE_S", 0.05)
    response = await send(world, alice, picture)
    assert (response.status_code, await world.count("media_file")) == (503, 0)


async def ask(world: World, person: Person, url: object) -> Answers:
    return await world.client.post(DOWNLOAD, json={"url": url}, headers=person.headers)


async def test_a_download_address_holds_for_20_minutes(world: World, alice: Person):
    """Also from one that has expired, as long as the file is there."""
    task_id = await create(world, alice, ORDER)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    url = (await record(world, alice, task_id))["output"][0]["url"]
    first = (await ask(world, alice, url)).json()
    assert (first["code"], first["msg"]) == (200, "success")
    assert (await world.client.get(first["data"])).is_success
    world.clock.move(timedelta(minutes=20))
    assert (await world.client.get(first["data"])).status_code == 403
    again = (await ask(world, alice, first["data"])).json()["data"]
    expires = int(parse_qs(urlsplit(again).query)["expires"][0])
    assert expires == int(world.clock().timestamp()) + 20 * 60
    assert (await world.client.get(again)).is_success

    mallory = await world.person("mallory")
    told = (await ask(world, mallory, url)).json()
    assert (told["code"], told["data"]) == (404, None)
    world.clock.move(world.runtime.settings.media_lifetime - timedelta(minutes=30))
    late = (await ask(world, alice, url)).json()["data"]
    world.clock.move(timedelta(minutes=10))
    assert (await world.client.get(late)).status_code == 403  # not longer than the file
    assert (await ask(world, alice, url)).json()["code"] == 404


async def test_only_files_of_ours_have_download_addresses(world: World, alice: Person):
    """Contract row 31: 422 for addresses of elsewhere."""
    base = world.runtime.signer.base_url
    for url in (
        None,
        5,
        "https://example.com/media/a.png",
        f"{base}/media/../x",
        f"{base}x/media/",
    ):
        told = (await ask(world, alice, url)).json()
        assert (told["code"], told["data"]) == (422, None), url
    absent = (await ask(world, alice, f"{base}/media/{'0' * 26}-1.png")).json()
    assert absent["code"] == 404


async def test_credits_are_a_number(world: World):
    bob = await world.person("bob", "142.57")
    response = await world.client.get("/kie/api/v1/chat/credit", headers=bob.headers)
    assert response.json() == {
        "code": 200,
        "msg": "success",
        "message": "success",
        "data": 142.57,
    }
