"""Finished tasks and what is kept of them, for the tests of retention."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.conftest import Person, World
from tests.scripted import (
    FOUR,
    PATH_RECORD,
    ScriptedProvider,
    create,
    done_pictures,
    stored_names,
    tools_for,
)

from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.reap import Reaped, reap
from kinetoscope.wiring import reaper_of

NOTHING = Reaped(files=0, oversize=0, confirmed=0, tasks=0, rows=0)
NOT_FOUND = (404, {"message": "Task not found"})
CLAIM_S = 301
CONFIRM_S = 3601


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What the tests look at of a file's row."""

    name: str
    kind: str
    task_id: str | None
    expires_at: datetime | None
    deleted_at: datetime | None
    confirmed_at: datetime | None


async def finished(world: World, person: Person, order: object = FOUR) -> TaskId:
    """Make a task that ends well."""
    task_id = await create(world, person, order)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    return task_id


async def read(world: World, person: Person, task_id: str) -> tuple[int, dict[str, Any]]:
    """Ask for a task; return the status and the body."""
    response = await world.client.get(
        PATH_RECORD, params={"taskId": task_id}, headers=person.headers
    )
    return response.status_code, response.json()


async def urls(world: World, person: Person, task_id: str) -> list[str]:
    """Return the addresses of a task's files."""
    _, found = await read(world, person, task_id)
    return [item["url"] for item in found["output"]]


async def statuses(world: World, addresses: list[str]) -> set[int]:
    """Download from addresses; return how that went."""
    return {(await world.client.get(address)).status_code for address in addresses}


async def reaped(world: World) -> Reaped:
    """Do one round of the reaper."""
    return await reap(reaper_of(world.runtime))


async def files(world: World) -> list[File]:
    """Return every file that the database knows."""
    return await world.runtime.database.fetch_all(
        File,
        """
        select name, kind, task_id, expires_at, deleted_at, confirmed_at
        from media_file order by name
        """,
        {},
    )


async def set_row(world: World, table: str, key: str, changes: str) -> None:
    """Change a row behind everybody's back."""
    query = f"update {table} set {changes} where id = %(id)s"
    assert await world.runtime.database.execute(query, {"id": key}) == 1


async def assert_books_of_files_agree(world: World) -> None:
    """Hold store and table against each other: nothing unknown, nothing pointed to that is gone."""
    there = {file.name for file in await files(world) if file.deleted_at is None}
    assert stored_names(world) == there
