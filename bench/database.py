"""The floor under createTask: its own transaction, without HTTP, on as many connections."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import uvloop
from psycopg.types.json import Jsonb

from bench.load import Figures, figures
from kinetoscope.accounts import accounts, keys, opening
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import AccountId, TaskId, new_media_name, new_task_id
from kinetoscope.kernel.secrets import KeyMode, PresentedKey
from kinetoscope.ledger import book
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import create, creation
from kinetoscope.tasks.request import SCOPE, Request
from kinetoscope.wiring import Runtime

GRANTED = Credits(10**12)


@dataclass(frozen=True, slots=True)
class Payer:
    """An account with far more credits and room than a run can use."""

    account_id: AccountId
    key: str

    @property
    def presented(self) -> PresentedKey:
        return opening.present(f"Bearer {self.key}")


async def make_payers(database: Database, count: int) -> list[Payer]:
    now = datetime.now(UTC)  # noqa: TID251 - not part of the product
    payers = []
    for number in range(count):
        account, new = await accounts.ensure(database, f"payer-{number}", now)
        if new:
            await book.grant(database, account.id, GRANTED, reason="bench", now=now)
            room = 2**31 - 1
            await accounts.limit(database, account.name, tasks_running_max=room, api_access=None)
        issued = await keys.create(
            database, account.id, "bench", mode=KeyMode.LIVE, expires_at=None, now=now
        )
        payers.append(Payer(account.id, issued.text))
    return payers


PLAIN = (
    """
    update account
    set available = available - %(price)s, held = held + %(price)s,
        tasks_running = tasks_running + 1
    where id = %(account_id)s and available >= %(price)s and tasks_running < tasks_running_max
    """,
    """
    insert into ledger_entry
      (account_id, task_id, kind, granted, available, held, spent, created_at)
    values (%(account_id)s, %(task_id)s, 'hold', 0, -%(price)s::bigint, %(price)s, 0, %(now)s)
    """,
    """
    insert into task
      (id, account_id, key_id, model, inputs, seed, callback_url, provider, price, media_name,
       created_at)
    values
      (%(task_id)s, %(account_id)s, %(key_id)s, %(model)s, %(inputs)s, %(seed)s,
       %(callback_url)s, %(provider)s, %(price)s, %(media_name)s, %(now)s)
    """,
    "select enqueue_advance(%(task_id)s, %(queue)s)",
)
"""The same work as four statements between BEGIN and COMMIT, as one would first write it."""


def bare_transactions(
    conninfo: str, payers: list[Payer], duration_s: float, *, plain: bool
) -> Figures:
    """Run createTask's transaction over and over, one connection for each payer."""
    return uvloop.run(_bare_transactions(conninfo, payers, duration_s, plain=plain))


async def _plainly(database: Database, parameters: dict[str, object]) -> bool:
    async def steps(connection: Connection) -> bool:
        charged = await connection.execute(PLAIN[0], parameters)
        for statement in PLAIN[1:]:
            await connection.execute(statement, parameters)
        return charged.rowcount == 1

    return await database.transact(steps)


async def _bare_transactions(
    conninfo: str, payers: list[Payer], duration_s: float, *, plain: bool
) -> Figures:
    create_once = _plainly if plain else creation.create
    database = Database(conninfo, connections_max=len(payers), patience_s=5)
    await database.open()
    latencies_s: list[float] = []
    started_s = time.perf_counter()

    async def lane(payer: Payer) -> None:
        while time.perf_counter() < started_s + duration_s:
            begun_s = time.perf_counter()
            assert await create_once(database, _parameters(payer))
            latencies_s.append(time.perf_counter() - begun_s)

    await asyncio.gather(*[lane(payer) for payer in payers])
    measured = figures(latencies_s, time.perf_counter() - started_s, 0)
    await database.close()
    return measured


def _parameters(payer: Payer) -> dict[str, object]:
    return {
        **opening.opens_parameters(payer.presented, SCOPE),
        "account_id": payer.account_id,
        "task_id": new_task_id(),
        "price": 20000,
        "callback_url": None,
        "now": datetime.now(UTC),  # noqa: TID251 - not part of the product
        "model": "seedance-20",
        "inputs": Jsonb({"prompt": "A beautiful sunset over the ocean", "duration": 5}),
        "seed": 1,
        "media_name": new_media_name(),
        "provider": "embedded",
        "queue": "embedded",
        "caps_checked": False,
        "is_test": False,
        "rehearsal": None,
        "cache_key": None,
        "dialect": None,
        "dialect_details": None,
        "events": None,
        "start_by": None,
        "end_by": None,
    }


async def make_task(runtime: Runtime, payer: Payer) -> TaskId:
    """Create one task through the product's own door-less path."""
    request = Request(
        model="seedance-20",
        inputs={"prompt": "A beautiful sunset over the ocean", "duration": 5},
        auto_fix=False,
        callback_url=None,
    )
    created = await create.create(
        runtime.database, runtime.catalog, runtime.routes, payer.presented, request, runtime.clock()
    )
    return created.task_id
