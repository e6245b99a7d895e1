"""listTasks: the account's own, newest first, whatever is created meanwhile."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import (
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    record,
    tools_for,
)

from kinetoscope.api.listing import read_place
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

PATH = "/api/v1/jobs/listTasks"


async def listed(world: World, person: Person, **query: str | int | list[str]) -> dict[str, Any]:
    response = await world.client.get(PATH, params=query, headers=person.headers)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def ids(world: World, person: Person, **query: str | int | list[str]) -> list[str]:
    return [task["taskId"] for task in (await listed(world, person, **query))["tasks"]]


async def test_tasks_are_listed_newest_first_as_recordinfo_shows_them(world: World):
    alice = await world.person("alice")
    first = await create(world, alice, PICTURE)
    world.clock.move(timedelta(seconds=1))
    second = await create(world, alice, VIDEO)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), first)
    page = await listed(world, alice)
    shown = [await record(world, alice, task_id) for task_id in (second, first)]
    assert page == {"tasks": shown, "nextCursor": None}


async def test_nobody_sees_anothers_tasks(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    await create(world, alice, PICTURE)
    assert await listed(world, bob) == {"tasks": [], "nextCursor": None}


async def test_pages_meet_without_gap_or_overlap_while_tasks_are_created(world: World):
    alice = await world.person("alice")
    # Two of them share each moment: the id decides.
    made = []
    for number in range(10):
        made.append(await create(world, alice, PICTURE))
        if number % 2:
            world.clock.move(timedelta(microseconds=1))
    seen: list[str] = []
    cursor = None
    while True:
        page = await listed(world, alice, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [task["taskId"] for task in page["tasks"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
        await create(world, alice, PICTURE)
    assert len(seen) == len(set(seen))
    assert set(made) <= set(seen)
    assert len(seen) == 10


async def test_each_filter_keeps_what_it_names(world: World):
    alice = await world.person("alice")
    start = unix_ms(world.clock())
    picture = await create(world, alice, PICTURE)
    world.clock.move(timedelta(seconds=10))
    video = await create(world, alice, VIDEO)
    tester = await world.person("alice", "0", mode=KeyMode.TEST)
    tried = await create(world, tester, VIDEO)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), picture)
    assert await ids(world, alice, status="success") == [picture]
    assert set(await ids(world, alice, status=["success", "waiting"])) == {picture, video, tried}
    assert await ids(world, alice, model="gpt-image-2") == [picture]
    assert await ids(world, alice, keyId=tester.key_id) == [tried]
    assert await ids(world, alice, isTest="true") == [tried]
    assert set(await ids(world, alice, isTest="false")) == {picture, video}
    assert set(await ids(world, alice, createdAfter=start + 10000)) == {video, tried}
    assert await ids(world, alice, createdBefore=start + 10000) == [picture]
    assert await ids(world, alice, createdAfter=start, createdBefore=start) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("model", "a b"),
        ("keyId", "ü"),
        ("isTest", "yes"),
        ("createdAfter", "-1"),
        ("createdBefore", "99999999999999999"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "x"),
        ("cursor", "nonsense"),
        ("cursor", base64.urlsafe_b64encode(b"1/task_x'; drop").decode()),
        ("cursor", base64.urlsafe_b64encode(b"999999999999999999/task_00000000").decode()),
    ],
)
async def test_a_filter_that_is_none_is_named(world: World, name: str, value: str):
    alice = await world.person("alice")
    response = await world.client.get(PATH, params={name: value}, headers=alice.headers)
    assert response.status_code == 400
    assert [found["path"] for found in response.json()["errors"]] == [[name]]


def test_a_cursor_of_any_text_is_read_or_refused_but_breaks_nothing():
    for text in ("", "=", "é", "a" * 999, "MTIz", "_-_-", "\x00"):
        assert read_place(text) is None


async def test_a_page_of_many_reads_only_its_own_rows(world: World):
    alice = await world.person("alice")
    await create(world, alice, PICTURE)
    async with world.runtime.database.connection() as connection:
        await connection.execute(
            """
            insert into task (id, account_id, key_id, model, inputs, seed, provider, price,
                              media_name, created_at)
            select 'task_' || lpad(n::text, 24, '0'), account_id, key_id, model, inputs, seed,
                   provider, 0, media_name, created_at + n * interval '1 second'
            from task cross join generate_series(1, 30000) as n
            """
        )
        await connection.execute("analyze task")
        cursor = await connection.execute(
            """
            explain (analyze, format json)
            select id from task where account_id = %s and data_deleted_at is null
            order by created_at desc, id limit 21
            """,
            (alice.account_id,),
        )
        row = await cursor.fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]["Plans"][0]
    assert plan["Node Type"] == "Index Scan"
    assert plan["Index Name"] == "task_account"
    assert len(await ids(world, alice, limit=100)) == 100
