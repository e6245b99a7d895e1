"""How a test key says what it wants to see, and what it gets."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import MovedClock
from tests.scripted import ScriptedProvider

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.errors import InvalidRequest
from kinetoscope.providers.contract import (
    Accepted,
    Done,
    Failed,
    Job,
    Lost,
    Rehearsal,
    Waiting,
    Working,
)
from kinetoscope.providers.rehearsal import SLOW_S, TIMEOUT_S, RehearsalProvider
from kinetoscope.tasks.rehearsal import asked

pytestmark = pytest.mark.anyio


def test_a_header_or_the_beginning_of_the_prompt_says_it():
    for outcome in Rehearsal:
        assert asked("a sunset", outcome.value, is_test=True) is outcome
        assert asked(f"test:{outcome} a sunset", None, is_test=True) is outcome
        assert asked(f"test:{outcome}", None, is_test=True) is outcome
        assert asked("test:slow a sunset", outcome.value, is_test=True) is outcome


@pytest.mark.parametrize("prompt", ["", "test:", "test:nothing", "a test:slow", "Test:slow"])
def test_any_other_prompt_is_a_prompt(prompt: str):
    assert asked(prompt, None, is_test=True) is None


def test_a_live_key_rehearses_nothing():
    assert asked("test:moderation", None, is_test=False) is None
    with pytest.raises(InvalidRequest):
        asked("a sunset", "moderation", is_test=False)


@pytest.mark.parametrize("header", ["", "explode", "MODERATION"])
def test_an_unknown_word_in_the_header_is_refused_with_the_list(header: str):
    with pytest.raises(InvalidRequest) as refused:
        asked("a sunset", header, is_test=True)
    (issue,) = refused.value.issues
    assert issue.path == ("X-Test-Outcome",)
    for outcome in Rehearsal:
        assert outcome in issue.message


def job(folder: Path, rehearsal: Rehearsal | None) -> Job:
    order = check.check(builtin().find("gpt-image-2"), {"prompt": "a sunset"})
    return Job(
        task_id="task_1",
        order=order,
        seed=1,
        references=(),
        folder=folder,
        rehearsal=rehearsal,
    )


@pytest.mark.parametrize(
    ("rehearsal", "code"),
    [
        (Rehearsal.MODERATION, "2038"),
        (Rehearsal.FACE, "4011"),
        (Rehearsal.SERVER_ERROR, "500"),
    ],
)
async def test_a_failure_comes_at_once_and_nothing_is_rendered(
    tmp_path: Path, rehearsal: Rehearsal, code: str
):
    inner = ScriptedProvider(submits=[])
    provider = RehearsalProvider(inner, MovedClock())
    asked_for = job(tmp_path, rehearsal)
    accepted = await provider.submit(asked_for)
    assert isinstance(accepted, Accepted)
    failed = await provider.status(accepted.upstream_id, asked_for)
    assert isinstance(failed, Failed)
    assert failed.code == code
    assert inner.submitted == []


async def test_a_timeout_works_for_a_while_and_then_fails_whichever_worker_asks(tmp_path: Path):
    clock = MovedClock()
    asked_for = job(tmp_path, Rehearsal.TIMEOUT)
    accepted = await RehearsalProvider(ScriptedProvider(submits=[]), clock).submit(asked_for)
    assert isinstance(accepted, Accepted)
    clock.move(timedelta(seconds=TIMEOUT_S - 1))
    another = RehearsalProvider(ScriptedProvider(submits=[]), clock)
    assert isinstance(await another.status(accepted.upstream_id, asked_for), Working)
    clock.move(timedelta(seconds=1))
    assert isinstance(await another.status(accepted.upstream_id, asked_for), Failed)


async def test_a_slow_job_shows_progress_and_is_rendered_after_all(tmp_path: Path):
    clock = MovedClock()
    done = Done(files=(), usage=None, preview=True)  # type: ignore[arg-type]
    inner = ScriptedProvider(statuses=[Lost(), Waiting(), done])
    provider = RehearsalProvider(inner, clock)
    asked_for = job(tmp_path, Rehearsal.SLOW)
    accepted = await provider.submit(asked_for)
    assert isinstance(accepted, Accepted)
    seen: list[float] = []
    for _ in range(4):
        status = await provider.status(accepted.upstream_id, asked_for)
        assert isinstance(status, Working)
        assert status.progress is not None
        seen.append(status.progress)
        clock.move(timedelta(seconds=SLOW_S / 4))
    assert inner.submitted == []
    assert seen == sorted(seen)
    assert isinstance(await provider.status(accepted.upstream_id, asked_for), Working)
    assert inner.submitted == ["task_1"]
    assert isinstance(await provider.status(accepted.upstream_id, asked_for), Working)
    assert await provider.status(accepted.upstream_id, asked_for) == done
    await provider.cancel(accepted.upstream_id, asked_for)
    assert inner.cancelled == ["task_1"]


@pytest.mark.parametrize("rehearsal", [None, Rehearsal.DUPLICATE_WEBHOOK, Rehearsal.WEBHOOK_DOWN])
async def test_what_concerns_webhooks_alone_is_rendered_as_ever(
    tmp_path: Path, rehearsal: Rehearsal | None
):
    inner = ScriptedProvider(statuses=[Waiting()])
    provider = RehearsalProvider(inner, MovedClock())
    asked_for = job(tmp_path, rehearsal)
    assert await provider.submit(asked_for) == Accepted(upstream_id="upstream-1")
    assert await provider.status("upstream-1", asked_for) == Waiting()
