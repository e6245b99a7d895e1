"""The account as its keys see it: credits, limits, ledger with its balance, usage."""

from datetime import timedelta
from typing import Any

import pytest
from tests.conftest import START, Person, World
from tests.scripted import (
    PICTURE,
    VIDEO,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    tools_for,
)

from kinetoscope.accounts import keys
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import book
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio


async def get(world: World, person: Person, path: str, **query: object) -> dict[str, Any]:
    response = await world.client.get(
        f"/api/v1/{path}",
        params={name.removesuffix("_"): str(value) for name, value in query.items()},
        headers=person.headers,
    )
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def refused(world: World, person: Person, path: str) -> list[str]:
    response = await world.client.get(f"/api/v1/{path}", headers=person.headers)
    assert response.status_code == 400, response.text
    assert response.json()["message"] == "Invalid request parameters"
    return [issue["path"][0] for issue in response.json()["errors"]]


async def lived(world: World) -> Person:
    """Make an account with a success, a failure and two open tasks, of a minute each."""
    alice = await world.person("alice", "1000")
    for order, outcome in (
        (PICTURE, done_pictures),
        (VIDEO, Failed(code="500", message="No.")),
        (VIDEO, done_video),
    ):
        world.clock.move(timedelta(minutes=1))
        task_id = await create(world, alice, order)
        await advance(tools_for(world, ScriptedProvider(statuses=[outcome])), task_id)
    for _ in range(2):
        world.clock.move(timedelta(minutes=1))
        await create(world, alice, PICTURE)
    return alice


async def test_an_account_tells_its_credits_and_limits(world: World):
    alice = await lived(world)
    assert await get(world, alice, "account") == {
        "name": "alice",
        "credits": {"available": 793.49, "held": 4.34, "spent": 202.17},
        "tasksRunning": 2,
        "testTasksRunning": 0,
        "limits": {"tasksRunningMax": 50, "requestsPerSecond": 50, "requestsBurst": 1000000},
        "createTime": unix_ms(START),
    }
    assert await get(world, alice, "credits") == {"available": 793.49, "held": 4.34}


async def whole_ledger(world: World, person: Person, limit: int) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        page = await get(world, person, "account/ledger", limit=limit, **more)
        assert len(page["entries"]) == limit or page["nextCursor"] is None
        entries += page["entries"]
        if page["nextCursor"] is None:
            return entries
        more = {"cursor": page["nextCursor"]}


async def test_the_ledger_shows_the_balance_after_every_entry(world: World):
    alice = await lived(world)
    bob = await world.person("bob", "7.5")
    entries = await whole_ledger(world, alice, 100)
    assert [entry["kind"] for entry in entries] == [
        "hold",
        "hold",
        "capture",
        "hold",
        "release",
        "hold",
        "capture",
        "hold",
        "grant",
    ]
    assert entries[0] | {"id": "", "taskId": ""} == {
        "id": "",
        "time": unix_ms(START + timedelta(minutes=5)),
        "kind": "hold",
        "taskId": "",
        "reason": "",
        "available": -2.17,
        "held": 2.17,
        "spent": 0,
        "balance": {"available": 793.49, "held": 4.34, "spent": 202.17},
    }
    assert (entries[-1]["reason"], entries[-1]["taskId"]) == ("test", None)
    # Forwards, each entry's balance is the one before and what it added.
    balance = {"available": 0, "held": 0, "spent": 0}
    for entry in reversed(entries):
        balance = {place: round(balance[place] + entry[place], 2) for place in balance}
        assert entry["balance"] == balance
    for limit in (1, 2, 4, 8, 9):
        assert await whole_ledger(world, alice, limit) == entries
    (granted,) = await whole_ledger(world, bob, 1)
    assert granted["balance"] == {"available": 7.5, "held": 0, "spent": 0}


async def test_a_page_stays_as_it_was_while_entries_are_added(world: World):
    alice = await lived(world)
    first = await get(world, alice, "account/ledger", limit=3)
    rest = await get(world, alice, "account/ledger", cursor=first["nextCursor"])
    await book.grant(
        world.runtime.database, alice.account_id, Credits(1), reason="more", now=world.clock()
    )
    assert await get(world, alice, "account/ledger", cursor=first["nextCursor"]) == rest
    empty = await get(world, alice, "account/ledger", cursor="0")
    assert empty == {"entries": [], "nextCursor": None}


async def test_usage_sums_up_tasks_by_what_is_asked(world: World):
    alice = await lived(world)
    await create(world, await world.person("bob"), PICTURE)
    issued = await keys.create(
        world.runtime.database,
        alice.account_id,
        "second",
        mode=KeyMode.LIVE,
        expires_at=None,
        now=world.clock(),
    )
    world.clock.move(timedelta(days=1))
    second = Person(name="alice", account_id=alice.account_id, key=issued.text, key_id=issued.id)
    await create(world, second, PICTURE)
    world.clock.move(timedelta(minutes=1))
    none = {"waiting": 0, "generating": 0, "success": 0, "fail": 0}

    total = await get(world, alice, "account/usage")
    assert total == {
        "from": unix_ms(world.clock() - timedelta(days=30)),
        "to": unix_ms(world.clock()),
        "usage": [
            {
                "tasks": none | {"waiting": 3, "success": 2, "fail": 1},
                "creditsCharged": 202.17,
                "creditsHeld": 6.51,
                "mediaSeconds": 0.5,
            }
        ],
    }
    by_day = (await get(world, alice, "account/usage", groupBy="day"))["usage"]
    assert [(one["day"], sum(one["tasks"].values())) for one in by_day] == [
        ("2026-11-24", 1),
        ("2026-11-23", 5),
    ]
    by_model = (await get(world, alice, "account/usage", groupBy="model"))["usage"]
    assert by_model == [
        {
            "model": "gpt-image-2",
            "tasks": none | {"waiting": 3, "success": 1},
            "creditsCharged": 2.17,
            "creditsHeld": 6.51,
            "mediaSeconds": 0,
        },
        {
            "model": "seedance-20",
            "tasks": none | {"success": 1, "fail": 1},
            "creditsCharged": 200,
            "creditsHeld": 0,
            "mediaSeconds": 0.5,
        },
    ]
    by_key = (await get(world, alice, "account/usage", groupBy="key,day"))["usage"]
    assert [(one["day"], one["keyId"], one["keyName"]) for one in by_key] == [
        ("2026-11-24", second.key_id, "second"),
        ("2026-11-23", alice.key_id, "key"),
    ]


async def test_usage_counts_from_a_moment_to_before_another(world: World):
    alice = await lived(world)
    third = START + timedelta(minutes=3)
    for since, until, tasks in (
        (third, third + timedelta(milliseconds=1), 1),
        (third, third, 0),
        (third + timedelta(milliseconds=1), third + timedelta(hours=1), 2),
        (third, START, 0),
    ):
        found = await get(
            world, alice, "account/usage", from_=unix_ms(since), to=unix_ms(until), groupBy="model"
        )
        assert sum(sum(one["tasks"].values()) for one in found["usage"]) == tasks
    nothing = {"from": 0, "to": 0, "usage": []}
    assert await get(world, alice, "account/usage", to=0) == nothing


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("account/ledger?limit=0", ["limit"]),
        ("account/ledger?limit=101&cursor=x", ["cursor", "limit"]),
        ("account/ledger?cursor=-1", ["cursor"]),
        ("account/ledger?cursor=", ["cursor"]),
        ("account/ledger?cursor=9999999999999999999", ["cursor"]),
        ("account/usage?from=yesterday", ["from"]),
        ("account/usage?to=253402300800000&from=-1", ["from", "to"]),
        ("account/usage?groupBy=week", ["groupBy"]),
        ("account/usage?groupBy=day,day", ["groupBy"]),
        ("account/usage?groupBy=day,", ["groupBy"]),
    ],
)
async def test_a_wrong_question_is_named(world: World, query: str, wrong: list[str]):
    assert await refused(world, await world.person("alice"), query) == wrong
