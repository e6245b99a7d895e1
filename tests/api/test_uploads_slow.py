"""Files that come slowly, or never whole: they hold up their own account, and not for ever."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.api.served import Connection, Served, serving
from tests.api.test_uploads import PATH, picture
from tests.conftest import Person, World

pytestmark = pytest.mark.anyio

QUICK = {
    "kinetoscope.api.intake.PATIENCE_S": 1.0,
    "kinetoscope.api.intake.GRACE_S": 4.0,
    "kinetoscope.api.leftover.LEFTOVER_S_MAX": 0.1,
}


async def promised(served: Served, person: Person) -> dict[str, Any]:
    response = await served.client.post(PATH, json={"fileName": "a.png"}, headers=person.headers)
    assert response.status_code == 200, response.text
    place: dict[str, Any] = response.json()
    return place


async def stalled(served: Served, place: dict[str, Any]) -> Connection:
    """Begin to put a file, and stop."""
    target = urlsplit(place["uploadUrl"])
    head = f"PUT {target.path}?{target.query} HTTP/1.1\nContent-Length: 1000000"
    return await served.begin(f"{head}\nContent-Type: image/png", b"\x89PNG")


async def test_one_account_holds_up_no_other_and_is_told_when_to_come_back(
    world: World, conninfo: str, tmp_path: Path
):
    alice, bob = await world.person("alice"), await world.person("bob")
    data_dir = world.runtime.settings.data_dir
    async with serving(data_dir, conninfo, changes=QUICK) as served:
        places = [await promised(served, alice) for _ in range(32)]
        bobs = await promised(served, bob)
        connections = [await stalled(served, place) for place in places]
        async with asyncio.timeout(3):
            done = await served.client.put(
                bobs["uploadUrl"], content=picture(tmp_path), headers={"Content-Type": "image/png"}
            )
        assert done.status_code == 200, done.text
        answers = await asyncio.gather(*(connection.answer() for connection in connections))
        statuses = sorted(answer.status for answer in answers)
        # Four have a place until they are too slow; the others wait for one as long as is decent.
        assert statuses == [408] * 4 + [503] * 28
        for answer in answers:
            assert answer.headers["connection"] == "close"
            assert ("retry-after" in answer.headers) == (answer.status == 503)
            assert answer.body.startswith(b'{"message":')
        again = await served.client.put(
            places[0]["uploadUrl"], content=picture(tmp_path), headers={"Content-Type": "image/png"}
        )
        assert again.status_code == 200, again.text
        assert "[error" not in served.log
        assert list((data_dir / "work" / "uploads").iterdir()) == []
        for connection in connections:
            await connection.leave()


async def test_more_files_at_once_than_places_are_taken_one_after_the_other(
    world: World, conninfo: str, tmp_path: Path
):
    alice = await world.person("alice")
    async with serving(world.runtime.settings.data_dir, conninfo) as served:
        places = [await promised(served, alice) for _ in range(12)]
        content = picture(tmp_path)
        done = await asyncio.gather(
            *(
                served.client.put(
                    place["uploadUrl"], content=content, headers={"Content-Type": "image/png"}
                )
                for place in places
            )
        )
        assert [response.status_code for response in done] == [200] * 12
