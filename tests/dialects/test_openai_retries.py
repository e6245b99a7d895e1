"""OpenAI's client and its retries: a request is one task, two requests are two (behaviour 3)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import openai
import psycopg
import pytest
from openai import AsyncOpenAI
from tests.conftest import Person, World
from tests.dialects.examples_openai import PICTURE, PREFIXES
from tests.dialects.openai_client import Line, speaking
from tests.dialects.working import working
from tests.scripted import VIDEO, create

from kinetoscope.accounts import accounts
from kinetoscope.dialects.retries import COUNT
from kinetoscope.settings import Settings
from kinetoscope.tasks.audit import audit

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The Sora API")]

MODEL = "seedance2.0-mini"
"""100 credits for five seconds of 720p."""


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice", "10000")


@pytest.fixture
async def spoken(world: World, alice: Person) -> AsyncIterator[tuple[AsyncOpenAI, Line]]:
    async with speaking(world, alice) as made:
        yield made


async def test_a_lost_answer_makes_one_task(
    world: World, alice: Person, spoken: tuple[AsyncOpenAI, Line]
):
    client, line = spoken
    line.lost = 1
    video = await client.videos.create(model=MODEL, prompt="a kite")
    assert line.posts == [None, 200]
    assert await world.count("task") == 1
    assert (await client.videos.retrieve(video.id)).status == "queued"
    assert await world.balance(alice) == (990000, 10000, 0, 1)


async def test_one_with_a_file_that_is_lost_twice_makes_one_task(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    """The file gets another address each time it comes; the request is the same."""
    client, line = spoken
    line.lost = 2
    await client.videos.create(model=MODEL, prompt="a kite", input_reference=PICTURE)
    assert line.posts == [None, None, 200]
    assert await world.count("task") == 1


async def test_asking_for_the_same_twice_makes_two(world: World, spoken: tuple[AsyncOpenAI, Line]):
    client, line = spoken
    first = await client.videos.create(model=MODEL, prompt="a kite")
    second = await client.videos.create(model=MODEL, prompt="a kite")
    line.lost = 1
    third = await client.videos.create(model=MODEL, prompt="a kite")
    assert len({first.id, second.id, third.id}) == 3
    assert await world.count("task") == 3


async def test_what_never_arrived_makes_one(world: World, spoken: tuple[AsyncOpenAI, Line]):
    client, line = spoken
    line.fates.append(lambda request: httpx.Response(503, request=request))
    await client.videos.create(model=MODEL, prompt="a kite")
    assert line.posts == [503, 200]
    assert await world.count("task") == 1


async def test_another_request_or_key_or_place_is_no_repetition(world: World, alice: Person):
    """What a retry says is compared, whoever says so."""
    mallory = await world.person("mallory")
    body = {"model": MODEL, "prompt": "a kite"}

    async def post(person: Person, count: str, path: str = "/v1/videos", **change: str) -> str:
        headers = {**person.headers, COUNT: count}
        response = await world.client.post(path, json=body | change, headers=headers)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    first = await post(alice, "0")
    assert await post(alice, "1") == first
    others = [
        await post(alice, "1", prompt="another kite"),
        await post(mallory, "1"),
        await post(alice, "0"),
    ]
    assert len({first, *others}) == 4
    assert await post(alice, "2") == others[2]
    world.clock.move(timedelta(minutes=11))
    assert await post(alice, "1") not in {first, *others}


@pytest.mark.parametrize(
    ("stated", "later_s", "is_same"), [("1200.0", 1201, True), ("20", 90, False)]
)
async def test_what_a_client_says_of_its_patience_is_how_late_it_may_come_again(
    world: World, alice: Person, stated: str, later_s: int, *, is_same: bool
):
    async def post(count: str) -> str:
        headers = {**alice.headers, COUNT: count, "x-stainless-read-timeout": stated}
        body = {"model": MODEL, "prompt": "a kite"}
        response = await world.client.post("/v1/videos", json=body, headers=headers)
        return str(response.json()["id"])

    first = await post("0")
    world.clock.move(timedelta(seconds=later_s))
    assert (await post("1") == first) is is_same


async def test_a_task_is_shown_once_for_each_time(world: World, alice: Person):
    """Two calls whose first time never arrived: the second is not shown the first one's task."""
    body = {"model": MODEL, "prompt": "a kite"}

    async def post(count: str) -> str:
        headers = {**alice.headers, COUNT: count}
        response = await world.client.post("/v1/videos", json=body, headers=headers)
        return str(response.json()["id"])

    first = await post("1")
    second = await post("1")
    assert first != second
    assert await post("2") == second
    assert await world.count("task") == 2


async def made(
    world: World, person: Person, count: str | None, path: str = "/v1/videos", **named: str
) -> httpx.Response:
    """Ask for the same video, as often as a client counts."""
    counted = {} if count is None else {COUNT: count}
    headers = {**person.headers, **counted, **named}
    body = {"model": MODEL, "prompt": "a kite"}
    return await world.client.post(path, json=body, headers=headers)


async def test_who_counts_is_not_told_of_a_task_that_somebody_has_deleted(
    world: World, alice: Person
):
    """Whoever deleted it had its answer: it was another request, and this one never arrived."""
    first = (await made(world, alice, "0")).json()["id"]
    await world.client.delete(f"/v1/videos/{first}", headers=alice.headers)
    second = await made(world, alice, "1")
    assert second.status_code == 200, second.text
    assert second.json()["id"] != first
    assert (await made(world, alice, "2")).json()["id"] == second.json()["id"]
    assert await world.count("task") == 2
    assert await world.count("idempotency_key") == 1
    assert await world.balance(alice) == (990000, 10000, 0, 1)
    assert await audit(world.runtime.database) == []


async def test_two_tries_at_once_after_a_deletion_make_one_task(
    world: World, alice: Person, conninfo: str
):
    """The second comes while the first is still being made."""
    gone = (await made(world, alice, "0")).json()["id"]
    await world.client.delete(f"/v1/videos/{gone}", headers=alice.headers)
    async with await psycopg.AsyncConnection.connect(conninfo) as holding:
        await holding.execute("select from account where id = %s for update", (alice.account_id,))
        first = asyncio.create_task(made(world, alice, "1"))
        for _ in range(500):
            if first.done() or await world.count("pg_locks where not granted"):
                break
            await asyncio.sleep(0.01)
        second = asyncio.create_task(made(world, alice, "2"))
        await asyncio.sleep(0.2)
        assert not second.done()
    answers = await asyncio.gather(first, second)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await world.count("task") == 2
    assert await world.balance(alice) == (990000, 10000, 0, 1)
    assert await audit(world.runtime.database) == []


async def test_an_idempotency_key_outlives_its_task_however_a_client_counts(
    world: World, alice: Person
):
    first = (await made(world, alice, "0", **{"Idempotency-Key": "one"})).json()["id"]
    await world.client.delete(f"/v1/videos/{first}", headers=alice.headers)
    for count in (None, "0", "1"):
        again = await made(world, alice, count, **{"Idempotency-Key": "one"})
        assert (again.status_code, again.json()["error"]["code"]) == (410, "idempotency_gone")
    assert await world.count("task") == 1


async def test_both_places_of_the_dialect_are_one(world: World, alice: Person):
    """A request is the same whichever of the two addresses it was sent to."""
    named = {"Idempotency-Key": "one"}
    answers = [
        await made(world, alice, None, f"{prefix}/videos", **named)
        for prefix in (*PREFIXES, *PREFIXES)
    ]
    assert [answer.status_code for answer in answers] == [200] * 4, answers[1].text
    counted = [
        await made(world, alice, str(count), f"{prefix}/videos")
        for count, prefix in enumerate(PREFIXES)
    ]
    for same in (answers, counted):
        assert len({answer.json()["id"] for answer in same}) == 1
    assert await world.count("task") == 2


async def test_an_idempotency_key_counts_whatever_address_a_file_gets(
    world: World, spoken: tuple[AsyncOpenAI, Line]
):
    client, _ = spoken

    async def make(file: tuple[str, bytes, str]) -> str:
        video = await client.videos.create(
            model=MODEL,
            prompt="a kite",
            input_reference=file,
            extra_headers={"Idempotency-Key": "one"},
        )
        return video.id

    assert await make(PICTURE) == await make(PICTURE)
    other = ("b.png", PICTURE[1] + b"more", "image/png")
    with pytest.raises(openai.UnprocessableEntityError):
        await make(other)
    assert await world.count("task") == 1


async def test_images_that_are_lost_are_made_once(
    world: World, alice: Person, spoken: tuple[AsyncOpenAI, Line]
):
    client, line = spoken
    line.lost = 1
    async with working(world):
        made = await client.images.generate(model="gpt-image-2", prompt="a kite")
    assert made.data is not None
    assert made.data[0].b64_json
    assert line.posts == [None, 200]
    assert await world.count("task") == 1
    assert (await world.balance(alice))[2] == 217


async def test_what_takes_too_long_is_asked_for_again_and_is_the_same(
    world: World, spoken: tuple[AsyncOpenAI, Line], monkeypatch: pytest.MonkeyPatch
):
    """The client itself asks again for what is still running, and waits on."""
    monkeypatch.setattr("kinetoscope.dialects.openai.waiting.WAIT_S", 0.01)
    client, line = spoken
    with pytest.raises(openai.InternalServerError) as late:
        await client.with_options(max_retries=1).images.generate(
            model="gpt-image-2", prompt="a kite"
        )
    assert line.posts == [504, 504]
    assert await world.count("task") == 1
    row = await world.runtime.database.fetch_values("select id from task", {})
    assert row is not None
    assert row[0] in late.value.message


async def test_what_cannot_succeed_is_asked_for_once(
    world: World, alice: Person, spoken: tuple[AsyncOpenAI, Line]
):
    """Out of credits, over the cap, unknown, unsupported, failed: no storm, and no task."""
    client, line = spoken
    poor = await world.person("poor", "1")
    async with speaking(world, poor) as (poor_client, poor_line):
        with pytest.raises(openai.RateLimitError, match="redit") as short:
            await poor_client.videos.create(model=MODEL, prompt="a kite")
    assert short.value.code == "insufficient_quota"
    assert poor_line.posts == [429]
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=1, api_access=True)
    await create(world, alice, VIDEO)
    with pytest.raises(openai.RateLimitError, match="oncurrency") as full:
        await client.videos.create(model=MODEL, prompt="a kite")
    assert full.value.code == "concurrency_limit_exceeded"
    with pytest.raises(openai.InternalServerError) as unsupported:
        await client.chat.completions.create(model="gpt-4", messages=[])
    assert unsupported.value.status_code == 501
    with pytest.raises(openai.NotFoundError):
        await client.videos.create(model="sora-2", prompt="a kite")
    assert line.posts == [429, 501, 404]
    assert await world.count("task") == 1
    assert await audit(world.runtime.database) == []


class TestPaced:
    """Refused for its pace, a first time is not sent again: it would be shown an older task."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, requests_per_second=1, requests_burst=1)

    async def test_a_first_time_that_is_refused_is_final(
        self, world: World, spoken: tuple[AsyncOpenAI, Line]
    ):
        client, line = spoken
        await client.videos.create(model=MODEL, prompt="a kite")
        with pytest.raises(openai.RateLimitError):
            await client.videos.create(model=MODEL, prompt="a kite")
        assert line.posts == [200, 429]
        assert await world.count("task") == 1

    async def test_a_refused_neighbour_takes_nobodys_task(self, world: World, alice: Person):
        """One loses its answer, another of the same length is refused, the first comes again."""

        async def post(prompt: str, count: str) -> tuple[int, str | None]:
            response = await world.client.post(
                "/v1/videos",
                json={"model": MODEL, "prompt": prompt},
                headers={**alice.headers, COUNT: count},
            )
            return response.status_code, response.json().get("id")

        _, first = await post("a kite", "0")
        assert (await post("a tree", "0"))[0] == 429
        refused, _ = await post("a kite", "1")
        assert refused == 429
        world.clock.move(timedelta(seconds=2))
        assert await post("a kite", "2") == (200, first)
        assert await world.count("task") == 1
