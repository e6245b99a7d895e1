"""deleteTask: what an owner wants gone is gone at once; what money needs stays."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import Person, World
from tests.kept import (
    NOT_FOUND,
    assert_books_of_files_agree,
    finished,
    read,
    reaped,
    set_row,
    statuses,
    urls,
)
from tests.scripted import (
    FOUR,
    PATH_CREATE,
    PICTURE,
    ScriptedProvider,
    create,
    stored_names,
    tools_for,
)
from typing_extensions import override

from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.media.store import MediaStore, StoreFailed
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks import ended
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.delete import delete, hold_task
from kinetoscope.tasks.expire import Reaper
from kinetoscope.webhooks import log, outbox
from kinetoscope.webhooks.log import Attempt
from kinetoscope.webhooks.outbox import Room
from kinetoscope.wiring import lifetimes_of, reaper_of

pytestmark = pytest.mark.anyio

PATH_DELETE = "/api/v1/jobs/deleteTask"
SECRET = "a sunset over the canary of Ω"
ORDER = {
    "model": "midjourney-v8",
    "inputs": {"prompt": SECRET, "seed": 7},
    "callBackUrl": "https://receiver.test/canary",
}
HELD = (403, {"message": "This task is under a legal hold and cannot be deleted"})


class BrokenStore(MediaStore):
    """A store that removes nothing."""

    @override
    async def delete(self, names: list[str]) -> None:
        raise StoreFailed("away")


async def ask(world: World, person: Person, body: object) -> httpx.Response:
    return await world.client.post(PATH_DELETE, json=body, headers=person.headers)


async def deleted(world: World, person: Person, task_id: str) -> tuple[int, dict[str, Any]]:
    response = await ask(world, person, {"taskId": task_id})
    return response.status_code, response.json()


def done(world: World, task_id: str) -> tuple[int, dict[str, Any]]:
    return 200, {"taskId": task_id, "deleted": True, "deletedAt": unix_ms(world.clock())}


async def dump(world: World) -> str:
    """Return every row of every table, as text."""
    rows = []
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute(
            "select quote_ident(tablename) from pg_tables where schemaname = 'public'"
        )
        for (table,) in await cursor.fetchall():
            cursor = await connection.execute(f"select {table}::text from {table}")
            rows += [row[0] for row in await cursor.fetchall()]
    return "\n".join(rows)


async def test_inputs_media_and_webhooks_are_gone_at_once_and_the_books_agree(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice, ORDER)
    other = await finished(world, alice, FOUR)
    addresses, kept = await urls(world, alice, task_id), await urls(world, alice, other)
    assert SECRET in await dump(world)
    assert "canary" in await dump(world)
    balance = await world.balance(alice)
    assert await deleted(world, alice, task_id) == done(world, task_id)
    assert await read(world, alice, task_id) == NOT_FOUND
    assert await statuses(world, addresses) == {404}
    assert await statuses(world, kept) == {200}
    assert len(stored_names(world)) == 4
    assert "canary" not in await dump(world)
    assert await world.count("webhook_delivery") == 0
    assert await world.count("task where cache_key is not null") == 0
    assert await ended.by_id(world.runtime.database, task_id, world.clock()) is None
    assert await world.balance(alice) == balance
    assert await world.count("task where price = 1200 and data_deleted_at is not null") == 1
    assert await audit(world.runtime.database) == []
    await assert_books_of_files_agree(world)


async def test_a_webhook_that_is_on_its_way_leaves_no_trace_afterwards(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice, ORDER)
    database, now = world.runtime.database, world.clock()
    room = Room(total=1, per_lane=1, by_lane={}, full_accounts=())
    (claimed,) = await outbox.claim_due(database, room, now, timedelta(minutes=1))
    assert claimed.task_id == task_id
    await deleted(world, alice, task_id)
    attempt = Attempt(started_at=now, duration_ms=1, status=200, error=None, response="ok")
    await log.note(database, claimed, attempt, state="delivered", next_attempt_at=None, now=now)
    assert await world.count("webhook_attempt") == 0


async def test_doing_it_again_changes_nothing(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    first = await deleted(world, alice, task_id)
    world.clock.move(lifetimes_of(world.runtime.settings).media)
    assert await deleted(world, alice, task_id) == first
    world.clock.move(lifetimes_of(world.runtime.settings).task)
    assert await deleted(world, alice, task_id) == NOT_FOUND


async def test_a_failed_task_can_be_deleted_too(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    provider = ScriptedProvider(statuses=[Failed(code="2038", message="no")])
    await advance(tools_for(world, provider), task_id)
    assert await deleted(world, alice, task_id) == done(world, task_id)
    assert await read(world, alice, task_id) == NOT_FOUND
    assert await audit(world.runtime.database) == []


async def test_an_open_task_is_not_deleted(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    message = "This task has not ended yet. Cancel it, or wait for its end."
    assert await deleted(world, alice, task_id) == (409, {"message": message})
    assert (await read(world, alice, task_id))[0] == 200


@pytest.mark.parametrize("table", ["task", "account"])
async def test_what_is_held_is_not_deleted_until_the_hold_is_lifted(world: World, table: str):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    key = task_id if table == "task" else alice.account_id
    await set_row(world, table, key, "legal_hold = true")
    assert await deleted(world, alice, task_id) == HELD
    assert (await read(world, alice, task_id))[0] == 200
    assert len(stored_names(world)) == 4
    await set_row(world, table, key, "legal_hold = false")
    assert await deleted(world, alice, task_id) == done(world, task_id)


async def test_samples_and_other_peoples_tasks_are_not_deleted(world: World):
    alice, mallory = await world.person("alice"), await world.person("mallory")
    task_id = await finished(world, alice)
    assert await deleted(world, mallory, task_id) == (403, {"message": "Access denied"})
    await set_row(world, "task", task_id, "is_sample = true")
    message = "Sample tasks cannot be deleted"
    assert await deleted(world, alice, task_id) == (403, {"message": message})
    assert len(stored_names(world)) == 4


async def test_tasks_that_show_its_media_lose_it_too_but_stay_known(world: World):
    alice = await world.person("alice")
    source = await finished(world, alice, ORDER)
    copy = await create(world, alice, {**ORDER, "useCache": True})
    addresses = await urls(world, alice, copy)
    assert await statuses(world, addresses) == {200}
    await set_row(world, "task", copy, "legal_hold = true")
    assert await deleted(world, alice, source) == HELD
    await set_row(world, "task", copy, "legal_hold = false")
    assert await deleted(world, alice, source) == done(world, source)
    assert await statuses(world, addresses) == {404}
    status, found = await read(world, alice, copy)
    assert (status, found["expiresAt"]) == (200, unix_ms(world.clock()))
    assert [item["expired"] for item in found["output"]] == [True] * 4
    again = await world.client.post(
        PATH_CREATE, json={**ORDER, "useCache": True}, headers=alice.headers
    )
    assert again.json()["cached"] is False


async def test_deleting_a_task_that_shows_anothers_media_leaves_that_alone(world: World):
    alice = await world.person("alice")
    source = await finished(world, alice, ORDER)
    copy = await create(world, alice, {**ORDER, "useCache": True})
    assert await deleted(world, alice, copy) == done(world, copy)
    assert await statuses(world, await urls(world, alice, source)) == {200}
    assert await read(world, alice, copy) == NOT_FOUND


async def test_where_the_store_is_away_files_are_refused_and_the_reaper_removes_them(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    addresses = await urls(world, alice, task_id)
    usual = reaper_of(world.runtime)
    broken = Reaper(
        database=usual.database,
        store=BrokenStore(world.runtime.settings.media_url),
        clock=usual.clock,
        lifetimes=usual.lifetimes,
        upload_grace=usual.upload_grace,
    )
    await delete(broken, alice.account_id, task_id, mode=KeyMode.LIVE)
    assert len(stored_names(world)) == 4
    assert await statuses(world, addresses) == {404}
    world.clock.moment = world.clock() + 2 * usual.upload_grace
    assert (await reaped(world)).files == 4
    assert stored_names(world) == set()


async def test_the_emptied_row_goes_when_its_time_comes(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    await deleted(world, alice, task_id)
    world.clock.moment += lifetimes_of(world.runtime.settings).task
    await reaped(world)
    assert (await world.count("task"), await world.count("media_file")) == (0, 0)
    assert await audit(world.runtime.database) == []


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "Invalid request parameters"),
        ({"taskId": 7}, 400, "Invalid request parameters"),
        ([], 400, "Invalid request parameters"),
        ({"taskId": "nonsense"}, 400, "Invalid taskId"),
        ({"taskId": "task_" + 24 * "0"}, 404, "Task not found"),
    ],
)
async def test_a_request_without_a_known_id_is_refused(
    world: World, body: object, status: int, message: str
):
    alice = await world.person("alice")
    response = await ask(world, alice, body)
    assert (response.status_code, response.json()["message"]) == (status, message)


async def test_a_hold_on_nothing_is_not_found(world: World):
    with pytest.raises(NotFound):
        await hold_task(world.runtime.database, TaskId("task_nobodys"), is_held=True)
