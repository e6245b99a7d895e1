"""Files brought along by Replicate's clients: uploads, and inputs of predictions."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.dialects.replicate_calls import BASE, PICTURE_MODEL, SUNSET, ask, predict
from tests.dialects.test_replicate_models import client
from tests.scripted import paint

from kinetoscope.dialects.replicate import files

pytestmark = pytest.mark.anyio


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return paint(tmp_path / "a.png", 320, 320)


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


async def test_the_client_uploads_lists_shows_and_deletes(
    world: World, alice: Person, picture: Path
):
    """Behaviour 10: a form's `content` becomes a file whose `urls.get` may stand in inputs."""
    speaker = client(world, alice)
    made = await speaker.files.async_create(picture, metadata={"of": "a test"})
    sent = bytes_of(picture)
    assert (made.content_type, made.size) == ("image/png", len(sent))
    assert len(made.checksums["sha256"]) == 64
    assert made.created_at == "2026-11-23T12:00:00.000Z"
    assert [each.id for each in await speaker.files.async_list()] == [made.id]
    assert (await speaker.files.async_get(made.id)).urls == made.urls
    assert (await world.client.get(made.urls["get"])).content == sent
    moved = await ask(world, alice, "GET", f"/files/{made.id}/download")
    assert (moved.status_code, moved.headers["location"]) == (302, made.urls["get"])
    prediction = await predict(
        world, alice, PICTURE_MODEL, inputs={**SUNSET, "image": made.urls["get"]}
    )
    assert prediction["input"]["uploadedUrls"] == [made.urls["get"]]
    bob = await world.person("bob")
    for method in ("GET", "DELETE"):
        assert (await ask(world, bob, method, f"/files/{made.id}")).status_code == 404
    assert await speaker.files.async_delete(made.id)
    assert (await ask(world, alice, "GET", f"/files/{made.id}")).status_code == 404
    assert await speaker.files.async_list() == []


async def test_an_open_file_is_uploaded_by_the_client_itself(
    world: World, alice: Person, picture: Path
):
    with picture.open("rb") as image:
        made = await client(world, alice).models.predictions.async_create(
            PICTURE_MODEL, input={**SUNSET, "image": image}
        )
    assert made.input is not None
    (url,) = made.input["uploadedUrls"]
    assert url.startswith("http://kinetoscope.test/media/")


async def test_what_is_no_media_is_refused(world: World, alice: Person):
    sent: list[Any] = [
        {"files": {"content": ("a.png", io.BytesIO(b"no picture"), "image/png")}},
        {"files": {"other": ("a.png", io.BytesIO(b"no picture"), "image/png")}},
        {"json": {"content": "x"}},
        {},
    ]
    for parts in sent:
        response = await world.client.post(f"{BASE}/files", headers=alice.headers, **parts)
        assert response.status_code == 422, response.text
        assert "- content: " in response.json()["detail"]
    assert await world.count("media_file") == 0


async def test_files_come_page_by_page(
    world: World, alice: Person, picture: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "PAGE_SIZE", 2)
    speaker = client(world, alice)
    made = [(await speaker.files.async_create(picture)).id for _ in range(3)]
    url: str | None = f"{BASE}/files"
    found = []
    while url:
        page = (await world.client.get(url, headers=alice.headers)).json()
        found += [each["id"] for each in page["results"]]
        url = page["next"]
    assert sorted(found) == sorted(made)


async def test_the_way_back_leads_through_the_same_pages(
    world: World, alice: Person, picture: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "PAGE_SIZE", 1)
    for _ in range(3):
        await client(world, alice).files.async_create(picture)
    url: str | None = f"{BASE}/files"
    there: list[Any] = []
    while url:
        there.append((await world.client.get(url, headers=alice.headers)).json())
        url = there[-1]["next"]
    back = [there[-1]]
    while back[-1]["previous"]:
        back.append((await world.client.get(back[-1]["previous"], headers=alice.headers)).json())
    assert (len(there), back) == (3, there[::-1])


async def test_pages_whose_files_are_deleted_are_followed_by_the_next(
    world: World, alice: Person, picture: Path, monkeypatch: pytest.MonkeyPatch
):
    """So is the way back; others' names lead nowhere."""
    monkeypatch.setattr(files, "PAGE_SIZE", 2)
    speaker = client(world, alice)
    made = [(await speaker.files.async_create(picture)).id for _ in range(5)]
    url: str | None = f"{BASE}/files"
    found: list[str] = []
    pages: list[dict[str, Any]] = []
    while url:
        response = await world.client.get(url, headers=alice.headers)
        assert response.status_code == 200, response.text
        pages.append(response.json())
        url = pages[-1]["next"]
        for each in pages[-1]["results"]:
            found.append(each["id"])
            await speaker.files.async_delete(each["id"])
    assert sorted(found) == sorted(made)
    back = await world.client.get(pages[-1]["previous"], headers=alice.headers)
    assert (back.status_code, back.json()["results"]) == (200, [])
    bob = await world.person("bob")
    stolen = await world.client.get(pages[0]["next"], headers=bob.headers)
    assert stolen.status_code == 404


async def test_a_page_behind_a_file_that_is_over_is_empty(
    world: World, alice: Person, picture: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "PAGE_SIZE", 1)
    for _ in range(2):
        await client(world, alice).files.async_create(picture)
    first = (await world.client.get(f"{BASE}/files", headers=alice.headers)).json()
    world.clock.move(timedelta(days=1))
    late = await world.client.get(first["next"], headers=alice.headers)
    assert (late.status_code, late.json()["results"], late.json()["next"]) == (200, [], None)
