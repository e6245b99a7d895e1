"""Streams of predictions: read by the client's own reader, with a key or by their address."""

import asyncio
import re
from datetime import timedelta

import httpx
import pytest
from replicate.client import Client
from replicate.stream import EventSource
from tests.api.test_watch import until_watched
from tests.conftest import Person, World
from tests.dialects.replicate_calls import ask, predict, shown
from tests.dialects.test_replicate_models import client
from tests.scripted import (
    FOUR,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    record,
    tools_for,
)

from kinetoscope.dialects.replicate import streams
from kinetoscope.kernel.ids import TaskId
from kinetoscope.providers.contract import Failed, Polling, Working
from kinetoscope.tasks import watch
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

POLLING = Polling(delay_s=1, delay_s_max=1)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


def numbered(text: str) -> list[tuple[int, str]]:
    """Return the events of a stream: their ids, and what they are called."""
    found = re.findall(r"^event: (\w+)\nid: (\d+)$", text, re.MULTILINE)
    return [(int(number), name) for name, number in found]


def events_of(speaker: Client, response: httpx.Response) -> list[tuple[str, str]]:
    """Read a stream as the client does, which ends it at `done`."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream"
    return [(event.event.value, str(event.data)) for event in EventSource(speaker, response)]


async def test_a_stream_tells_progress_files_and_the_end(world: World, alice: Person):
    """Behaviour 10: `id:` lines, and exactly this content type."""
    made = await predict(world, alice)
    # The JavaScript client asks this address without a key.
    following = asyncio.create_task(world.client.get(made["urls"]["stream"]))
    await until_watched(world, made["id"])
    provider = ScriptedProvider(
        statuses=[Working(progress=0.2), Working(progress=0.7), done_video], polling=POLLING
    )

    async def meanwhile() -> None:
        # The news comes by the database; the stream looks when it does.
        await asyncio.sleep(0.2)

    await advance(tools_for(world, provider, meanwhile=meanwhile), TaskId(made["id"]))
    async with asyncio.timeout(20):
        response = await following
    found = events_of(client(world, alice), response)
    url = (await record(world, alice, made["id"]))["output"][0]["url"]
    assert found[-2:] == [("output", url), ("done", "{}")]
    assert {name for name, _ in found[:-2]} == {"logs"}
    percents = [int(text.partition("%")[0]) for _, text in found[:-2]]
    # A stream that looks late sees less of what was before.
    assert percents == sorted(set(percents))
    assert (set(percents) <= {20, 70, 100}, len(percents) > 1, percents[-1]) == (True, True, 100)
    assert world.runtime.watch.watchers == {}


async def test_a_stream_with_a_key_gives_each_file(world: World, alice: Person):
    task_id = await create(world, alice, FOUR)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    response = await ask(world, alice, "GET", f"/predictions/{task_id}/stream")
    found = events_of(client(world, alice), response)
    urls = (await shown(world, alice, task_id))["output"]
    assert [text for name, text in found if name == "output"] == urls
    assert len(urls) == 4


async def test_a_stream_says_how_it_ended(world: World, alice: Person):
    failing, stopped = await predict(world, alice), await predict(world, alice)
    failed = Failed(code="2038", message="Not allowed")
    await advance(tools_for(world, ScriptedProvider(statuses=[failed])), TaskId(failing["id"]))
    await ask(world, alice, "POST", f"/predictions/{stopped['id']}/cancel")
    speaker = client(world, alice)
    response = await world.client.get(failing["urls"]["stream"])
    with pytest.raises(RuntimeError, match=r'"detail":".*\(code '):
        events_of(speaker, response)
    assert response.text.endswith('data: {"reason":"error"}\n\n')
    response = await world.client.get(stopped["urls"]["stream"])
    assert events_of(speaker, response) == [("done", '{"reason":"canceled"}')]


async def test_connecting_again_tells_nothing_twice(world: World, alice: Person):
    """What an EventSource does by itself, with the id of the last event that it has seen."""
    task_id = await create(world, alice, FOUR)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
    path = f"/predictions/{task_id}/stream"
    every = numbered((await ask(world, alice, "GET", path)).text)
    assert [name for _, name in every] == ["logs", *["output"] * 4, "done"]
    url = (await shown(world, alice, task_id))["urls"]["stream"]
    for at, (number, name) in enumerate(every):
        again = {"Last-Event-ID": str(number)}
        for response in (
            await ask(world, alice, "GET", path, headers=again),
            await world.client.get(url, headers=again),
        ):
            assert numbered(response.text) == every[at + 1 :], name
            # 204 is how a server tells that there is nothing to connect again for.
            assert response.status_code == (204 if name == "done" else 200)


@pytest.mark.parametrize("odd", ["", "x", "-1", "1.5", "٣", "2003", "9" * 5000, "1 2"])
async def test_an_id_that_was_never_given_is_ignored(world: World, alice: Person, odd: str):
    made = await predict(world, alice)
    await ask(world, alice, "POST", f"/predictions/{made['id']}/cancel")
    url, again = made["urls"]["stream"], {b"Last-Event-ID": odd.encode()}
    response = await world.client.get(url, headers=again)
    assert events_of(client(world, alice), response) == [("done", '{"reason":"canceled"}')]


async def test_ids_mean_the_same_on_every_connection(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """A stream that ends before the task does leaves nothing out of the next one."""
    monkeypatch.setattr(streams, "EVENTS_TIMEOUT_S", 0.1)
    monkeypatch.setattr(watch, "POLL_DELAY_S", 0.05)
    made = await predict(world, alice)
    url, heard = made["urls"]["stream"], list[list[tuple[int, str]]]()

    async def listen() -> None:
        last = heard[-1][-1][0] if heard else ""
        response = await world.client.get(url, headers={"Last-Event-ID": str(last)})
        heard.append(numbered(response.text))

    await listen()
    provider = ScriptedProvider(
        statuses=[Working(progress=0.2), Working(progress=0.7), done_video], polling=POLLING
    )
    await advance(tools_for(world, provider, meanwhile=listen), TaskId(made["id"]))
    await listen()
    told = [event for events in heard for event in events if event[1] != "error"]
    assert told == sorted(set(told))
    names = [name for _, name in told]
    assert names == [*["logs"] * (len(told) - 2), "output", "done"]
    assert len(told) > 3
    # What says that the time is over is no event of the task's, and moves nobody on.
    assert heard[0] == [(0, "error")]
    for events in heard[:-1]:
        assert events[-1] == ((events[-2:-1] or [events[-1]])[0][0], "error")


async def test_a_quiet_stream_is_kept_alive_and_ends_with_a_word(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "POLL_DELAY_S", 0.05)
    monkeypatch.setattr(streams, "POLL_DELAY_S", 20)
    monkeypatch.setattr(streams, "EVENTS_TIMEOUT_S", 0.3)
    made = await predict(world, alice)
    response = await world.client.get(made["urls"]["stream"])
    assert ": still here\n\n" in response.text
    with pytest.raises(RuntimeError, match="the task goes on"):
        events_of(client(world, alice), response)


async def test_an_address_opens_one_stream_for_a_day(world: World, alice: Person):
    made, other = await predict(world, alice), await predict(world, alice)
    for each in (made, other):
        await ask(world, alice, "POST", f"/predictions/{each['id']}/cancel")
    url = made["urls"]["stream"]
    assert (await shown(world, alice, made["id"]))["urls"]["stream"] == url
    forged = [
        url.replace(made["id"], other["id"]),
        url.replace("expires=1", "expires=2"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.partition("?")[0],
        url.replace(made["id"], "nothing"),
        url.partition("signature=")[0] + "signature=%ff",
    ]
    for address in forged:
        response = await world.client.get(address)
        assert (response.status_code, response.json()["title"]) == (403, "Forbidden"), address
    assert (await world.client.get(url)).status_code == 200
    world.clock.move(timedelta(days=1, seconds=1))
    assert (await world.client.get(url)).status_code == 403
    by_key = await ask(world, alice, "GET", f"/predictions/{made['id']}/stream")
    assert by_key.status_code == 200
