"""Files that fal's clients bring: by a place that is lent, and by a token."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.conftest import Person, World
from tests.scripted import paint, record

from kinetoscope.accounts import keys

pytestmark = pytest.mark.anyio

INITIATE = "/fal/storage/upload/initiate"
TOKEN = "/fal/storage/auth/token?storage_type=fal-cdn-v3"
UPLOAD = "/fal/files/upload"


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    return paint(tmp_path / "a.png", 320, 320).read_bytes()


async def made_with(world: World, person: Person, url: str) -> None:
    """See that an address is taken for an input."""
    response = await world.client.post(
        "/fal/queue/kinetoscope/gpt-image-2/edit",
        json={"prompt": "x", "image_urls": [url]},
        headers=person.headers,
    )
    assert response.status_code == 200, response.text
    assert (await record(world, person, response.json()["request_id"]))["status"] == "waiting"


async def test_a_place_takes_the_bytes_with_the_type_that_was_stated(
    world: World, alice: Person, picture: bytes
):
    """The name says less than the type: browsers name a pasted picture as they like."""
    file_url = ""
    for name in ("a.png", "1764000000000.png", "photo.jpg", "x"):
        stated = {"content_type": "image/png", "file_name": name}
        place = await world.client.post(INITIATE, json=stated, headers=alice.headers)
        assert place.status_code == 200, place.text
        put = await world.client.put(
            place.json()["upload_url"], content=picture, headers={"Content-Type": "image/png"}
        )
        assert put.status_code == 200, put.text
        file_url = place.json()["file_url"]
        assert (await world.client.get(file_url)).content == picture
    await made_with(world, alice, file_url)


@pytest.mark.parametrize(
    "stated",
    [
        {"content_type": "application/octet-stream", "file_name": "a.png"},
        {"content_type": "image/gif", "file_name": "a.gif"},
        {"file_name": "a.png"},
        {"content_type": "image/png"},
    ],
)
async def test_what_could_not_be_put_is_refused_before(
    world: World, alice: Person, stated: dict[str, str]
):
    refused = await world.client.post(INITIATE, json=stated, headers=alice.headers)
    assert (refused.status_code, await world.count("media_file")) == (422, 0)
    assert refused.json()["detail"][0]["loc"][0] == "body"


async def test_a_token_uploads_for_ten_minutes_and_does_nothing_else(
    world: World, alice: Person, picture: bytes
):
    lent = (await world.client.post(TOKEN, json={}, headers=alice.headers)).json()
    assert lent["base_url"] == "http://kinetoscope.test/fal"
    assert datetime.fromisoformat(lent["expires_at"]) == world.clock() + timedelta(minutes=10)
    assert alice.key not in lent["token"]
    headers = {
        "Authorization": f"{lent['token_type']} {lent['token']}",
        "Content-Type": "image/png",
        "X-Fal-File-Name": "a.png",
    }
    kept = await world.client.post(UPLOAD, content=picture, headers=headers)
    assert kept.status_code == 200, kept.text
    await made_with(world, alice, kept.json()["access_url"])

    elsewhere = await world.client.get("/api/v1/jobs/listTasks", headers=headers)
    assert elsewhere.status_code == 401
    for spoilt in (headers["Authorization"][:-4] + "AAAA", "Bearer fal_upload_", "Bearer x"):
        refused = await world.client.post(
            UPLOAD, content=picture, headers={**headers, "Authorization": spoilt}
        )
        assert refused.status_code == 401
    world.clock.move(timedelta(minutes=10))
    late = await world.client.post(UPLOAD, content=picture, headers=headers)
    assert late.status_code == 401


async def test_a_token_ends_with_its_key(world: World, alice: Person, picture: bytes):
    lent = (await world.client.post(TOKEN, json={}, headers=alice.headers)).json()
    await keys.set_expiry(world.runtime.database, alice.key_id, world.clock())
    headers = {"Authorization": f"Bearer {lent['token']}"}
    refused = await world.client.post(UPLOAD, content=picture, headers=headers)
    assert (refused.status_code, await world.count("media_file")) == (401, 0)


async def test_only_media_is_taken(world: World, alice: Person):
    for body in (b"", b"<html>"):
        refused = await world.client.post(UPLOAD, content=body, headers=alice.headers)
        assert refused.status_code in {400, 422}, refused.text
    assert await world.count("media_file") == 0
