"""Whole lives of tasks, with both clients, against a real deployment whose API is killed too."""

import json
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.scripted import paint
from tests.story.deployment import Deployment, deployment, wait_until

from kinetoscope.client import (
    AsyncKinetoscope,
    DownloadFailed,
    InvalidRequest,
    Kinetoscope,
    NotFound,
    TaskCancelled,
    TaskFailed,
    TooLarge,
    Update,
    WaitTimedOut,
)

SOUND = "kinetoscope-soundscape"
SECOND = {"prompt": "rain on a tin roof", "duration": 1, "seed": 7}
"""Two credits, and little work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A deployment, a client with its first key, and one with a test key."""

    deployed: Deployment
    url: str
    key: str
    client: Kinetoscope
    tester: Kinetoscope


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with deployment() as deployed:
        url, key = f"http://127.0.0.1:{deployed.port}", deployed.banner["key"]
        test = ("--account", "local", "--name", "t", "--test", "--json")
        test_key = json.loads(deployed.run("keys", "create", *test))["key"]
        with Kinetoscope(key, url) as client, Kinetoscope(test_key, url) as tester:
            yield Stage(deployed=deployed, url=url, key=key, client=client, tester=tester)


@pytest.fixture
async def again(stage: Stage) -> AsyncIterator[AsyncKinetoscope]:
    async with AsyncKinetoscope(stage.key, stage.url) as client:
        yield client


def test_a_task_is_estimated_made_saved_listed_and_deleted(stage: Stage, tmp_path: Path):
    client = stage.client
    before = client.credits()
    estimate = client.estimate(SOUND, SECOND)
    assert (estimate.required, estimate.allowed, estimate.refusal) == (Decimal(2), True, None)
    assert estimate.available_after == before.available - 2
    task = client.run(SOUND, SECOND, timeout_s=60)
    assert (task.status, task.credits, task.has_ended) == ("success", Decimal(2), True)
    assert client.credits().available == before.available - 2
    (saved,) = client.download(task, tmp_path / "rain.wav")
    assert saved.read_bytes()[:4] == b"RIFF"
    assert client.get(task.id) == task == next(client.list(model=SOUND))
    assert task.created_at is not None
    earlier = task.created_at - timedelta(seconds=1)
    assert list(client.list(created_before=earlier, model=SOUND)) == []
    assert [found.id for found in client.list(created_after=earlier)] == [task.id]
    client.delete(task)
    with pytest.raises(NotFound):
        client.get(task)


def test_pages_follow_each_other_without_being_asked_for(stage: Stage):
    made = {stage.tester.submit("gpt-image-2", {"prompt": "test:moderation x"}).id for _ in "abcde"}
    from kinetoscope.client import jobs  # noqa: PLC0415

    usual, jobs.PAGE_TASKS = jobs.PAGE_TASKS, 2
    try:
        found = [task.id for task in stage.tester.list(model="gpt-image-2")]
        some = [task.id for task in stage.tester.list(model="gpt-image-2", limit=3)]
    finally:
        jobs.PAGE_TASKS = usual
    assert len(found) == len(set(found)) >= 5
    assert made <= set(found)
    assert some == found[:3]


def test_files_in_inputs_are_uploaded_once_each(stage: Stage, tmp_path: Path):
    picture = paint(tmp_path / "a picture.png", 300, 300)
    inputs = stage.tester.uploaded({"prompt": "x", "uploadedUrls": [picture, picture], "n": [1]})
    first, second = inputs.pop("uploadedUrls")
    assert first == second
    assert first.startswith(stage.url)
    assert inputs == {"prompt": "x", "n": [1]}
    task = stage.tester.run("gpt-image-2", {"prompt": "x", "uploadedUrls": picture})
    assert task.status == "success"
    url = stage.client.upload(picture.read_bytes(), name="b.png")
    (back,) = stage.client.download(url, tmp_path / "back.png")
    assert back.read_bytes() == picture.read_bytes()
    with pytest.raises(InvalidRequest):
        stage.client.upload(b"this is no picture", name="c.png")
    with pytest.raises(TooLarge, match="are taken"):
        stage.client.upload(bytes(15 * 1024 * 1024 + 1), name="d.wav")


def test_a_failure_is_an_error_with_its_code_and_the_task(stage: Stage):
    with pytest.raises(TaskFailed) as caught:
        stage.tester.run("seedance-20", {"prompt": "x"}, test_outcome="moderation")
    assert (caught.value.code, caught.value.task.status) == ("2038", "fail")
    with pytest.raises(TaskFailed):
        stage.tester.download(caught.value.task.id, "nowhere")
    told = list(stage.tester.subscribe(caught.value.task))
    assert told[-1].task == caught.value.task
    assert stage.tester.wait(caught.value.task, must_succeed=False).error is not None


def test_a_wait_that_is_over_leaves_the_task_and_a_cancelled_one_says_so(stage: Stage):
    made = stage.tester.submit("seedance-20", {"prompt": "x"}, test_outcome="timeout")
    with pytest.raises(WaitTimedOut) as caught:
        stage.tester.wait(made, timeout_s=0.2)
    assert not caught.value.task.has_ended
    with pytest.raises(DownloadFailed, match="has not ended"):
        stage.tester.download(made, "nowhere")
    done = stage.tester.cancel(made)
    assert done.cancelled or done.requested
    with pytest.raises(TaskCancelled):
        stage.tester.wait(made, timeout_s=30)


@pytest.mark.anyio
async def test_the_other_client_does_the_same(
    stage: Stage, again: AsyncKinetoscope, tmp_path: Path
):
    picture = paint(tmp_path / "a.png", 300, 300)
    assert (await again.upload(picture)).startswith(stage.url)
    assert (await again.model(SOUND)).inputs["properties"]["duration"]["maximum"] == 60
    assert SOUND in [model.id for model in await again.models()]
    before = (await again.credits()).available
    made = await again.submit(SOUND, SECOND)
    updates = [update async for update in again.subscribe(made)]
    task = updates[-1].task
    assert task is not None
    assert task == await again.wait(made) == await again.get(made)
    assert (await again.credits()).available == before - 2
    (saved,) = await again.download(task, f"{tmp_path}/")
    assert saved.read_bytes()[:4] == b"RIFF"
    assert (await anext(again.list())).id == made.id
    assert (await again.estimate(SOUND, {**SECOND, "duration": 3})).required == 6
    assert not (await again.cancel(made)).requested
    await again.delete(made)
    with pytest.raises(TaskFailed):
        async with AsyncKinetoscope(stage.tester._server.key, stage.url) as tester:
            await tester.run("seedance-20", {"prompt": "test:face x"})


def test_an_api_that_is_killed_under_many_submits_makes_each_task_once(stage: Stage):
    before = stage.client.credits().available
    earlier = {task.id for task in stage.client.list(model=SOUND)}
    api = stage.deployed.part("api")
    assert api is not None
    with ThreadPoolExecutor(12) as threads:
        submits = [threads.submit(stage.client.submit, SOUND, SECOND) for _ in range(6)]
        api.send_signal(signal.SIGSTOP)  # requests are on their way, and nobody answers
        submits += [threads.submit(stage.client.submit, SOUND, SECOND) for _ in range(6)]
        api.kill()
        made = {each.result(timeout=60).id for each in submits}
    assert len(made) == 12
    for task_id in made:
        stage.client.wait(task_id, timeout_s=60)
    assert {task.id for task in stage.client.list(model=SOUND)} - earlier == made
    assert stage.client.credits().available == before - 12 * 2


def test_following_a_task_goes_on_over_a_killed_api(stage: Stage):
    made = stage.tester.submit("seedance-20", {"prompt": "x"}, test_outcome="timeout")
    heard: list[Update] = []
    following = threading.Thread(target=lambda: heard.extend(stage.tester.subscribe(made)))
    following.start()
    wait_until(lambda: stage.tester.get(made).status == "generating", 30, "it is generating")
    api = stage.deployed.part("api")
    assert api is not None
    api.kill()
    stage.tester.cancel(made)
    following.join(60)
    assert not following.is_alive()
    assert heard[-1].task is not None
    assert heard[-1].task.error is not None
    assert heard[-1].task.error.code == "cancelled"
    told = [(update.status, update.position, update.progress_percent) for update in heard[:-1]]
    assert len(told) == len(set(told)), "nothing is told twice"
