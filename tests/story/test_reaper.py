"""The reaper: whenever it is killed, and however many there are, store and table agree."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from tests.conftest import START, Person, World
from tests.kept import (
    CLAIM_S,
    CONFIRM_S,
    NOTHING,
    assert_books_of_files_agree,
    files,
    finished,
    reaped,
    set_row,
    statuses,
    urls,
)
from tests.scripted import (
    FOUR,
    PATH_CREATE,
    PICTURE,
    DyingStore,
    Killed,
    ScriptedProvider,
    create,
    done_pictures,
    paint,
    stored_names,
    tools_for,
)
from typing_extensions import override

from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.kernel.ids import new_media_name
from kinetoscope.media import files as media_files
from kinetoscope.media.files import FileKind
from kinetoscope.media.store import MediaStore
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import expire, finish, forget, keep, store
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.expire import sweep_drafts
from kinetoscope.tasks.reap import reap
from kinetoscope.tasks.task import GENERATION_FAILED
from kinetoscope.wiring import reaper_of

pytestmark = pytest.mark.anyio

Result = TypeVar("Result")

SECOND = timedelta(seconds=1)
MEDIA = timedelta(days=14)
TASK = timedelta(days=60)
UPLOAD = timedelta(hours=24)


class MortalDatabase(Database):
    """A database whose user is killed at one call, before it happens or after it did."""

    def __init__(self, database: Database, dies_at: float) -> None:
        self.__dict__.update(database.__dict__)
        self.dies_at = dies_at
        self.calls = 0

    @override
    async def _patiently(self, once: Callable[[Connection], Awaitable[Result]]) -> Result:
        self.calls += 1
        if self.calls == self.dies_at:
            raise Killed
        result = await super()._patiently(once)
        if self.calls == self.dies_at - 0.5:
            raise Killed
        return result


class MortalStore(MediaStore):
    """A store whose user is killed in front of one removal, counted from 1, and does no more."""

    def __init__(self, url: str, dies_at: int) -> None:
        super().__init__(url)
        self.removals_left = dies_at - 1

    @override
    async def delete(self, names: list[str]) -> None:
        if self.removals_left <= 0:
            raise Killed
        self.removals_left -= 1
        await super().delete(names)


async def upload(world: World, person: Person) -> str:
    """Take in a file as an upload."""
    name = f"{new_media_name()}.png"
    database, now = world.runtime.database, world.clock()
    await media_files.promise(database, name, person.account_id, now + UPLOAD, now)
    await world.runtime.store.put(name, paint(world.runtime.settings.data_dir / "upload.png"))
    return name


async def assert_nothing_is_lost(world: World) -> None:
    """Between any two steps: nothing unknown lies about, nothing that is shown is gone."""
    rows = {file.name: file for file in await files(world)}
    there = stored_names(world)
    assert there <= {name for name, file in rows.items() if file.deleted_at is None}
    now = world.clock()
    shown = {
        name for name, file in rows.items() if file.expires_at is None or file.expires_at > now
    }
    assert shown <= there


async def test_batch_after_batch_everything_due_goes_and_nothing_early(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expire, "BATCH_FILES", 3)
    monkeypatch.setattr(forget, "BATCH_TASKS", 1)
    alice = await world.person("alice")
    for _ in range(3):
        await finished(world, alice)
    world.clock.move(MEDIA - SECOND)
    assert await reaped(world) == NOTHING
    assert len(stored_names(world)) == 12
    world.clock.move(SECOND)
    young = await finished(world, alice)
    assert await reaped(world) == replace(NOTHING, files=12)
    assert len(stored_names(world)) == 4
    assert await statuses(world, await urls(world, alice, young)) == {200}
    await assert_books_of_files_agree(world)
    world.clock.move(timedelta(seconds=CONFIRM_S))
    assert await reaped(world) == replace(NOTHING, confirmed=12)
    assert await reaped(world) == NOTHING
    world.clock.moment = START + TASK - SECOND
    await reaped(world)
    assert await world.count("task") == 4
    world.clock.move(SECOND)
    assert (await reaped(world)).tasks == 3
    assert (await world.count("task"), await world.count("media_file")) == (1, 4)
    assert await world.count("ledger_entry where task_id is not null") == 8
    assert await audit(world.runtime.database) == []


async def stage(world: World, alice: Person) -> None:
    """Make a bit of everything that one round removes, with the clock at its time."""
    await world.runtime.database.execute("truncate task, media_file, idempotency_key", {})
    old = await finished(world, alice)
    once = {"Idempotency-Key": "once"}
    await world.client.post(PATH_CREATE, json=PICTURE, headers={**alice.headers, **once})
    await world.runtime.database.execute(
        "update media_file set deleted_at = created_at, confirmed_at = created_at", {}
    )
    await world.runtime.store.delete(sorted(stored_names(world)))
    world.clock.move(TASK - MEDIA)
    await finished(world, alice)
    await upload(world, alice)
    world.clock.move(MEDIA)
    await finished(world, alice)
    await set_row(world, "task", old, "metadata_expires_at = null")


@pytest.mark.parametrize("half", [0, 0.5], ids=["before", "after"])
async def test_killed_at_any_statement_the_next_round_does_the_rest(world: World, half: float):
    alice = await world.person("alice", "100000")
    dies_at = 1 + half
    while True:
        await stage(world, alice)
        dying = MortalDatabase(world.runtime.database, dies_at)
        try:
            await reap(replace(reaper_of(world.runtime), database=dying))
        except Killed:
            await assert_nothing_is_lost(world)
            dies_at += 1
        else:
            break
        world.clock.move(timedelta(seconds=CLAIM_S))
        await reaped(world)
        await assert_nothing_is_lost(world)
        await assert_books_of_files_agree(world)
        assert len(stored_names(world)) == 4
        assert await world.count("task") == 3
        assert await world.count("idempotency_key") == 0
    assert dies_at >= 9


@pytest.mark.parametrize("dies_at", range(1, 6))
async def test_killed_in_front_of_any_removal_the_next_round_does_the_rest(
    world: World, dies_at: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expire, "LANES", 1)
    alice = await world.person("alice")
    await stage(world, alice)
    dying = MortalStore(world.runtime.settings.media_url, dies_at)
    with pytest.raises(Killed):
        await reap(replace(reaper_of(world.runtime), store=dying))
    assert len(stored_names(world)) == 9 - (dies_at - 1)
    assert (await reaped(world)).files == 0, "another leaves the batch alone for a while"
    world.clock.move(timedelta(seconds=CLAIM_S))
    assert (await reaped(world)).files == 5
    await assert_books_of_files_agree(world)
    assert len(stored_names(world)) == 4


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
async def test_what_a_killed_worker_stored_of_a_task_that_fails_then_is_removed(
    world: World, dies_at: int
):
    alice = await world.person("alice")
    task_id = await create(world, alice, FOUR)
    dying = DyingStore(world.runtime.settings.media_url, dies_at)
    with pytest.raises(Killed):
        await advance(
            tools_for(world, ScriptedProvider(statuses=[done_pictures]), store=dying), task_id
        )
    await assert_known(world)
    world.clock.move(2 * MEDIA)
    assert await reaped(world) == NOTHING, "the task is open: its files are not due"
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    await finish.fail(tools_for(world), task, GENERATION_FAILED)
    assert (await reaped(world)).files == dies_at
    assert stored_names(world) == set()
    await assert_books_of_files_agree(world)


async def test_what_was_stored_of_a_task_that_fails_goes_at_once(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, FOUR)
    dying = DyingStore(world.runtime.settings.media_url, 3)
    with pytest.raises(Killed):
        await advance(
            tools_for(world, ScriptedProvider(statuses=[done_pictures]), store=dying), task_id
        )
    task = await store.claim(world.runtime.database, task_id)
    assert task is not None
    await finish.fail(tools_for(world), task, GENERATION_FAILED)
    assert (await reaped(world)).files == 3
    assert stored_names(world) == set()


async def assert_known(world: World) -> None:
    assert stored_names(world) <= {file.name for file in await files(world)}


class LateStore(MediaStore):
    """A store that takes a file only after something else has happened."""

    def __init__(self, url: str, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(url)
        self.meanwhile = meanwhile

    @override
    async def put(self, name: str, path: Path) -> None:
        await self.meanwhile()
        await super().put(name, path)
        raise Killed


async def test_what_a_late_worker_puts_back_is_removed_again(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)

    async def meanwhile() -> None:
        """Another worker finishes the task, and its media expires and is removed."""
        await advance(tools_for(world, ScriptedProvider([], [done_pictures])), task_id)
        world.clock.move(MEDIA)
        assert (await reaped(world)).files == 1

    late = LateStore(world.runtime.settings.media_url, meanwhile)
    with pytest.raises(Killed):
        await advance(
            tools_for(world, ScriptedProvider(statuses=[done_pictures]), store=late), task_id
        )
    assert len(stored_names(world)) == 1, "the database believes it is gone"
    world.clock.move(timedelta(seconds=CONFIRM_S))
    assert (await reaped(world)).confirmed == 1
    assert stored_names(world) == set()


async def test_a_worker_late_for_a_failed_task_leaves_nothing_for_long(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    database = world.runtime.database
    late = await store.claim(database, task_id)
    assert late is not None
    tools = tools_for(world)
    path = paint(world.runtime.settings.data_dir / "late.png")
    name = f"{late.media_name}-1.png"
    digest = keep.Digest(bytes_size=path.stat().st_size, sha256=b"", signed=None)
    await keep._register(tools, late, name, FileKind.OUTPUT, digest)
    other = await store.claim(database, task_id)
    assert other is not None
    await finish.fail(tools, other, GENERATION_FAILED)
    with pytest.raises(LeaseLost):
        await keep._register(tools, late, name, FileKind.OUTPUT, digest)
    await world.runtime.store.put(name, path)
    with pytest.raises(LeaseLost):
        await finish.fail(tools, late, GENERATION_FAILED)
    assert stored_names(world) == {name}
    assert (await reaped(world)).files == 1
    assert stored_names(world) == set()


async def test_several_reapers_share_the_work(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(expire, "BATCH_FILES", 2)
    monkeypatch.setattr(forget, "BATCH_TASKS", 2)
    alice = await world.person("alice", "100000")
    for _ in range(5):
        await finished(world, alice)
    world.clock.move(MEDIA)
    rounds = await asyncio.gather(*(reaped(world) for _ in range(4)))
    assert sum(one.files for one in rounds) == 20
    world.clock.move(TASK)
    rounds = await asyncio.gather(*(reaped(world) for _ in range(4)))
    await reaped(world)
    assert sum(one.confirmed for one in rounds) == 20
    assert (await world.count("task"), await world.count("media_file")) == (0, 0)
    assert await audit(world.runtime.database) == []


async def test_a_file_that_cannot_be_removed_holds_up_no_other(world: World):
    alice = await world.person("alice")
    await finished(world, alice)
    (stuck, *_) = sorted(stored_names(world))
    path = world.runtime.settings.data_dir / "media" / stuck[:2] / stuck
    path.unlink()
    (path / "in-the-way").mkdir(parents=True)
    world.clock.move(MEDIA)
    assert (await reaped(world)).files == 3
    (path / "in-the-way").rmdir()
    path.rmdir()
    world.clock.move(timedelta(seconds=CLAIM_S))
    assert (await reaped(world)).files == 1


async def test_an_upload_stays_for_open_tasks_a_while_longer_than_it_can_be_read(world: World):
    alice = await world.person("alice")
    name = await upload(world, alice)
    grace = world.runtime.settings.task_deadline
    world.clock.move(UPLOAD - SECOND)
    address = world.runtime.signer.url(name, START + UPLOAD + TASK)
    assert await statuses(world, [address]) == {200}
    world.clock.move(SECOND)
    assert await statuses(world, [address]) == {404}
    world.clock.moment = START + UPLOAD + grace - SECOND
    assert await reaped(world) == NOTHING
    assert stored_names(world) == {name}
    world.clock.move(SECOND)
    assert await reaped(world) == replace(NOTHING, files=1)
    assert stored_names(world) == set()
    world.clock.move(timedelta(seconds=CONFIRM_S))
    assert await reaped(world) == replace(NOTHING, confirmed=1)
    world.clock.move(timedelta(days=1))
    assert await reaped(world) == replace(NOTHING, rows=1)
    assert await world.count("media_file") == 0


async def test_uploads_of_a_held_account_stay(world: World):
    alice = await world.person("alice")
    await upload(world, alice)
    await set_row(world, "account", alice.account_id, "legal_hold = true")
    world.clock.move(TASK)
    assert await reaped(world) == NOTHING


async def test_drafts_that_killed_puts_left_are_swept_after_a_day(world: World):
    alice = await world.person("alice")
    await finished(world, alice)
    before = stored_names(world)
    folder = world.runtime.settings.data_dir / "media" / "ab"
    folder.mkdir(exist_ok=True)
    day_s, now_s = 86400, world.clock().timestamp()
    for name, age_s in (("old", day_s + 1), ("young", day_s - 1)):
        draft = folder / f".abc-{name}.png.part"
        draft.write_bytes(b"half")
        os.utime(draft, (now_s - age_s, now_s - age_s))
    assert await sweep_drafts(reaper_of(world.runtime)) == 1
    assert stored_names(world) == before | {".abc-young.png.part"}
