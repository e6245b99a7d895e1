"""Media within a request: what is declared as the most fits into a body, and a file into that."""

import base64
from typing import Any

import pytest
from tests.conftest import World
from tests.scripted import PATH_CREATE, create

from kinetoscope.catalog.urls import DATA_URI_CHARACTERS_MAX

pytestmark = pytest.mark.anyio

HEAD = "data:image/png;base64,"


def order(uri: str) -> dict[str, Any]:
    return {"model": "seedance-20", "inputs": {"prompt": "a", "imageUrls": [uri]}}


async def test_the_largest_data_uri_is_taken_and_one_character_more_is_not(world: World):
    alice = await world.person("alice")
    largest = HEAD.ljust(DATA_URI_CHARACTERS_MAX, "A")
    await create(world, alice, order(largest))
    refused = await world.client.post(PATH_CREATE, json=order(largest + "A"), headers=alice.headers)
    assert refused.status_code == 400
    (issue,) = refused.json()["errors"]
    assert issue["path"] == ["imageUrls", 0]
    assert issue["message"].startswith("Data URI must be at most 20 MiB")


async def test_a_picture_of_15_million_bytes_fits_and_the_documents_say_so(world: World):
    uri = HEAD + base64.b64encode(bytes(15_000_000)).decode()
    assert len(uri) <= DATA_URI_CHARACTERS_MAX
    alice = await world.person("alice")
    await create(world, alice, order(uri))
    described = (await world.client.get("/openapi.json")).json()
    text = described["paths"]["/api/v1/jobs/createTask"]["post"]["description"]
    assert "15 MB" in text


async def test_a_stranger_has_no_large_body_read(world: World):
    sent = 0

    async def pieces():
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65536
            if sent > 400:
                return

    refused = await world.client.post(PATH_CREATE, content=pieces(), headers={})
    assert refused.status_code == 401
    assert sent < 10
