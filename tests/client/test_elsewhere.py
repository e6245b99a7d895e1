"""What calls come to over a server that breaks off, is silent, or is another's."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.client.stand_in import StandIn, Told, broken, said

from kinetoscope.client import (
    ClientError,
    Forbidden,
    InsufficientCredits,
    Kinetoscope,
    NotFound,
    RateLimited,
    Refused,
    ServerFailed,
    UnexpectedAnswer,
    Unreachable,
    WaitTimedOut,
)
from kinetoscope.client.asking import ANSWER_S

LOST, NOWHERE, SILENT = httpx.ReadError, httpx.ConnectError, httpx.ReadTimeout


FULL = said(429, {"limit": 1, "current": 1})


class Clock:
    """Time that passes when somebody sleeps, or waits for an answer in vain."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now_s)
    return clock


@pytest.fixture
def there() -> StandIn:
    return StandIn()


def client(answer: Callable[[httpx.Request], httpx.Response], url: str = "") -> Kinetoscope:
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Kinetoscope("kino_live_x", url or "http://kinetoscope.test", http=http)


def in_turn(*answers: Told) -> Told:
    left = list(answers)

    def tell() -> httpx.Response:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return tell


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (broken(LOST), Unreachable),
        (broken(NOWHERE), Unreachable),
        (said(403, {"message": "No"}), Forbidden),
        (said(200, {"other": 1}), UnexpectedAnswer),
    ],
)
def test_a_run_whose_wait_fails_says_which_task_it_made_and_is_repeated_safely(
    there: StandIn, failing: Told, kind: type[ClientError]
):
    there.instead["waitTask"] = failing
    with pytest.raises(kind, match="task_1") as caught:
        client(there).run("m", {"prompt": "x"})
    del there.instead["waitTask"]
    assert caught.value.task_id == "task_1"
    again = client(there).run("m", {"prompt": "x"}, idempotency_key=caught.value.idempotency_key)
    assert again.id == "task_1"
    first, second = there.asked_for("createTask")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.content == second.content


@pytest.mark.parametrize(
    ("answer", "unsure", "task_id"),
    [
        (broken(SILENT), True, None),
        (broken(NOWHERE), False, None),
        (in_turn(broken(LOST), broken(NOWHERE)), True, None),
        (in_turn(broken(LOST), said(402, {"message": "Too dear"})), True, None),
        (said(402, {"message": "Too dear"}), False, None),
        (said(200, {"taskId": 7}), True, None),
        (in_turn(broken(LOST), FULL, broken(NOWHERE)), True, None),
        (in_turn(said(503, {"taskId": "task_9"}), broken(NOWHERE)), True, "task_9"),
    ],
)
def test_a_submit_that_fails_says_whether_a_task_may_have_been_made(
    there: StandIn, answer: Told, *, unsure: bool, task_id: str | None
):
    there.instead["createTask"] = answer
    with pytest.raises(ClientError) as caught:
        client(there).submit("m", {"prompt": "x"}, wait_for_room_s=1)
    error = caught.value
    key = there.asked_for("createTask")[0].headers["idempotency-key"]
    assert (error.idempotency_key, error.may_have_worked, error.task_id) == (key, unsure, task_id)
    if task_id is None:
        assert (key in str(error), "may have been made" in str(error)) == (unsure, unsure)
    else:
        assert task_id in str(error)


@pytest.mark.parametrize("failing", [broken(NOWHERE), broken(SILENT), said(503)])
@pytest.mark.parametrize("place", ["createTask", "waitTask"])
def test_a_timeout_is_kept_over_a_dead_and_a_silent_server(
    there: StandIn, clock: Clock, failing: Told, place: str
):
    def answer(request: httpx.Request) -> httpx.Response:
        try:
            return there(request)
        except httpx.ReadTimeout:
            clock.sleep(request.extensions["timeout"]["read"])
            raise

    there.instead[place] = failing
    with pytest.raises((Unreachable, ServerFailed)):
        client(answer).run("m", {"prompt": "x"}, timeout_s=3)
    assert clock.now_s <= 3 + ANSWER_S
    begun_s = clock.now_s
    if place == "waitTask":
        with pytest.raises((Unreachable, ServerFailed)):
            client(answer).wait("task_1", timeout_s=3)
        there.instead[place] = said(200, there.record("generating"))
        with pytest.raises(WaitTimedOut, match="within 0 seconds"):
            client(answer).wait("task_1", timeout_s=0)
    assert clock.now_s - begun_s <= 3 + ANSWER_S


CALLS: dict[str, Callable[[Kinetoscope], Any]] = {
    "get": lambda client: client.get("task_1"),
    "wait": lambda client: client.wait("task_1"),
    "subscribe": lambda client: list(client.subscribe("task_1")),
    "cancel": lambda client: client.cancel("task_1"),
    "list": lambda client: list(client.list()),
    "submit": lambda client: client.submit("m", {}),
    "estimate": lambda client: client.estimate("m", {}),
    "model": lambda client: client.model("m"),
    "models": lambda client: client.models(),
    "credits": lambda client: client.credits(),
    "upload": lambda client: client.upload(b"x", name="a.png"),
}

OTHERS = (
    "{}",
    "[]",
    "null",
    "7",
    "<html>",
    "[" * 100_000,
    '{"models": 1, "tasks": [{}], "nextCursor": null, "available": [1], "held": "many"}',
    '{"taskId": 7, "model": [], "status": {}, "creditsUsed": "much"}',
    "event: state\ndata: {}\n\n",
    "event: end\ndata: [1]\n\n",
)


@pytest.mark.parametrize("call", CALLS)
def test_whatever_another_server_answers_is_no_answer_of_ours(call: str):
    for body in OTHERS:
        with pytest.raises(UnexpectedAnswer, match="is that a Kinetoscope"):
            CALLS[call](client(lambda _, body=body: httpx.Response(200, text=body)))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (402, {"required": None}, InsufficientCredits),
        (402, {"required": "many"}, InsufficientCredits),
        (429, {"limit": None, "current": 1}, RateLimited),
        (404, {"nearest": 5}, NotFound),
        (400, {"errors": ["x"]}, Refused),
        (400, {"errors": [{"path": 5}]}, Refused),
    ],
)
def test_whoever_refuses_in_other_words_refuses(status: int, body: object, kind: type[Refused]):
    with pytest.raises(kind) as caught:
        client(lambda _: httpx.Response(status, json=body)).credits()
    assert caught.value.status == status


def test_no_password_of_an_address_is_shown(there: StandIn):
    for answer in (broken(NOWHERE), said(200), said(302, location="http://u:secret@h/")):
        there.instead["credits"] = answer
        with pytest.raises(ClientError) as caught:
            client(there, "http://u:secret@h.test").credits()
        assert "secret" not in str(caught.value)
    for url in ("ftp://u:secret@h", "http://u:secret@h:x"):
        with pytest.raises(ClientError) as caught:
            Kinetoscope("k", url)
        assert "secret" not in str(caught.value)
