"""Guards that all dialects stand behind; each test fails where its guard is taken away."""

from typing import Any

import pytest
from tests.conftest import Person, World
from tests.scripted import PICTURE, ScriptedProvider, create, done_pictures, record, tools_for

from kinetoscope.dashboard.webhook_words import EVENTS
from kinetoscope.kernel.errors import KinetoscopeError, NotFound
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.media import own_uploads
from kinetoscope.tasks import deadlines, finish, store
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.deadlines import Overdue
from kinetoscope.webhooks import outbox
from kinetoscope.wiring import lifetimes_of

pytestmark = pytest.mark.anyio

PREDICT = "/replicate/v1/models/kinetoscope/gpt-image-2/predictions"


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def ended(world: World, person: Person) -> TaskId:
    task_id = await create(world, person, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    return task_id


async def test_what_a_task_made_is_no_upload(world: World, alice: Person):
    """Nobody lets a task's files expire by their names."""
    task_id = await ended(world, alice)
    url = (await record(world, alice, task_id))["output"][0]["url"]
    name = url.partition("?")[0].rpartition("/")[2]
    database, now = world.runtime.database, world.clock()
    for wrong in (name, "\0", "../x"):
        with pytest.raises(NotFound):
            await own_uploads.give_up(database, alice.account_id, wrong, now)
    response = await world.client.delete(f"/openai/v1/files/{name}", headers=alice.headers)
    assert response.status_code == 404
    assert (await world.client.get(url)).status_code == 200


async def overdue(world: World, task_id: TaskId, person: Person) -> None:
    """End a task as if it had been found overdue a moment ago."""
    found = Overdue(id=task_id, account_id=person.account_id)
    runtime = world.runtime
    await deadlines._end(runtime.database, lifetimes_of(runtime.settings), found, world.clock())


async def test_what_ended_meanwhile_stays_as_it_is(world: World, alice: Person):
    task_id = await ended(world, alice)
    await overdue(world, task_id, alice)
    assert (await record(world, alice, task_id))["status"] == "success"
    assert await store.cancel_requests(world.runtime.database) == set()


async def test_what_was_begun_meanwhile_is_not_asked_to_end_before_its_end(
    world: World, alice: Person
):
    task_id = await create(world, alice, PICTURE)
    database, now = world.runtime.database, world.clock()
    begun = "update task set submit_started_at = %(now)s, start_by = %(now)s where id = %(id)s"
    await database.execute(begun, {"id": task_id, "now": now})
    await overdue(world, task_id, alice)
    assert await store.cancel_requests(database) == set()
    await database.execute(
        "update task set end_by = %(now)s where id = %(id)s", {"id": task_id, "now": now}
    )
    await overdue(world, task_id, alice)
    assert await store.cancel_requests(database) == {task_id}


async def test_one_accounts_trouble_keeps_no_others_task_open(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    bob = await world.person("bob")
    hers, his = await create(world, alice, PICTURE), await create(world, bob, PICTURE)
    database, now = world.runtime.database, world.clock()
    await database.execute("update task set end_by = %(now)s", {"now": now})
    before = finish.fail_within

    async def breaks(*arguments: Any) -> None:  # noqa: ANN401 - passed on as they are
        if getattr(arguments[2], "account_id", None) == alice.account_id:
            raise ZeroDivisionError
        await before(*arguments)

    monkeypatch.setattr(finish, "fail_within", breaks)
    await deadlines.end_overdue(database, lifetimes_of(world.runtime.settings), now)
    assert (await record(world, alice, hers))["status"] == "waiting"
    assert (await record(world, bob, his))["status"] == "fail"


async def test_news_of_a_tasks_course_is_only_of_open_tasks(world: World, alice: Person):
    body = {"input": {"prompt": "a kite"}, "webhook": "https://hook.invalid/"}
    made = await world.client.post(PREDICT, json=body, headers=alice.headers)
    assert made.status_code == 201, made.text
    await outbox.put_progress(world.runtime.database, made.json()["id"], 10, world.clock())
    assert await world.count("webhook_delivery") == 0  # it waits
    await world.runtime.database.execute("update task set status = 'generating'", {})
    for percent in range(0, 100, 5):
        await outbox.put_progress(world.runtime.database, made.json()["id"], percent, world.clock())
    assert await world.count("webhook_delivery") == 5  # its start, and four quarters


async def test_every_event_has_a_word(world: World):
    values = await world.runtime.database.fetch_values(
        """
        select pg_get_constraintdef(oid) from pg_constraint
        where conname = 'webhook_delivery_event_type_check'
        """,
        {},
    )
    assert values is not None
    allowed = {word for word in str(values[0]).split("'") if "." in word}
    assert allowed == set(outbox.EVENT_TYPES) == set(EVENTS)


class Inner(KinetoscopeError):
    """What a capability raises for itself; its text names what nobody outside should see."""


@pytest.mark.parametrize("path", ["/openai/v1/videos", "/replicate/v1/predictions"])
async def test_a_capabilitys_own_error_is_not_told(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch, path: str
):
    async def breaks(*_arguments: object) -> None:
        raise Inner("secret-host.internal")

    monkeypatch.setattr("kinetoscope.tasks.whole.page", breaks)
    response = await world.client.get(path, headers=alice.headers)
    assert response.status_code == 500
    assert "secret-host" not in response.text


async def test_a_name_for_a_request_is_for_what_it_says_and_where(world: World):
    """The same Idempotency-Key in another dialect, or for another outcome, is another request."""
    tester = await world.person("alice", "0", mode=KeyMode.TEST)
    headers = {**tester.headers, "Idempotency-Key": "one"}
    fal = "/fal/queue/kinetoscope/gpt-image-2"
    first = await world.client.post(PREDICT, json={"input": {"prompt": "x"}}, headers=headers)
    again = await world.client.post(PREDICT, json={"input": {"prompt": "x"}}, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    other = await world.client.post(fal, json={"prompt": "x"}, headers=headers)
    assert other.status_code == 422
    slow = {**headers, "X-Test-Outcome": "slow"}
    other = await world.client.post(PREDICT, json={"input": {"prompt": "x"}}, headers=slow)
    assert other.status_code == 422
    later = {**headers, "Cancel-After": "5m"}
    other = await world.client.post(PREDICT, json={"input": {"prompt": "x"}}, headers=later)
    assert other.status_code == 422
    assert await world.count("task") == 1
