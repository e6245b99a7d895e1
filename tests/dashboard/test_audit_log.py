"""The audit log: nothing in it is changed or taken out, and if anything were, it would show."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.conftest import World

from kinetoscope.accounts import accounts, audit
from kinetoscope.accounts.audit import Actor
from kinetoscope.postgres.pool import Connection

pytestmark = pytest.mark.anyio

SOMEBODY = Actor(person_id=None, name="ada@example.com", client_ip="203.0.113.7")


async def written(world: World, count: int) -> list[audit.AuditEntry]:
    """Write entries, and return them oldest first."""
    for number in range(count):
        await audit.note(
            world.runtime.database,
            SOMEBODY,
            "key.create",
            f"key {number}",
            world.clock(),
            detail={"name": "größer", "count": number, "list": [1, None, True]},
        )
    return (await audit.listing(world.runtime.database, None, None, 100))[::-1]


@asynccontextmanager
async def unguarded(world: World) -> AsyncIterator[Connection]:
    """Do what only whoever owns the database's files can do."""
    async with world.runtime.database.connection() as connection:
        await connection.execute("alter table audit_entry disable trigger audit_append_only")
        yield connection
        await connection.execute("alter table audit_entry enable trigger audit_append_only")


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_entry set actor = 'nobody'",
        "update audit_entry set actor = 'nobody' where id = 1",
        "delete from audit_entry",
        "delete from audit_entry where false",
        "truncate audit_entry",
        "truncate audit_entry cascade",
    ],
)
async def test_entries_are_never_changed_or_deleted(world: World, statement: str):
    before = await written(world, 2)
    with pytest.raises(psycopg.errors.RaiseException, match="never changed or deleted"):
        await world.runtime.database.execute(statement, {})
    assert await audit.listing(world.runtime.database, None, None, 100) == before[::-1]


async def test_each_entry_follows_from_the_one_before(world: World):
    entries = await written(world, 3)
    assert bytes(entries[0].previous) == audit.FIRST
    for before, after in itertools.pairwise(entries):
        assert bytes(after.previous) == bytes(before.sha256)
    assert await audit.first_broken(world.runtime.database) is None
    assert (entries[1].address, entries[1].target) == ("203.0.113.7", "key 1")
    assert entries[1].detail == {"name": "größer", "count": 1, "list": [1, None, True]}


async def test_many_at_once_make_one_row(world: World):
    await asyncio.gather(*(written(world, 3) for _ in range(8)))
    entries = (await audit.listing(world.runtime.database, None, None, 100))[::-1]
    assert len(entries) == 24
    assert len({bytes(entry.previous) for entry in entries}) == 24
    assert await audit.first_broken(world.runtime.database) is None


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'eve@example.com'",
        "address = null",
        "action = 'key.delete'",
        "target = 'another key'",
        "detail = detail || '{\"count\": 7}'",
        "created_at = created_at - interval '1 hour'",
        "sha256 = '\\x00'",
        "previous = '\\x00'",
    ],
)
async def test_a_changed_entry_shows(world: World, change: str):
    entries = await written(world, 3)
    async with unguarded(world) as connection:
        query = f"update audit_entry set {change} where id = %s"
        await connection.execute(query.encode(), (entries[1].id,))
    assert await audit.first_broken(world.runtime.database) == entries[1].id


async def test_an_account_that_was_swapped_shows(world: World):
    database = world.runtime.database
    account, _ = await accounts.ensure(database, "alice", world.clock())
    other, _ = await accounts.ensure(database, "bob", world.clock())
    await audit.note(database, SOMEBODY, "key.create", "key", world.clock(), account_id=account.id)
    entry = (await audit.listing(database, account.id, None, 1))[0]
    async with unguarded(world) as connection:
        await connection.execute("update audit_entry set account_id = %s", (other.id,))
    assert await audit.first_broken(database) == entry.id


@pytest.mark.parametrize("taken", [0, 1])
async def test_an_entry_that_was_taken_out_shows(world: World, taken: int):
    entries = await written(world, 3)
    async with unguarded(world) as connection:
        await connection.execute("delete from audit_entry where id = %s", (entries[taken].id,))
    assert await audit.first_broken(world.runtime.database) == entries[taken + 1].id


async def test_what_is_not_committed_is_not_noted(world: World):
    entries = await written(world, 1)

    async def steps(connection: Connection) -> None:
        await audit.note_within(connection, SOMEBODY, "key.delete", "key", world.clock())
        raise ValueError("something went wrong after it")

    with pytest.raises(ValueError, match="went wrong"):
        await world.runtime.database.transact(steps)
    assert await audit.listing(world.runtime.database, None, None, 10) == entries
    await written(world, 1)
    assert await audit.first_broken(world.runtime.database) is None


async def test_an_account_lists_its_own_entries_page_by_page(world: World):
    database = world.runtime.database
    account, _ = await accounts.ensure(database, "alice", world.clock())
    await written(world, 2)
    for number in range(3):
        await audit.note(
            database, SOMEBODY, "thing.verb", str(number), world.clock(), account_id=account.id
        )
    first = await audit.listing(database, account.id, None, 2)
    assert [entry.target for entry in first] == ["2", "1"]
    rest = await audit.listing(database, account.id, first[-1].id, 2)
    assert [entry.target for entry in rest] == ["0"]
