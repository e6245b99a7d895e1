"""Whole lives of tasks, by both clients and the commands; at last the API is killed."""

import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.client import light
from tests.scripted import paint
from tests.story.deployment import SURROUNDINGS, Deployment, deployment, wait_until
from typer.testing import CliRunner, Result
from typing_extensions import override

from kinetoscope.cli.main import app
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
    jobs,
)

SOUND = "kinetoscope-soundscape"
SECOND = {"prompt": "rain on a tin roof", "duration": 1, "seed": 7}
"""Two credits, and little work."""


ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A deployment, a client with its first key, one with a test key, and somebody who types."""

    deployed: Deployment
    url: str
    key: str
    test_key: str
    client: Kinetoscope
    tester: Kinetoscope

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: text for name, text in SURROUNDINGS.items() if "KINETOSCOPE" not in name}
        return {**plain, "KINETOSCOPE_KEY": self.key, "KINETOSCOPE_URL": self.url}

    @property
    def operator(self) -> dict[str, str]:
        return {**self.deployed.environment, "KINETOSCOPE_URL": "", "KINETOSCOPE_KEY": ""}

    def type(self, *words: str, **changes: str) -> Result:
        """Run a command in this process, with the key and the address in the environment."""
        return CliRunner().invoke(app, words, env={**self.environment, **changes})


def issued(environment: dict[str, str], *options: str) -> str:
    """Have the operator make a key."""
    words = ("keys", "create", "--account", "local", "--name", "k", "--json", *options)
    made = CliRunner().invoke(app, words, env=environment)
    return str(json.loads(made.stdout)["key"])


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with deployment() as deployed:
        url, key = f"http://127.0.0.1:{deployed.port}", deployed.banner["key"]
        test_key = issued(
            {**deployed.environment, "KINETOSCOPE_URL": "", "KINETOSCOPE_KEY": ""}, "--test"
        )
        with Kinetoscope(key, url) as client, Kinetoscope(test_key, url) as tester:
            yield Stage(
                deployed=deployed,
                url=url,
                key=key,
                test_key=test_key,
                client=client,
                tester=tester,
            )


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


def test_pages_follow_each_other_without_being_asked_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    made = {stage.tester.submit("gpt-image-2", {"prompt": "test:moderation x"}).id for _ in "abcde"}
    monkeypatch.setattr(jobs, "PAGE_TASKS", 2)
    found = [task.id for task in stage.tester.list(model="gpt-image-2")]
    some = [task.id for task in stage.tester.list(model="gpt-image-2", limit=3)]
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
        async with AsyncKinetoscope(stage.test_key, stage.url) as tester:
            await tester.run("seedance-20", {"prompt": "test:face x"})


def test_a_light_installation_makes_and_saves_something(stage: Stage, tmp_path: Path):
    picture = paint(tmp_path / "in.png", 300, 300)
    before = stage.client.credits().available
    words = ("gpt-image-2", "a red boat", "--image", str(picture), "-i", "quality=low")
    done = light.run(
        "generate", *words, "-o", str(tmp_path / "out.png"), environment=stage.environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'out.png'}\n"
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    cost = re.search(r"gpt-image-2: ([\d.]+) credits of ([\d.]+), ([\d.]+) afterwards", done.stderr)
    assert cost is not None
    assert Decimal(cost[2]) == before
    assert Decimal(cost[1]) + Decimal(cost[3]) == before
    assert f"{cost[1]} credits charged, {cost[3]} left; a preview" in done.stderr
    assert not ANSI.search(done.stdout + done.stderr)


def test_json_is_one_object_with_files_and_exact_amounts(stage: Stage, tmp_path: Path):
    sound = (SOUND, "x", "-i", "duration=1", "-o", f"{tmp_path}/c.wav")
    done = stage.type("generate", *sound, "--json")
    told = json.loads(done.stdout, parse_float=Decimal)
    assert told["files"] == [f"{tmp_path}/c.wav"]
    assert all(Path(path).stat().st_size for path in told["files"])
    assert told["creditsAvailable"] == stage.client.credits().available
    listed = json.loads(stage.type("tasks", "list", "--json").stdout)
    assert listed["tasks"][0]["taskId"] == told["taskId"]
    wrong = stage.type("generate", SOUND, "x", "-i", "duration=99", "--json")
    error = json.loads(wrong.stdout)["error"]
    assert (wrong.exit_code, error["kind"]) == (3, "InvalidInputs")
    assert error["issues"] == ["duration: Number must be less than or equal to 60"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((SOUND, "x", "-i", "durtion=1"), 2, "has no input 'durtion'; it has prompt, duration"),
        ((SOUND, "x", "-i", "duration=long"), 2, "expected 1 to 60, not 'long'"),
        ((SOUND,), 2, "the prompt is missing"),
        ((SOUND, "x", "--image", "a.png"), 2, "takes no image"),
        (("gpt-image-2", "x", "--image", "nowhere.png"), 2, "there is no file nowhere.png"),
        ((SOUND, "x", "-o", "/nowhere/x.wav"), 2, "there is no folder /nowhere"),
        (("seedance20", "x"), 3, "Did you mean seedance-20"),
        ((SOUND, "x", "--max-credits", "19.99"), 3, "it would cost 20 credits, more than"),
        ((SOUND, "x", "--key", "kino_live_x"), 3, "Set KINETOSCOPE_KEY, or give --key."),
        ((SOUND, "x", "--url", "http://127.0.0.1:9"), 5, "Is it running?"),
        (("sora-2", "x"), 3, "Model not found; `kinetoscope models` lists them"),
        (("gpt-image-2", "x", "-o", "x.jpg"), 2, "-i outputFormat=jpeg makes that"),
        (("seedance-20", "x", "-o", "x.png"), 2, "would be an image"),
        ((SOUND, "x", "--url", "ftp://x"), 2, "look at --url"),
    ],
)
def test_what_is_refused_says_why_and_makes_nothing(
    stage: Stage, words: tuple[str, ...], code: int, said: str
):
    before = list(stage.client.list(limit=1))
    done = stage.type("generate", *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.startswith("kinetoscope: ")
    assert list(stage.client.list(limit=1)) == before


def test_an_address_below_the_servers_is_told_apart(stage: Stage):
    for path in ("/api", "/nowhere"):
        done = stage.type("generate", SOUND, "x", "--url", f"{stage.url}{path}")
        assert done.exit_code == 5
        assert f"no Kinetoscope answers at {stage.url}{path}" in done.stderr


def test_what_can_never_be_cached_says_why(stage: Stage, tmp_path: Path):
    place = ("-o", f"{tmp_path}/", "--use-cache", "--key", stage.test_key)
    seedless = stage.type("generate", "gpt-image-2", "x", *place)
    assert "--use-cache does nothing here: The model gpt-image-2 takes no seed" in seedless.stderr
    without = stage.type("generate", SOUND, "x", "-i", "duration=1", *place)
    assert "Without a seed in the inputs" in without.stderr
    assert "-i seed=" in without.stderr
    seeded = stage.type("generate", SOUND, "x", "-i", "duration=1", "-i", "seed=3", *place)
    assert (seeded.exit_code, "--use-cache" in seeded.stderr) == (0, False)


def test_a_task_that_fails_ends_with_4_and_says_that_nothing_was_charged(stage: Stage):
    words = (
        "generate",
        "seedance-20",
        "x",
        "--test-outcome",
        "moderation",
        "--key",
        stage.test_key,
    )
    failed = stage.type(*words)
    assert failed.exit_code == 4
    assert "(2038)" in failed.stderr
    assert "nothing was charged" in failed.stderr
    assert failed.stdout == ""
    told = stage.type(*words, "--json")
    assert (told.exit_code, json.loads(told.stdout)["error"]["code"]) == (4, "2038")


INTERRUPTIBLE = """
import signal
from kinetoscope.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The command, also where whoever runs the tests ignores Ctrl-C, as shells do in the background."""


def test_ctrl_c_cancels_the_task_and_says_so(stage: Stage):
    words = ("generate", "seedance-20", "x", "--test-outcome", "timeout")
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *words],
        env={**stage.environment, "KINETOSCOPE_KEY": stage.test_key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as typed:
        assert typed.stderr is not None
        while "generating" not in typed.stderr.readline():
            pass
        typed.send_signal(signal.SIGINT)
        _, said = typed.communicate(timeout=30)
    assert typed.returncode == 130
    told = re.search(r"kinetoscope: (task_\w+) is cancelled; its credits are back", said)
    assert told is not None, said
    error = stage.tester.get(told[1]).error
    assert error is not None
    assert error.code == "cancelled"


def test_tasks_are_awaited_shown_saved_and_cancelled(stage: Stage, tmp_path: Path):
    made = stage.type("generate", SOUND, "rain", "-i", "duration=1", "--no-wait")
    task_id = made.stdout.strip()
    assert re.fullmatch(r"task_\w+", task_id)
    awaited = stage.type("tasks", "wait", task_id)
    assert awaited.exit_code == 0
    assert "success" in awaited.stdout
    assert stage.type("tasks", "wait", task_id).stderr == ""
    shown = stage.type("tasks", "show", task_id)
    assert re.search(r"credits +2\n", shown.stdout)
    assert task_id in stage.type("tasks", "list", "--status", "success", "--limit", "1").stdout
    saved = stage.type("tasks", "download", task_id, "-o", f"{tmp_path}/r.wav")
    assert saved.stdout == f"{tmp_path}/r.wav\n"
    assert (tmp_path / "r.wav").read_bytes()[:4] == b"RIFF"
    assert "was done before it could be cancelled" in stage.type("tasks", "cancel", task_id).stdout
    told = json.loads(stage.type("tasks", "cancel", task_id, "--json").stdout)
    assert (told["taskId"], told["status"]) == (task_id, "success")
    assert "was done before it could be cancelled" in told["message"]
    for word in ("show", "wait"):
        nowhere = stage.type("tasks", word, "task_aaaaaaaaaaaaaaaaaaaaaaaa")
        assert (nowhere.exit_code, nowhere.stderr) == (3, "kinetoscope: Task not found\n")


def test_whoever_names_a_server_asks_it_and_local_is_the_operator(stage: Stage):
    operator = stage.operator
    balance = json.loads(stage.type("credits", "--json").stdout, parse_float=Decimal)
    granted = stage.type("credits", "grant", "--account", "local", "7.5", **operator)
    assert granted.exit_code == 0, granted.stderr
    after = json.loads(stage.type("credits", "--json").stdout, parse_float=Decimal)
    assert after["available"] - balance["available"] == Decimal("7.5")
    task_id = stage.type("generate", SOUND, "x", "-i", "duration=1", "--no-wait").stdout.strip()
    stage.type("tasks", "wait", task_id)
    theirs = stage.type("tasks", "show", task_id, "--json")
    assert json.loads(theirs.stdout)["taskId"] == task_id
    both = {**stage.deployed.environment, "KINETOSCOPE_URL": stage.url}
    ours = stage.type("tasks", "show", task_id, "--json", "--local", **both)
    assert json.loads(ours.stdout)["account"] == "local"
    assert json.loads(stage.type("tasks", "show", task_id, "--json", **operator).stdout)["routing"]
    here = {**operator, "KINETOSCOPE_KEY": stage.key}
    assert json.loads(stage.type("tasks", "show", task_id, "--json", **here).stdout)["routing"]
    assert "keys:write" not in stage.type("keys", "--help", **here).stdout
    nowhere = {**here, "KINETOSCOPE_DATA_DIR": f"{stage.deployed.folder}/nowhere"}
    assert "keys:write" in stage.type("keys", "--help", **nowhere).stdout
    assert "price in credits" in stage.type("models", **operator).stdout
    assert "price in credits" not in stage.type("models").stdout
    assert json.loads(stage.type("models", SOUND, "--json").stdout)["inputs"]["properties"]


def test_keys_are_managed_with_a_key_that_may(stage: Stage):
    chief = issued(stage.operator, "--scope", "keys:write", "--scope", "tasks:read")
    refused = stage.type("keys", "list", "--key", stage.key)
    assert (refused.exit_code, "keys:write" in refused.stderr) == (3, True)
    scope = ("--scope", "tasks:read")
    made = stage.type("keys", "create", "--name", "new", *scope, "--key", chief, "--json")
    key_id = json.loads(made.stdout)["keyId"]
    assert re.search(rf"{key_id}.*active.*new", stage.type("keys", "list", "--key", chief).stdout)
    assert stage.type("keys", "deactivate", key_id, "--key", chief).exit_code == 0
    assert re.search(rf"{key_id}.*inactive", stage.type("keys", "list", "--key", chief).stdout)


def test_the_shell_completes_commands_and_models(stage: Stage):
    environment = {
        **stage.environment,
        "_KINETOSCOPE_COMPLETE": "complete_bash",
        "COMP_WORDS": "kinetoscope generate seedance2",
        "COMP_CWORD": "2",
    }
    done = CliRunner().invoke(app, [], env=environment, prog_name="kinetoscope")
    offered = done.stdout.split()
    assert "seedance2-fast" in offered
    assert all(each.startswith("seedance2") for each in offered)


class Terminal(io.StringIO):
    """Where output goes to somebody who reads it."""

    @override
    def isatty(self) -> bool:
        return True


def test_eighty_columns_are_enough(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    stage.type("generate", SOUND, "rain", "-i", "duration=1", "--no-wait")  # one to list
    said = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    for name, text in {**stage.environment, **said}.items():
        monkeypatch.setenv(name, text)
    for words in (("models",), ("tasks", "list"), ("generate", "--help"), ("models", SOUND)):
        shown = Terminal()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", shown)
            app(words, standalone_mode=False)
        lines = ANSI.sub("", shown.getvalue()).split("\n")
        assert len(lines) >= 3
        assert 60 < max(map(len, lines)) <= 80, words
        if words == ("tasks", "list"):
            assert all(line.startswith("task_") for line in lines[1:] if line), "a line each"


def test_an_api_that_is_killed_makes_each_task_once_and_loses_no_follower(stage: Stage):
    followed = stage.tester.submit("seedance-20", {"prompt": "x"}, test_outcome="timeout")
    heard: list[Update] = []
    following = threading.Thread(target=lambda: heard.extend(stage.tester.subscribe(followed)))
    following.start()
    wait_until(lambda: stage.tester.get(followed).status == "generating", 30, "it is generating")
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
    stage.tester.cancel(followed)
    assert len(made) == 12
    for task_id in made:
        stage.client.wait(task_id, timeout_s=60)
    assert {task.id for task in stage.client.list(model=SOUND)} - earlier == made
    assert stage.client.credits().available == before - 12 * 2
    following.join(60)
    assert not following.is_alive()
    assert heard[-1].task is not None
    assert heard[-1].task.error is not None
    assert heard[-1].task.error.code == "cancelled"
    told = [(update.status, update.position, update.progress_percent) for update in heard[:-1]]
    assert len(told) == len(set(told)), "nothing is told twice"
