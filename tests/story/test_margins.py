"""Money at the end of a task: what upstreams' numbers may do, what failures cost, what is left."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Person, World
from tests.scripted import (
    FOUR,
    PICTURE,
    TOKENS,
    ScriptedProvider,
    StatusStep,
    assert_in_order,
    create,
    done_pictures,
    done_with_usage,
    record,
    tools_for,
)
from typer.testing import CliRunner, Result

from kinetoscope.catalog.check import check
from kinetoscope.catalog.price import ceiling, hold
from kinetoscope.cli.main import app
from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import Usage
from kinetoscope.providers.contract import (
    CancelOutcome,
    Done,
    Failed,
    Idempotency,
    Job,
    Kind,
    Polling,
    Refused,
    Unfetched,
    Unknown,
    Working,
)
from kinetoscope.providers.cost import Cost, Rate, Unit
from kinetoscope.tasks import alerts, callbacks
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.alerts import Raised
from kinetoscope.tasks.margins import Margin, margins
from kinetoscope.tasks.route import Route

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
POLLING = Polling(delay_s=2, delay_s_max=600)
LISTED = Cost(rates=(Rate(unit=Unit.TASK, usd_micros={"": 70_000}),))
"""By the operator's file a task costs $0.07."""
WITH_LIST = (Route(provider="embedded", queue="embedded", cost=LISTED),)
WITHOUT_LIST = (Route(provider="embedded", queue="embedded"),)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def run(
    world: World,
    task_id: TaskId,
    *statuses: StatusStep,
    routes: tuple[Route, ...] = WITHOUT_LIST,
) -> TaskId:
    """Have a task accepted and followed by these steps."""
    provider = ScriptedProvider(
        statuses=statuses,
        idempotency=Idempotency.NEITHER,
        cancels=[CancelOutcome.GOES_ON],
        polling=POLLING,
    )
    await advance(tools_for(world, provider, routes=routes), task_id)
    return task_id


async def cost_of(world: World, task_id: TaskId) -> int | None:
    values = await world.runtime.database.fetch_values(
        "select upstream_cost_usd_micros from task where id = %(id)s", {"id": task_id}
    )
    assert values is not None
    cost: int | None = values[0]
    return cost


async def raised(world: World) -> list[Raised]:
    return await alerts.recent(world.runtime.database, world.clock() - DAY)


def told(cost_usd_micros: int) -> Callable[[Job], Done]:
    return lambda job: replace(done_pictures(job), cost_usd_micros=cost_usd_micros)


def three_of_four(job: Job) -> Done:
    done = done_pictures(job)
    return replace(done, files=done.files[:3], cost_usd_micros=40_000)


def broken(job: Job) -> Done:
    done = done_pictures(job)
    done.files[0].path.write_bytes(b"<html>no picture</html>")
    return done


# What an upstream counts


BILLION = 10**9


@pytest.mark.parametrize(
    "usage",
    [
        Usage(tokens_image_out=-10_000),
        Usage(tokens_text_in=-(2**63), tokens_image_in=5, tokens_image_out=5),
        Usage(tokens_image_out=BILLION),
        Usage(tokens_text_in=10**400, tokens_image_in=10**30, tokens_image_out=2**63),
    ],
)
async def test_numbers_that_cannot_be_right_neither_mint_nor_drain_nor_keep_from_ending(
    world: World, alice: Person, usage: Usage
):
    task_id = await run(world, await create(world, alice, TOKENS), done_with_usage(usage))
    model = world.runtime.catalog.find("gpt-image-2.5-flare")
    order = check(model, {"prompt": "a sunset"}, auto_fix=False)
    most = ceiling(model, order, hold(model, order))
    available, held, spent, running = await world.balance(alice)
    assert 0 <= spent <= most == 34_36
    assert (available, held, running) == (1000_00 - spent, 0, 0)
    assert (await record(world, alice, task_id))["status"] == "success"
    (alert,) = await raised(world)
    assert (alert.kind, alert.task_id) == ("usage_implausible", task_id)
    await assert_in_order(world, ended=1)


@pytest.mark.parametrize("cost", [-1, 10**13, 2**63, 10**400])
async def test_a_cost_that_cannot_be_is_not_known(world: World, alice: Person, cost: int):
    task_id = await run(world, await create(world, alice, PICTURE), told(cost))
    assert (await record(world, alice, task_id))["status"] == "success"
    assert await cost_of(world, task_id) is None
    assert [alert.kind for alert in await raised(world)] == ["usage_implausible"]


async def test_words_that_no_database_takes_end_a_task_all_the_same(world: World, alice: Person):
    failed = Failed(code="5\x00", message="No\x00 such \ud800 thing.")
    task_id = await run(world, await create(world, alice, PICTURE), failed)
    error = (await record(world, alice, task_id))["error"]
    assert error == {"code": "5", "message": "No such ? thing."}


# What a failure costs


@pytest.mark.parametrize(
    ("order", "done", "routes", "cost", "reason"),
    [
        (FOUR, three_of_four, WITHOUT_LIST, 40_000, "File 4 is missing"),
        (FOUR, three_of_four, WITH_LIST, 40_000, "File 4 is missing"),
        (PICTURE, broken, WITH_LIST, 70_000, "File 1 is not in a media format"),
        (PICTURE, broken, WITHOUT_LIST, None, "File 1 is not in a media format"),
    ],
)
async def test_files_that_are_not_what_was_ordered_are_told_to_the_operator(  # noqa: PLR0913
    world: World,
    alice: Person,
    order: object,
    done: Callable[[Job], Done],
    routes: tuple[Route, ...],
    cost: int | None,
    reason: str,
):
    task_id = await run(world, await create(world, alice, order), done, routes=routes)
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert await world.balance(alice) == (1000_00, 0, 0, 0)
    (alert,) = await raised(world)
    assert (alert.kind, alert.provider, alert.task_id) == ("output_refused", "embedded", task_id)
    assert reason in alert.message
    assert await cost_of(world, task_id) == cost


@pytest.mark.parametrize(
    ("status", "routes", "cost"),
    [
        (Unfetched(reason="status 404", cost_usd_micros=5), WITH_LIST, 5),
        (Unfetched(reason="status 404"), WITH_LIST, 70_000),
        (Unfetched(reason="status 404"), WITHOUT_LIST, None),
        (Working(progress=0.5), WITH_LIST, 70_000),
        (Working(progress=0.5), WITHOUT_LIST, None),
        (Failed(code="500", message="No.", cost_usd_micros=6), WITH_LIST, 6),
        (Failed(code="500", message="No.", cost_usd_micros=-6), WITH_LIST, None),
        # What an upstream gave up by itself is not billed, unless it says so.
        (Failed(code="500", message="No."), WITH_LIST, None),
    ],
)
async def test_what_was_made_in_vain_has_a_cost(
    world: World,
    alice: Person,
    status: StatusStep,
    routes: tuple[Route, ...],
    cost: int | None,
):
    task_id = await create(world, alice, PICTURE)
    await run(world, task_id, *[status] * 2000, routes=routes)
    assert (await record(world, alice, task_id))["status"] == "fail"
    assert await cost_of(world, task_id) == cost
    assert await world.balance(alice) == (1000_00, 0, 0, 0)
    await assert_in_order(world, ended=1)


# What the client is told


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (
            Failed(code="SensitiveContent", message="Not this.", kind=Kind.MODERATION),
            {"code": "2038", "message": "Not this."},
        ),
        (
            Failed(code="4011", message="A face.", kind=Kind.MODERATION),
            {"code": "4011", "message": "A face."},
        ),
        (
            Failed(code="x-17", message="Node 7 is down.", kind=Kind.TEMPORARY),
            {
                "code": "500",
                "message": "Service temporarily unavailable. Please try again later.",
                "detail": "Node 7 is down.",
            },
        ),
        (
            Failed(code="402", message="You owe us $5.", kind=Kind.ACCOUNT),
            {
                "code": "500",
                "message": "Service temporarily unavailable. Please try again later.",
            },
        ),
        (
            Failed(code="InvalidParameter", message="Too long."),
            {"code": "InvalidParameter", "message": "Too long."},
        ),
    ],
)
async def test_a_failure_is_told_by_its_kind(
    world: World, alice: Person, failed: Failed, error: dict[str, str]
):
    task_id = await run(world, await create(world, alice, PICTURE), failed)
    assert (await record(world, alice, task_id))["error"] == error


# What is left


async def some_of_each(world: World, alice: Person) -> TaskId:
    """End pictures in every way that counts, and one that is lost without an answer."""

    async def picture(*statuses: StatusStep, routes: tuple[Route, ...] = WITHOUT_LIST) -> None:
        await run(world, await create(world, alice, PICTURE), *statuses, routes=routes)

    await picture(told(4_000))
    await picture(done_pictures, routes=WITH_LIST)
    await picture(done_pictures)
    await picture(broken, routes=WITH_LIST)
    await picture(*[Unfetched(reason="status 404", cost_usd_micros=5)] * 2000)
    await picture(*[Working(progress=0.5)] * 2000)
    await picture(Failed(code="500", message="No.", cost_usd_micros=6))
    await picture(Failed(code="2038", message="No.", kind=Kind.MODERATION))
    refused = Refused(code="2038", message="No.", kind=Kind.MODERATION)
    await advance(
        tools_for(world, ScriptedProvider([refused]), routes=WITHOUT_LIST),
        await create(world, alice, PICTURE),
    )
    lost = ScriptedProvider([Unknown(reason="timeout")], idempotency=Idempotency.NEITHER)
    lost_id = await create(world, alice, PICTURE)
    await advance(tools_for(world, lost, routes=WITHOUT_LIST), lost_id)
    return lost_id


EXPECTED = Margin(
    model="gpt-image-2",
    provider="embedded",
    tasks=3,
    unpriced=1,
    charged=Credits(3 * 2_17),
    charged_priced=Credits(2 * 2_17),
    cost_usd_micros=74_000,
    failed=6,
    lost_unpriced=2,
    lost_usd_micros=70_000 + 5 + 6,
)
"""Refused at once was nowhere; abandoned and unanswered may cost something, nobody knows what."""


async def test_margins_count_what_failed_beside_what_was_paid(world: World, alice: Person):
    await some_of_each(world, alice)
    found = await margins(world.runtime.database, world.clock() - DAY)
    assert found == [EXPECTED]
    # 4.34 credits at half a cent.
    assert found[0].earned_usd_micros(5_000) == 21_700 - 74_000 - 70_011
    assert await margins(world.runtime.database, world.clock() + DAY) == []


@pytest.fixture
def command(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands work on the world's database; they look for migrations, as its owner may."""
    admin = psycopg.conninfo.make_conninfo(conninfo, user="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("grant create on schema public to public")
    monkeypatch.setenv("KINETOSCOPE_DATABASE_URL", conninfo)
    monkeypatch.setenv("KINETOSCOPE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "300")


async def typed(*words: str) -> Result:
    """Type a command; it has a loop of its own."""
    done = await asyncio.to_thread(CliRunner().invoke, app, ["tasks", *words])
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.usefixtures("command")
async def test_the_commands_show_margins_and_what_was_told_too_late(world: World, alice: Person):
    # Commands look back from the true time.
    world.clock.moment = system_clock() - timedelta(days=2)
    lost_id = await some_of_each(world, alice)
    told_at = world.clock()
    call = callbacks.Call(provider="embedded", task_id=lost_id, claim="up-77")
    await callbacks.heard(world.runtime.database, call, told_at)
    (row,) = json.loads((await typed("margins", "--json")).stdout)
    assert row["earned_usd_micros"] == EXPECTED.earned_usd_micros(5_000)
    assert (row["failed"], row["lost_usd_micros"], row["lost_unpriced"]) == (6, 70_011, 2)
    shown = (await typed("margins")).stdout
    cells = [cell.strip() for cell in shown.splitlines()[3].strip("│┃ ").split("│")]
    assert cells == [
        "gpt-image-2",
        "embedded",
        "3",
        "6.51",
        "$0.074",
        "1",
        "6",
        "$0.070011",
        "2",
        "$-0.122311",
    ]
    (late,) = [
        alert
        for alert in json.loads((await typed("alerts", "--json")).stdout)
        if alert["told_at"] is not None
    ]
    assert (late["kind"], late["task_id"], late["told_id"]) == ("submit_unknown", lost_id, "up-77")
    said = f"It called back about its job up-77 at {told_at.isoformat()}."
    assert said in (await typed("alerts")).stdout
