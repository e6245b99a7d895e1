"""An upstream over real HTTP that answers nothing but 500s is left alone, and harms nobody else.

Time runs ten times as fast: a minute takes six seconds, and what is measured here is slower, too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from tests.conftest import START, Person, World
from tests.providers.upstream import KEY
from tests.providers.wire_faulty import LOOKUP, NEITHER, TOKEN
from tests.scripted import PICTURE, TOKENS, assert_in_order, create, tools_for
from tests.story import gate
from typing_extensions import override

from kinetoscope.accounts import accounts
from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.postgres.listening import Listener
from kinetoscope.providers.adapter import Adapter, Site
from kinetoscope.providers.hosted import HostedProvider
from kinetoscope.tasks import circuits
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.cancellations import Cancellations
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.tools import Tools
from kinetoscope.tasks.wakes import WAKE_CHANNEL, Wakes

pytestmark = pytest.mark.anyio

SCALE = 10
TICK_S = 0.5
MINUTE_S = 60
ARRIVED_MIN = 40
QUICK_S = MINUTE_S
"""Less than the other upstream is broken for. It takes two seconds of those, on a quiet machine."""
BROKEN, GOOD = str(PICTURE["model"]), str(TOKENS["model"])
THEIRS = "picture"


def good_beside(broken: Adapter) -> Adapter:
    return NEITHER if broken is TOKEN else TOKEN


class FastClock:
    def __init__(self) -> None:
        self.began_s = time.monotonic()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=(time.monotonic() - self.began_s) * SCALE)


class FastWakes(Wakes):
    @override
    async def pause(self, task_id: str, delay_s: float) -> None:
        await super().pause(task_id, delay_s / SCALE)


@dataclass
class Crowd:
    """Tasks on their way, and how long those took that have ended."""

    world: World
    person: Person
    tools: Tools
    running: dict[TaskId, asyncio.Task[None]] = field(default_factory=dict)
    took_s: dict[TaskId, float] = field(default_factory=dict)

    async def add(self, order: object) -> None:
        task_id = await create(self.world, self.person, order)
        self.running[task_id] = asyncio.create_task(self._advance(task_id))

    async def _advance(self, task_id: TaskId) -> None:
        began_at = self.tools.clock()
        await advance(self.tools, task_id)
        self.took_s[task_id] = (self.tools.clock() - began_at).total_seconds()


@asynccontextmanager
async def at_work(crowd: Crowd) -> AsyncIterator[Crowd]:
    """Leave nobody behind where a test fails."""
    try:
        yield crowd
    finally:
        for running in crowd.running.values():
            running.cancel()
        await asyncio.gather(*crowd.running.values(), return_exceptions=True)


@pytest.fixture
async def alice(world: World) -> Person:
    alice = await world.person("alice", "10000")
    database = world.runtime.database
    await accounts.limit(database, "alice", tasks_running_max=1000, api_access=None)
    return alice


@asynccontextmanager
async def working(world: World, broken: Adapter, address: str) -> AsyncIterator[Tools]:
    """Lend a worker's tools: one model leads to a broken upstream, another to a good one."""
    caller, clock = Caller(), FastClock()

    def provider(adapter: Adapter) -> HostedProvider:
        return HostedProvider(
            name=adapter.name,
            adapter=adapter,
            site=lambda: Site(base_url=f"{address}/{adapter.name}", key=KEY),
            caller=caller,
            egress=Egress(allowed_networks=(ip_network("127.0.0.0/8"),)),
        )

    wakes = FastWakes(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))
    tools = tools_for(world)
    by_model = {
        model: (Route(provider=adapter.name, queue="hosted", upstream_model=THEIRS),)
        for model, adapter in ((BROKEN, broken), (GOOD, good_beside(broken)))
    }
    try:
        yield replace(
            tools,
            providers={
                adapter.name: provider(adapter) for adapter in (broken, good_beside(broken))
            },
            routes=replace(tools.routes, by_model=by_model),
            clock=clock,
            wakes=wakes,
            cancellations=Cancellations(tools.database, wakes),
            unknown_deadline=timedelta(seconds=MINUTE_S if broken is NEITHER else 3600),
        )
    finally:
        await caller.close()


async def asked(client: httpx.AsyncClient, way: str) -> int:
    """Count what could have made a job at an upstream, and what asked for one."""
    calls: dict[str, int] = (await client.get("/report")).json()["calls"]
    return calls.get(f"submit {way}", 0) + calls.get(f"find {way}", 0)


async def pass_time(crowd: Crowd, until: Callable[[], bool], *, at_least: int = 0) -> int:
    """Let tasks arrive, two a second for the broken upstream and one for the good one."""
    arrived = 0
    while arrived < at_least or not until():
        await crowd.add(PICTURE)
        if arrived % 2:
            await crowd.add(TOKENS)
        arrived += 1
        await asyncio.sleep(TICK_S / SCALE)
    return arrived


async def ended_as(world: World, model: str) -> list[tuple[TaskId, str]]:
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute(
            "select id, coalesce(error_code, status) from task where model = %s", (model,)
        )
        return [(TaskId(row[0]), row[1]) for row in await cursor.fetchall()]


@pytest.mark.parametrize("broken", [TOKEN, LOOKUP, NEITHER], ids=lambda adapter: adapter.name)
async def test_a_minute_of_nothing_but_500s(world: World, alice: Person, broken: Adapter):
    plan = gate.Plan(tasks=0, worker_kills=0, postgres_kills=0, seed=1, faults=0)
    with gate.upstream_of(plan) as address:
        async with (
            working(world, broken, address) as tools,
            httpx.AsyncClient(base_url=address) as client,
            at_work(Crowd(world, alice, tools)) as crowd,
        ):
            await client.post("/break", params={"way": broken.name})
            breaker = tools.breakers.of(broken.name, THEIRS)
            await pass_time(crowd, lambda: breaker.opened_s is not None)

            before, opened_at = await asked(client, broken.name), tools.clock()
            minute_later = opened_at + timedelta(seconds=MINUTE_S)
            arrived = await pass_time(
                crowd, lambda: tools.clock() >= minute_later, at_least=ARRIVED_MIN
            )
            calls = await asked(client, broken.name) - before
            assert calls <= 1.1 * arrived, "what they would be if it were well"
            assert calls <= arrived / 2, "and far less, since tasks wait"
            (circuit,) = await circuits.listed(tools.database, tools.clock())
            assert circuit.provider == broken.name

            await client.post("/break")
            await asyncio.gather(*crowd.running.values())
            assert await circuits.listed(tools.database, tools.clock()) == []
            report = (await client.get("/report")).json()["tasks"]
    await look_at(world, crowd, broken, report)


async def look_at(world: World, crowd: Crowd, broken: Adapter, report: dict[str, Any]) -> None:
    """Whoever was asked of the good upstream noticed nothing; nothing was made twice or lost."""
    good = await ended_as(world, GOOD)
    assert {end for _, end in good} == {"success"}
    assert max(crowd.took_s[task_id] for task_id, _ in good) <= QUICK_S
    for task_id, end in await ended_as(world, BROKEN):
        made = sum(report[task_id]["made"].values())
        if broken is NEITHER and "500" in report[task_id]["sent"]["neither"]:
            assert (end, made) == ("submit_unknown", 0)
        else:
            assert (end, made) == ("success", 1)
    await assert_in_order(world, ended=len(crowd.took_s))
