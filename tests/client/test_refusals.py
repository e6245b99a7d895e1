"""What the client makes of refusals and of a bad network: over a real app and its database."""

from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from tests.client.played import LOST, Played, played
from tests.conftest import World
from tests.scripted import PICTURE, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.accounts import accounts
from kinetoscope.client import (
    ConcurrencyLimit,
    Conflict,
    Forbidden,
    Gone,
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidInputs,
    InvalidRequest,
    Kinetoscope,
    Misconfigured,
    NotFound,
    RateLimited,
    Refused,
    ServerFailed,
    Unauthenticated,
    UnexpectedAnswer,
    UnknownModel,
    Unreachable,
    Unsupported,
    errors,
    jobs,
)
from kinetoscope.client.asking import DELAY_S_MAX
from kinetoscope.client.jobs import Order
from kinetoscope.client.steps import Result, Steps
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

ORDER = Order(model="gpt-image-2", inputs={"prompt": "a sunset"})


def said(status: int, text: str = "{}", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, text=text, headers=named)


async def refused(play: Played, steps: Steps[Result]) -> errors.ClientError:
    with pytest.raises(errors.ClientError) as caught:
        await play(steps)
    return caught.value


async def test_a_submit_whose_answers_are_lost_makes_one_task_and_holds_once(world: World):
    alice = await world.person("alice")
    play = played(world, alice)
    play.trouble.answers_lost = 2
    made = await play(jobs.submit(play.server, ORDER))
    assert made.replayed
    assert await world.count("task") == 1
    assert await world.balance(alice) == (100000 - 217, 217, 0, 1)
    sent = {(one.headers["idempotency-key"], one.content) for one in play.trouble.requests}
    assert len(play.trouble.requests) == 3
    assert sent == {(made.idempotency_key, play.trouble.requests[0].content)}
    # Each call has a key of its own: the same order again is another task.
    again = await play(jobs.submit(play.server, ORDER))
    assert (again.id != made.id, again.replayed, await world.count("task")) == (True, False, 2)
    assert await audit(world.runtime.database) == []


async def test_what_passes_is_tried_again_later_and_later_and_no_sooner_than_asked(world: World):
    play = played(world, await world.person("alice"))
    play.trouble.instead += [
        httpx.ConnectError("refused"),
        said(503, Retry_After="7"),
        said(
            429,
            '{"limit": 5}',
            Retry_After="Sat, 28 Nov 2026 12:00:09 GMT",
            date=("Sat, 28 Nov 2026 12:00:00 GMT"),
        ),
        said(502, "<html>Bad Gateway</html>"),
    ]
    await play(jobs.submit(play.server, ORDER))
    first, second, third, fourth = play.pauses_s
    assert 0.25 <= first <= 0.5
    assert (second, third) == (7, 9)
    assert 2 <= fourth <= 4 <= DELAY_S_MAX
    assert await world.count("task") == 1


async def test_a_delivered_request_that_is_refused_for_good_is_sent_once(world: World):
    alice = await world.person("alice", "2")
    bob = await world.person("bob")
    play = played(world, alice)

    async def error(steps: Steps[Result]) -> errors.ClientError:
        before = len(play.trouble.requests)
        found = await refused(play, steps)
        assert len(play.trouble.requests) == before + 1
        return found

    short = await error(jobs.submit(play.server, ORDER))
    assert isinstance(short, InsufficientCredits)
    assert (short.required, short.available) == (Decimal("2.17"), Decimal(2))
    assert isinstance(short.required, Decimal)
    wrong = await error(jobs.submit(play.server, replace(ORDER, inputs={"prompt": 7})))
    assert isinstance(wrong, InvalidInputs)
    assert [issue.path for issue in wrong.issues] == [("prompt",)]
    assert str(wrong) == f"{wrong.message}: {wrong.issues[0].text}"
    assert "prompt" in str(wrong)
    unknown = await error(jobs.submit(play.server, replace(ORDER, model="nonsuch")))
    assert isinstance(unknown, UnknownModel)
    bad = await error(jobs.submit(play.server, replace(ORDER, callback_url="ftp://x")))
    assert isinstance(bad, InvalidRequest)
    keyless = await error(jobs.submit(replace(play.server, key="kino_live_bad"), ORDER))
    assert isinstance(keyless, Unauthenticated)
    missing = await error(jobs.get(play.server, "task_aaaaaaaaaaaaaaaaaaaaaaaa"))
    assert isinstance(missing, NotFound)
    model = await error(jobs.model(play.server, "seedance20"))
    assert isinstance(model, NotFound)
    assert "seedance-20" in model.nearest
    assert str(model).startswith("Model not found. Did you mean ")
    assert "seedance-20" in str(model)
    others = await create(world, bob, PICTURE)
    assert isinstance(await error(jobs.get(play.server, others)), Forbidden)
    running = await error(jobs.delete(replace(play.server, key=bob.key), others))
    assert isinstance(running, Conflict)
    assert await world.count("task") == 1


async def test_an_idempotency_key_of_ones_own_is_held_to(world: World):
    alice = await world.person("alice")
    play = played(world, alice)
    named = replace(ORDER, idempotency_key="order-1")
    made = await play(jobs.submit(play.server, named))
    assert (await play(jobs.submit(play.server, named))).id == made.id
    other = await refused(play, jobs.submit(play.server, replace(named, inputs={"prompt": "b"})))
    assert isinstance(other, IdempotencyMismatch)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), made.id)  # type: ignore[arg-type]
    await play(jobs.delete(play.server, made.id))
    assert isinstance(await refused(play, jobs.submit(play.server, named)), Gone)


async def test_a_full_account_is_waited_for_only_if_that_is_wanted(world: World):
    alice = await world.person("alice")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=1, api_access=None)
    running = await create(world, alice, PICTURE)
    play = played(world, alice)
    full = await refused(play, jobs.submit(play.server, ORDER))
    assert isinstance(full, ConcurrencyLimit)
    assert (full.limit, full.current, full.retry_after_s, play.pauses_s) == (1, 1, 2.0, [])

    async def end() -> None:
        body = {"taskId": running}
        await world.client.post("/api/v1/jobs/cancelTask", json=body, headers=alice.headers)

    play.meanwhile = end
    made = await play(jobs.submit(play.server, replace(ORDER, wait_for_room_s=60)))
    assert len(play.pauses_s) == 1
    assert 2.25 <= play.pauses_s[0] <= 2.5
    assert made.id != running


async def test_what_others_answer_is_told_apart(world: World):
    play = played(world, await world.person("alice"))
    cases: list[tuple[httpx.Response, type[errors.ClientError], str]] = [
        (said(200, "<html>"), UnexpectedAnswer, "is that a Kinetoscope"),
        (said(302, "", location="https://x/"), Refused, "redirects to https://x/"),
        (said(501, '{"message": "Not here"}'), Unsupported, "Not here"),
        (said(503, '{"message": "Off"}', Retry_After="60"), ServerFailed, "Off"),
        (said(429, '{"message": "Later"}', Retry_After="3600"), RateLimited, "Later"),
    ]
    for answer, kind, text in cases:
        play.trouble.instead.append(answer)
        found = await refused(play, jobs.models(play.server))
        assert type(found) is kind
        assert text in str(found)
    assert play.pauses_s == []
    play.trouble.instead += [LOST] * 5
    gone = await refused(play, jobs.models(play.server))
    assert isinstance(gone, Unreachable)
    assert str(gone) == "http://kinetoscope.test does not answer: the connection broke"
    assert len(play.pauses_s) == 4


async def test_where_the_server_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KINETOSCOPE_URL", raising=False)
    monkeypatch.delenv("KINETOSCOPE_KEY", raising=False)
    with Kinetoscope() as client:
        assert client.url == "http://127.0.0.1:8000"
    monkeypatch.setenv("KINETOSCOPE_URL", "https://media.example.com/sub/api/v1/")
    with Kinetoscope() as client:
        assert client.url == "https://media.example.com/sub"
    for key, url in (("a\nb", None), ("clé", None), ("k", "media.example.com"), ("k", "ftp://x")):
        with pytest.raises(Misconfigured):
            Kinetoscope(key, url)
