"""A storm of everything at once: the books agree afterwards, to the hundredth."""

import asyncio
import random
from collections import Counter

import pytest
from tests.conftest import Person, World
from tests.scripted import FOUR, PATH_CREATE, PICTURE, TOKENS, VIDEO, ScriptedProvider, tools_for

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import CreditsShort, LeaseLost
from kinetoscope.kernel.ids import TaskId
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection
from kinetoscope.tasks import finish, store
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.task import GENERATION_FAILED, Task

pytestmark = pytest.mark.anyio

OPERATIONS = 200
AT_ONCE = 12


class Storm:
    """Random operations by three people, each told apart by what must come of it."""

    def __init__(self, world: World, people: list[Person], seed: int) -> None:
        self.world = world
        self.people = people
        self.chance = random.Random(seed)
        self.open_tasks: list[TaskId] = []
        self.happened: Counter[str] = Counter()

    async def blow(self) -> None:
        for _ in range(OPERATIONS // AT_ONCE):
            await asyncio.gather(*(self.one() for _ in range(AT_ONCE)))
            assert await audit(self.world.runtime.database) == []

    async def one(self) -> None:
        kinds = {self.create: 5, self.grant: 1, self.take: 1, self.succeed: 3, self.fail: 2}
        (operation,) = self.chance.choices(list(kinds), weights=list(kinds.values()))
        self.happened[await operation(self.chance.choice(self.people))] += 1

    async def create(self, person: Person) -> str:
        order = self.chance.choice([VIDEO, PICTURE, TOKENS, FOUR])
        response = await self.world.client.post(PATH_CREATE, json=order, headers=person.headers)
        if response.status_code == 200:
            self.open_tasks.append(TaskId(response.json()["taskId"]))
        return f"create {response.status_code}"

    async def grant(self, person: Person) -> str:
        return await self._grant(person, self.chance.randrange(1, 200_00))

    async def take(self, person: Person) -> str:
        return await self._grant(person, -self.chance.randrange(1, 300_00))

    async def _grant(self, person: Person, amount: int) -> str:
        database, now = self.world.runtime.database, self.world.clock()
        try:
            await book.grant(database, person.account_id, Credits(amount), reason="storm", now=now)
        except CreditsShort:
            return "take refused"
        return "grant" if amount > 0 else "take"

    async def succeed(self, _person: Person) -> str:
        task = await self._claim()
        if task is None:
            return "nothing to end"
        charged = Credits(task.price + self.chance.choice([0, 0, -task.price // 3, 5, 500_00]))
        now = self.world.clock()

        async def steps(connection: Connection) -> None:
            await store.end_success(
                connection, task, output=[], preview=False, media_expires_at=now, now=now
            )
            paid = await book.capture(
                connection, task.account_id, task.id, held=task.price, charged=charged, now=now
            )
            await store.set_price(connection, task, paid)

        try:
            await self.world.runtime.database.transact(steps)
        except LeaseLost:
            return "lease lost"
        return "success"

    async def fail(self, _person: Person) -> str:
        task = await self._claim()
        if task is None:
            return "nothing to end"
        try:
            await finish.fail(tools_for(self.world, ScriptedProvider([])), task, GENERATION_FAILED)
        except LeaseLost:
            return "lease lost"
        return "fail"

    async def _claim(self) -> Task | None:
        """Claim any task, also one that has ended or that somebody else is just ending."""
        if not self.open_tasks:
            return None
        task_id = self.chance.choice(self.open_tasks[-20:])
        return await store.claim(self.world.runtime.database, task_id)


async def sums(world: World) -> tuple[int, ...]:
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute(
            """
            select sum(granted), sum(available), sum(held), sum(spent),
                   sum(granted + available + held + spent)
            from ledger_entry
            """
        )
        row = await cursor.fetchone()
    assert row is not None
    return tuple(int(value) for value in row)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_a_storm_every_hundredth_is_where_the_ledger_says(world: World, seed: int):
    people = [
        await world.person("alice", "500"),
        await world.person("bob", "20.01"),
        await world.person("carol", "0"),
    ]
    async with world.runtime.database.connection() as connection:
        await connection.execute("update account set tasks_running_max = 8 where name = 'alice'")
    storm = Storm(world, people, seed)
    await storm.blow()
    assert await audit(world.runtime.database) == []
    granted, available, held, spent, total = await sums(world)
    assert total == 0
    assert granted + available + held + spent == 0
    balances = [await world.balance(person) for person in people]
    assert sum(balance[0] for balance in balances) == available
    assert sum(balance[1] for balance in balances) == held
    assert sum(balance[2] for balance in balances) == spent
    assert all(part >= 0 for balance in balances for part in balance)
    assert storm.happened["create 200"] == await world.count("task")
    assert storm.happened["success"] == await world.count("task where status = 'success'")
    assert storm.happened["fail"] == await world.count("task where status = 'fail'")
    assert {"create 200", "create 402", "success", "fail", "grant"} <= set(storm.happened)
    assert set(storm.happened) <= {
        "create 200",
        "create 402",
        "create 429",
        "grant",
        "take",
        "take refused",
        "success",
        "fail",
        "lease lost",
        "nothing to end",
    }


async def test_the_ledger_only_grows(world: World):
    alice = await world.person("alice")
    before = await world.count("ledger_entry")
    refused = "ledger entries are never changed or deleted"
    async with world.runtime.database.connection() as connection:
        for statement in (
            "update ledger_entry set spent = 1, available = available - 1",
            "update ledger_entry set reason = 'other'",
            "update ledger_entry set reason = 'other' where false",
            "delete from ledger_entry",
            "delete from ledger_entry where id = 1",
            "truncate ledger_entry",
            "truncate ledger_entry cascade",
            """
            insert into ledger_entry
              (account_id, kind, granted, available, held, spent, created_at)
            select account_id, 'grant', -1, 1, 0, 0, now() from ledger_entry
            on conflict (task_id, kind) do update set reason = 'other'
            """,
        ):
            with pytest.raises(Exception, match=refused):
                await connection.execute(statement.encode())
    assert await world.count("ledger_entry") == before
    assert await world.balance(alice) == (1000_00, 0, 0, 0)


async def test_the_tables_themselves_refuse_what_cannot_be(world: World):
    alice = await world.person("alice")
    entry = (
        "insert into ledger_entry "
        "(account_id, task_id, kind, granted, available, held, spent, created_at) "
        f"select '{alice.account_id}', "
    )
    hold = entry + "'task_x', 'hold', 0, -5, 5, 0, now()"
    impossible = {
        "update account set available = -1": "account_available_check",
        "update account set held = -1": "account_held_check",
        "update account set spent = -1": "account_spent_check",
        "update account set tasks_running = -1": "account_tasks_running_check",
        entry + "'task_x', 'hold', 0, -5, 6, 0, now()": "ledger_entry_check",
        entry + "'task_x', 'grant', -5, 5, 0, 0, now()": "ledger_entry_check",
        entry + "null, 'hold', 0, -5, 5, 0, now()": "ledger_entry_check",
        entry + "'task_x', 'gift', -5, 5, 0, 0, now()": "ledger_entry_kind_check",
        hold + f"; {hold}": "ledger_entry_task_id_kind_key",
        entry + "'task_x', 'capture', 0, 0, -5, 5, now(); "
        f"{entry} 'task_x', 'release', 0, 5, -5, 0, now()": "ledger_entry_one_end",
    }
    async with world.runtime.database.connection() as connection:
        for statement, guard in impossible.items():
            with pytest.raises(Exception, match=guard):
                await connection.execute(statement.encode())
    assert await world.count("ledger_entry") == 1
    assert await world.balance(alice) == (1000_00, 0, 0, 0)
