"""How long things are kept: refused by record at the second, shortened, held, kept for good."""

from datetime import UTC, datetime, time, timedelta

import pytest
from tests.conftest import START, World
from tests.kept import (
    CONFIRM_S,
    NOT_FOUND,
    NOTHING,
    assert_books_of_files_agree,
    files,
    finished,
    read,
    reaped,
    set_row,
    statuses,
    urls,
)
from tests.scripted import PICTURE, ScriptedProvider, create, stored_names, tools_for

from kinetoscope.accounts import retention
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import InvalidRequest, NotFound
from kinetoscope.media import files as media_files
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import load_settings
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
MEDIA = timedelta(days=14)
TASK = timedelta(days=60)


async def fail(world: World, task_id: str) -> None:
    provider = ScriptedProvider(statuses=[Failed(code="2038", message="no")])
    await advance(tools_for(world, provider), task_id)  # type: ignore[arg-type]


def test_contract_row_24_the_deployment_keeps_media_14_days_tasks_60_uploads_24_hours():
    settings = load_settings({})
    assert settings.media_lifetime == MEDIA
    assert settings.task_lifetime == TASK
    assert settings.upload_lifetime == timedelta(hours=24)


async def test_every_stored_file_is_known_with_what_is_in_it(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    known = await media_files.of_task(world.runtime.database, task_id)
    assert {file.name for file in known} == stored_names(world)
    for file in known:
        path = world.runtime.settings.data_dir / "media" / file.name[:2] / file.name
        assert file.bytes_size == path.stat().st_size
        assert file.media_type == "image/png"
        assert file.expires_at == START + MEDIA
        assert file.sha256 is not None
        assert await media_files.by_sha256(world.runtime.database, file.sha256) == [file]


async def test_media_is_refused_at_the_second_and_the_record_says_so(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    addresses = await urls(world, alice, task_id)
    world.clock.move(MEDIA - SECOND)
    assert await statuses(world, addresses) == {200}
    _, before = await read(world, alice, task_id)
    assert "expired" not in before["output"][0]
    world.clock.move(SECOND)
    assert await statuses(world, addresses) == {403}
    status, after = await read(world, alice, task_id)
    assert (status, after["status"]) == (200, "success")
    assert after["output"] == [{**item, "expired": True} for item in before["output"]]
    assert {**after, "output": None} == {**before, "output": None}
    # Refused already, though nobody has removed anything yet.
    assert len(stored_names(world)) == 4


async def test_a_task_is_not_found_at_the_second_though_its_row_is_there(world: World):
    alice, mallory = await world.person("alice"), await world.person("mallory")
    good, bad = await finished(world, alice), await create(world, alice, PICTURE)
    await fail(world, bad)
    for task_id in (good, bad):
        _, found = await read(world, alice, task_id)
        assert found["metadataExpiresAt"] == unix_ms(START + TASK)
    world.clock.move(TASK - SECOND)
    assert [(await read(world, alice, task))[0] for task in (good, bad)] == [200, 200]
    world.clock.move(SECOND)
    assert [await read(world, alice, task) for task in (good, bad)] == [NOT_FOUND] * 2
    assert await read(world, mallory, good) == NOT_FOUND
    assert await world.count("task") == 2


async def test_an_open_task_is_never_forgotten(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    world.clock.move(10 * TASK)
    assert await reaped(world) == NOTHING
    assert (await read(world, alice, task_id))[0] == 200


async def test_an_account_may_shorten_both_and_it_counts_from_the_next_end(world: World):
    alice = await world.person("alice")
    before = await finished(world, alice)
    await retention.set_lifetimes(
        world.runtime.database,
        "alice",
        media=timedelta(days=2),
        task=timedelta(days=5),
        upload=None,
    )
    after, failed = await finished(world, alice), await create(world, alice, PICTURE)
    await fail(world, failed)
    shown = [(await read(world, alice, task))[1] for task in (before, after, failed)]
    assert [(task["expiresAt"], task["metadataExpiresAt"]) for task in shown] == [
        (unix_ms(START + MEDIA), unix_ms(START + TASK)),
        (unix_ms(START + timedelta(days=2)), unix_ms(START + timedelta(days=5))),
        (None, unix_ms(START + timedelta(days=5))),
    ]
    world.clock.move(timedelta(days=2))
    assert (await reaped(world)).files == 4
    assert await statuses(world, await urls(world, alice, before)) == {200}


async def test_an_account_can_not_lengthen_and_media_never_outlives_its_task(world: World):
    alice = await world.person("alice")
    database = world.runtime.database
    long = timedelta(days=1000)
    await retention.set_lifetimes(database, "alice", media=long, task=long, upload=None)
    _, shown = await read(world, alice, await finished(world, alice))
    assert (shown["expiresAt"], shown["metadataExpiresAt"]) == (
        unix_ms(START + MEDIA),
        unix_ms(START + TASK),
    )
    await retention.set_lifetimes(
        database, "alice", media=None, task=timedelta(days=1), upload=None
    )
    _, shown = await read(world, alice, await finished(world, alice))
    assert shown["expiresAt"] == shown["metadataExpiresAt"] == unix_ms(START + timedelta(days=1))


@pytest.mark.parametrize("asked", [MEDIA + SECOND, timedelta(minutes=59), timedelta(0)])
def test_a_lifetime_beyond_the_deployments_or_of_minutes_is_refused(asked: timedelta):
    with pytest.raises(InvalidRequest):
        retention.require_allowed("media", asked, MEDIA)
    retention.require_allowed("media", MEDIA, MEDIA)
    retention.require_allowed("media", None, MEDIA)


async def test_an_end_that_did_not_say_how_long_is_stamped_by_the_reaper(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    await set_row(world, "task", task_id, "metadata_expires_at = null")
    world.clock.move(timedelta(days=1))
    await reaped(world)
    assert (await read(world, alice, task_id))[1]["metadataExpiresAt"] == unix_ms(START + TASK)


async def test_a_file_that_was_removed_early_is_not_found(world: World):
    alice = await world.person("alice")
    addresses = await urls(world, alice, await finished(world, alice))
    await world.runtime.database.execute(
        "update media_file set expires_at = %(now)s", {"now": world.clock()}
    )
    assert await statuses(world, addresses) == {404}
    assert len(stored_names(world)) == 4
    await reaped(world)
    assert stored_names(world) == set()
    assert await statuses(world, addresses) == {404}


async def test_a_file_whose_bytes_are_missing_is_not_found(world: World):
    alice = await world.person("alice")
    addresses = await urls(world, alice, await finished(world, alice))
    await world.runtime.store.delete(sorted(stored_names(world)))
    assert await statuses(world, addresses) == {404}


@pytest.mark.parametrize("table", ["task", "account"])
async def test_what_is_held_stays_hidden_but_whole_until_the_hold_is_lifted(
    world: World, table: str
):
    alice, bob = await world.person("alice"), await world.person("bob")
    held, other = await finished(world, alice), await finished(world, bob)
    key = held if table == "task" else alice.account_id
    await set_row(world, table, key, "legal_hold = true")
    addresses = await urls(world, alice, held)
    world.clock.move(MEDIA)
    assert (await reaped(world)).files == 4
    assert len(stored_names(world)) == 4
    assert await statuses(world, addresses) == {403}
    world.clock.move(TASK)
    assert (await reaped(world)).confirmed == 4
    assert await world.count("task") == 1
    assert await read(world, bob, other) == NOT_FOUND
    assert await read(world, alice, held) == NOT_FOUND
    assert {file.task_id for file in await files(world) if file.deleted_at is None} == {held}
    await set_row(world, table, key, "legal_hold = false")
    assert (await reaped(world)).files == 4
    world.clock.move(timedelta(seconds=CONFIRM_S))
    assert (await reaped(world)).tasks == 1
    assert stored_names(world) == set()
    assert (await world.count("task"), await world.count("media_file")) == (0, 0)
    assert await audit(world.runtime.database) == []


async def test_a_hold_on_a_task_keeps_the_media_it_shows_of_another(world: World):
    alice = await world.person("alice")
    order = {"model": "midjourney-v8", "inputs": {"prompt": "a sunset", "seed": 7}}
    await finished(world, alice, order)
    copy = await create(world, alice, {**order, "useCache": True})
    await set_row(world, "task", copy, "legal_hold = true")
    world.clock.move(MEDIA)
    assert await reaped(world) == NOTHING
    await set_row(world, "task", copy, "legal_hold = false")
    assert (await reaped(world)).files == 4


async def test_a_sample_is_kept_for_good_and_its_addresses_roll_on(world: World):
    alice = await world.person("alice")
    task_id = await finished(world, alice)
    await set_row(
        world,
        "task",
        task_id,
        "is_sample = true, media_expires_at = null, metadata_expires_at = null",
    )
    await world.runtime.database.execute("update media_file set expires_at = null", {})
    first = await urls(world, alice, task_id)
    midnight = datetime.combine(START.date() + timedelta(days=1), time(), UTC)
    world.clock.moment = midnight - SECOND
    assert await urls(world, alice, task_id) == first
    world.clock.moment = midnight
    second = await urls(world, alice, task_id)
    assert second != first
    world.clock.moment = midnight + MEDIA - SECOND
    assert await statuses(world, first) == {200}
    world.clock.move(SECOND)
    assert await statuses(world, first) == {403}
    for _ in range(3):
        world.clock.move(TASK)
        await reaped(world)
    status, found = await read(world, alice, task_id)
    assert (status, found["expiresAt"], found["metadataExpiresAt"]) == (200, None, None)
    assert "expired" not in found["output"][0]
    assert await statuses(world, await urls(world, alice, task_id)) == {200}
    await assert_books_of_files_agree(world)


async def test_settings_for_an_account_nobody_has_are_not_found(world: World):
    with pytest.raises(NotFound):
        await retention.set_hold(world.runtime.database, "nobody", is_held=True)
    with pytest.raises(NotFound):
        await retention.set_lifetimes(
            world.runtime.database, "nobody", media=None, task=None, upload=None
        )
