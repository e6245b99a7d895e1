"""Usage: figures, the chart's numbers, groups, and the file of it all."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import START, Person, World
from tests.dashboard.signed_in import SignedIn, client_of, signed_in
from tests.dashboard.with_key import key_of
from tests.scripted import PICTURE, VIDEO, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.accounts import keys
from kinetoscope.dashboard import usage
from kinetoscope.providers.contract import Failed
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.latency import latency

pytestmark = pytest.mark.anyio


def chart_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', text)
    assert found is not None
    chart: dict[str, Any] = json.loads(found[1])
    return chart


@asynccontextmanager
async def a_week_on(
    world: World, name: str = "ada"
) -> AsyncIterator[tuple[httpx.AsyncClient, SignedIn, Person, Person]]:
    """Sign somebody up, let them live, and sign them in again."""
    async with signed_in(world, name) as who:
        first, second = await lived(world, who)
        async with client_of(world, who.person_id, who.account_id) as (client, _):
            yield client, who, first, second


async def lived(world: World, ada: SignedIn) -> tuple[Person, Person]:
    """Let a week pass: pictures that take 10, 20 and 30 s, a video that fails, one that waits."""
    first = await key_of(world, ada, "=first")
    second = await key_of(world, ada, "second")
    for wait_s in (10, 20, 30):
        picture = await create(world, first, PICTURE)
        world.clock.move(timedelta(seconds=wait_s))
        await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), picture)
        world.clock.move(timedelta(days=2))
    video = await create(world, second, VIDEO)
    world.clock.move(timedelta(seconds=60))
    failed = Failed(code="upstream_error", message="no")
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), video)
    await create(world, second, PICTURE)
    return first, second


async def test_the_figures_and_the_chart(world: World):
    async with a_week_on(world) as (client, _, first, second), signed_in(world, "bob") as bob:
        page = (await client.get("/usage?days=7")).text
        figures = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.split('class="figures"')[1]))
        assert "Credits charged 6.51 2.17 held just now" in figures
        assert "Tasks 5 3 done, 1 running" in figures
        assert "Fail rate 25% 1 of 4 that ended" in figures
        assert "Time to the end 25 s median; 95% within 55 s" in figures
        assert chart_of(page) == {
            "unit": "credits",
            "days": ["23 Nov", "24 Nov", "25 Nov", "26 Nov", "27 Nov", "28 Nov", "29 Nov"],
            "series": [
                {"name": "gpt-image-2", "values": [217, 0, 217, 0, 217, 0, 0]},
                {"name": "seedance-20", "values": [0, 0, 0, 0, 0, 0, 0]},
            ],
        }
        by_key = (await client.get("/usage?days=7&by=key&show=tasks")).text
        assert chart_of(by_key)["series"] == [
            {"name": "=first", "values": [1, 0, 1, 0, 1, 0, 0]},
            {"name": "second", "values": [0, 0, 0, 0, 0, 0, 2]},
        ]
        assert first.key_id in by_key
        assert second.key_id in by_key
        # The next links keep what was chosen.
        assert "/usage?days=30&amp;by=key&amp;show=tasks" in by_key
        # Nothing of it is anybody else's.
        assert "No tasks in these days" in (await bob.client.get("/usage")).text


async def test_the_file_has_every_day(world: World):
    async with a_week_on(world) as (client, _, first, second):
        file = await client.get("/usage.csv?days=7&by=key")
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="usage-2026-11-23-2026-11-29.csv"' in file.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(file.text)))
        assert [(row["day"], row["key_id"], row["credits"]) for row in rows] == [
            ("2026-11-23", first.key_id, "2.17"),
            ("2026-11-25", first.key_id, "2.17"),
            ("2026-11-27", first.key_id, "2.17"),
            ("2026-11-29", second.key_id, "0"),
        ]
        # A spreadsheet takes nothing for a formula.
        assert rows[0]["key"] == "'=first"
        assert (rows[3]["tasks"], rows[3]["fail"], rows[3]["held"]) == ("2", "1", "2.17")
        by_model = await client.get("/usage.csv?from=2026-11-24&to=2026-11-25")
        assert by_model.text.splitlines()[1:] == ["2026-11-25,gpt-image-2,1,1,0,0,0,2.17,0,0.000"]


async def test_many_rows_are_asked_for_in_parts(world: World, monkeypatch: pytest.MonkeyPatch):
    async with a_week_on(world) as (client, *_):
        query = "/usage.csv?days=7&by=model"
        whole = (await client.get(query)).text
        assert len(whole.splitlines()) == 6
        monkeypatch.setattr(usage, "ROWS_MAX", 2)
        assert (await client.get(query)).text == whole


async def test_many_groups_share_a_colour(world: World):
    async with signed_in(world, "ada") as ada:
        for number in range(9):
            key = await key_of(world, ada, f"key-{number}")
            for _ in range(9 - number):
                await create(world, key, PICTURE)
        page = (await ada.client.get("/usage?by=key&show=tasks")).text
        series = chart_of(page)["series"]
        assert [one["name"] for one in series] == [f"key-{n}" for n in range(6)] + ["Others"]
        assert series[-1]["values"][-1] == 3 + 2 + 1
        await keys.delete(
            world.runtime.database,
            (await keys.listing(world.runtime.database))[0].id,
            world.clock(),
        )
        assert "key-0" in (await ada.client.get("/usage?by=key")).text


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("from=yesterday", "no dates"),
        ("from=2026-11-24&to=2026-11-23", "after the last"),
        ("from=2020-01-01", "more than 366 days"),
        ("from=9999-12-31&to=9999-12-31", "no dates"),
        ("to=0001-01-01", "no dates"),
    ],
)
async def test_days_that_cannot_be_shown(world: World, query: str, problem: str):
    async with signed_in(world, "ada") as ada:
        page = await ada.client.get(f"/usage?{query}")
        assert page.status_code == 200
        assert problem in page.text


async def test_without_anything_there_is_something_to_do(world: World):
    async with signed_in(world, "ada") as ada:
        page = (await ada.client.get("/usage?days=nonsense&by=nonsense&show=nonsense")).text
        assert "No tasks in these days" in page
        assert 'href="/usage?days=30&amp;by=model&amp;show=credits"' in page
        assert (await ada.client.get("/usage.csv")).text.splitlines() == [
            "day,model,tasks,success,fail,waiting,generating,credits,held,media_seconds"
        ]


async def test_latency_by_model_and_key(world: World):
    async with a_week_on(world) as (_, ada, first, second):
        until = START + timedelta(days=30)
        database = world.runtime.database
        (whole,) = await latency(database, ada.account_id, START, until, ())
        assert (whole.median_s, round(whole.p95_s, 1)) == (25.0, 55.5)
        by_key = await latency(database, ada.account_id, START, until, ("key",))
        assert {one.key_id: one.median_s for one in by_key} == {
            first.key_id: 20.0,
            second.key_id: 60.0,
        }
        assert await latency(database, ada.account_id, until, until, ("model",)) == []
