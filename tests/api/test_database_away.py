"""When the database goes away or a connection breaks: bounded answers, and nothing done twice."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.conftest import START, Person, World
from tests.scripted import (
    PATH_CREATE,
    PATH_RECORD,
    PICTURE,
    ScriptedProvider,
    StatusStep,
    create,
    done_pictures,
    tools_for,
)

from kinetoscope.accounts import accounts, keys
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import DatabaseUnavailable
from kinetoscope.kernel.ids import is_task_id
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Database
from kinetoscope.providers.contract import Failed
from kinetoscope.server import create_app
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

AWAY = {"message": "Service temporarily unavailable. Please try again later."}


class Link:
    """A way to the database that can be cut, in front of its socket.

    `swallow(text)` breaks the connection on which a statement with this text is next sent: the
    server gets it and carries it out, and its answer is lost.
    """

    def __init__(self, conninfo: str) -> None:
        self.parts = psycopg.conninfo.conninfo_to_dict(conninfo)
        self.folder = Path(tempfile.mkdtemp(prefix="link-"))
        self.server: asyncio.Server | None = None
        self.writers: set[asyncio.StreamWriter] = set()
        self.doomed: bytes | None = None
        self.swallowed = 0

    @property
    def conninfo(self) -> str:
        parts = {**self.parts, "host": str(self.folder), "application_name": "linked"}
        return psycopg.conninfo.make_conninfo("", **parts)

    def _socket(self, folder: object) -> str:
        return f"{folder}/.s.PGSQL.{self.parts.get('port', 5432)}"

    async def open(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.server = await asyncio.start_unix_server(self._serve, self._socket(self.folder))

    async def cut(self) -> None:
        """Close the way and everything that is on it."""
        assert self.server is not None
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        shutil.rmtree(self.folder)

    def swallow(self, text: str) -> None:
        self.doomed = text.encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = self._socket(self.parts["host"])
        back, forth = await asyncio.open_unix_connection(there)
        self.writers |= {writer, forth}
        mute = asyncio.Event()
        copying = [
            asyncio.create_task(self._copy(reader, forth, mute)),
            asyncio.create_task(self._copy_back(back, writer, mute)),
        ]
        await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        for task in copying:
            task.cancel()
        await asyncio.wait(copying)
        for end in (writer, forth):
            end.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if self.doomed is not None and self.doomed in piece:
                    self.doomed = None
                    self.swallowed += 1
                    mute.set()
                writer.write(piece)

    async def _copy_back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if mute.is_set():
                    return
                writer.write(piece)


@asynccontextmanager
async def linked(
    world: World, patience_s: float = 5, *, paced: bool = True
) -> AsyncIterator[tuple[World, Link]]:
    """Run a second app over the same database, reached by a link."""
    link = Link(world.runtime.database.conninfo)
    await link.open()
    database = Database(link.conninfo, connections_max=16, patience_s=patience_s)
    settings = world.runtime.settings
    if not paced:
        settings = replace(settings, requests_per_second=0)
    runtime = replace(world.runtime, database=database, settings=settings)
    app = create_app(runtime)
    await database.open()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://k.test") as client:
            yield World(runtime=runtime, clock=world.clock, client=client, app=app), link
    finally:
        await database.close()
        await link.cut()


async def test_every_route_says_503_in_bounded_time_while_the_database_is_away(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    # Without a pace, so that it is the creating statement that fails.
    async with linked(world, patience_s=0.3, paced=False) as (far, link):
        headers = alice.headers
        assert (await far.client.get("/readyz")).status_code == 200
        await link.cut()
        asked = [
            far.client.post(PATH_CREATE, json=PICTURE, headers=headers),
            far.client.get(PATH_RECORD, params={"taskId": task_id}, headers=headers),
            far.client.get("/readyz"),
            far.client.get("/metrics"),
        ]
        began = time.monotonic()
        answers = await asyncio.gather(*asked, *(far.client.get("/readyz") for _ in range(40)))
        assert time.monotonic() - began < 5
        asked_for = answers.pop(0)
        # A client is not invited to pay twice: the id tells it what to look for instead.
        assert asked_for.status_code == 503
        assert asked_for.json() == {**AWAY, "taskId": asked_for.json()["taskId"]}
        assert is_task_id(asked_for.json()["taskId"])
        assert "retry-after" not in asked_for.headers
        for response in answers:
            assert (response.status_code, response.json()) == (503, AWAY)
            assert response.headers["retry-after"] == "1"
        assert (await far.client.get("/livez")).status_code == 200
        missing = await far.client.post(PATH_CREATE, json=PICTURE)
        assert (missing.status_code, missing.json()["message"]) == (
            401,
            "Missing Authorization header",
        )
        await link.open()
        async with asyncio.timeout(15):
            while (await far.client.get("/readyz")).status_code != 200:
                """Each answer takes the server's patience."""
        back = await far.client.get(PATH_RECORD, params={"taskId": task_id}, headers=headers)
        assert (back.status_code, back.json()["taskId"]) == (200, task_id)
    assert await world.balance(alice) == (997_83, 2_17, 0, 1)


async def test_what_was_not_even_counted_made_nothing_and_may_be_tried_again(world: World):
    alice = await world.person("alice")
    async with linked(world, patience_s=0.3) as (far, link):
        await link.cut()
        asked = [far.client.post(PATH_CREATE, json=PICTURE, headers=alice.headers)]
        asked += [far.client.get("/api/v1/credits", headers=alice.headers) for _ in range(20)]
        began = time.monotonic()
        answers = await asyncio.gather(*asked)
        assert time.monotonic() - began < 5
        for response in answers:
            assert (response.status_code, response.json()) == (503, AWAY)
            assert response.headers["retry-after"] == "1"
        await link.open()
        async with asyncio.timeout(15):
            while (await far.client.get("/readyz")).status_code != 200:
                """Each answer takes the server's patience."""
        await create(far, alice, PICTURE)
    assert await world.count("task") == 1


async def test_a_request_waits_for_a_database_that_comes_back(world: World):
    alice = await world.person("alice")
    async with linked(world) as (far, link):
        await link.cut()
        waiting = asyncio.create_task(create(far, alice, PICTURE))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await link.open()
        await asyncio.wait_for(waiting, 5)
    assert await world.balance(alice) == (997_83, 2_17, 0, 1)
    assert await audit(world.runtime.database) == []


async def test_a_server_that_never_was_there_is_told_at_once():
    folder = tempfile.mkdtemp(prefix="nobody-")
    database = Database(f"host={folder} user=x dbname=x", connections_max=2, patience_s=0.2)
    await database.pool.open(wait=False)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await database.execute("select 1", {})
    assert time.monotonic() - began < 3
    await database.close()


async def shoot(conninfo: str) -> int:
    """Break connections of the linked app, three at a time; return how many it were."""
    shots = 0
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as gun:
        for _ in range(25):
            cursor = await gun.execute(
                """
                select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and application_name = 'linked'
                order by random() limit 3
                """
            )
            shots += len(await cursor.fetchall())
            await asyncio.sleep(0.02)
    return shots


async def test_connections_that_are_shot_under_load_double_and_lose_nothing(world: World):
    alice = await world.person("alice", "100000")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=500, api_access=None)

    async with linked(world, patience_s=60) as (far, _):

        async def ask() -> list[str]:
            return [await create(far, alice, PICTURE) for _ in range(25)]

        shooting = asyncio.create_task(shoot(world.runtime.database.conninfo))
        made = await asyncio.gather(*(ask() for _ in range(8)))
        assert await shooting > 10
    assert len({task_id for several in made for task_id in several}) == 200
    assert await world.count("task") == 200
    assert await world.count("ledger_entry where kind = 'hold'") == 200
    assert await world.count("procrastinate_jobs") == 200
    assert await world.balance(alice) == (100000_00 - 200 * 2_17, 200 * 2_17, 0, 200)
    assert await audit(world.runtime.database) == []


@asynccontextmanager
async def one_made(world: World, person: Person, link: Link, text: str) -> AsyncIterator[None]:
    """Swallow one answer, and make sure that one task came of it all the same."""
    link.swallow(text)
    yield
    assert link.swallowed == 1
    assert await world.count("task") == 1
    assert await world.count("ledger_entry where kind = 'hold'") == 1
    assert await world.count("procrastinate_jobs") == 1
    assert (await world.balance(person))[1:] == (2_17, 0, 1)
    assert await audit(world.runtime.database) == []


CREATES = "enqueue_advance"


@pytest.mark.parametrize("granted", ["1000", "2.17"], ids=["rich", "for exactly one"])
async def test_a_create_whose_answer_was_lost_is_made_once_and_answered(world: World, granted: str):
    alice = await world.person("alice", granted)
    async with linked(world) as (far, link), one_made(world, alice, link, CREATES):
        task_id = await create(far, alice, PICTURE)
        assert await world.count(f"task where id = '{task_id}'") == 1


async def test_a_create_whose_answer_was_lost_and_that_filled_the_cap_is_answered(world: World):
    alice = await world.person("alice")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=1, api_access=None)
    async with linked(world) as (far, link), one_made(world, alice, link, CREATES):
        task_id = await create(far, alice, PICTURE)
        assert await world.count(f"task where id = '{task_id}'") == 1


async def test_an_end_whose_commit_was_lost_is_written_once(world: World):
    alice = await world.person("alice")
    ends: list[StatusStep] = [done_pictures, Failed(code="500", message="No.")]
    for last in ends:
        task_id = await create(world, alice, PICTURE)
        async with linked(world) as (far, link):
            provider = ScriptedProvider(statuses=[last])
            link.swallow("COMMIT")
            await advance(tools_for(far, provider), task_id)
            assert link.swallowed == 1
        assert await world.balance(alice) == (997_83, 0, 2_17, 0)
        assert await audit(world.runtime.database) == []
    assert await world.count("task where status = 'success'") == 1
    assert await world.count("task where status = 'fail'") == 1


async def test_a_grant_whose_commit_was_lost_is_made_once(world: World):
    alice = await world.person("alice", "0")
    async with linked(world) as (far, link):
        for number in range(1, 4):
            link.swallow("COMMIT")
            await book.grant(
                far.runtime.database, alice.account_id, Credits(100), reason="gift", now=START
            )
            assert link.swallowed == number
            assert await world.balance(alice) == (number * 100, 0, 0, 0)
        link.swallow("COMMIT")
        assert await book.grant_once(
            far.runtime.database, alice.account_id, Credits(5), reason="once", now=START
        )
    assert await world.balance(alice) == (305, 0, 0, 0)
    assert await world.count("ledger_entry") == 4
    assert await audit(world.runtime.database) == []


async def test_a_rotation_whose_answer_was_lost_gives_the_key_that_was_made(world: World):
    alice = await world.person("alice")
    async with linked(world) as (far, link):
        link.swallow("successor")
        issued = await keys.rotate(
            far.runtime.database, alice.key_id, overlap=keys.ROTATION_OVERLAP_MAX, now=START
        )
        assert link.swallowed == 1
    assert await world.count("api_key") == 2
    headers = {"Authorization": f"Bearer {issued.text}"}
    response = await world.client.post(PATH_CREATE, json=PICTURE, headers=headers)
    assert response.status_code == 200
