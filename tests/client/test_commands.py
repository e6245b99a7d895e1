"""The user's commands against a real deployment, and in an installation without the server."""

import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fcntl import ioctl
from pathlib import Path

import pytest
from tests.client import light
from tests.scripted import paint
from tests.story.deployment import SURROUNDINGS, Deployment, deployment
from typer.testing import CliRunner, Result

from kinetoscope.cli.commands import Deferred, load
from kinetoscope.cli.main import COMMANDS, app
from kinetoscope.client import Kinetoscope

SOUND = "kinetoscope-soundscape"
PARTS = """
import kinetoscope.client
from kinetoscope.cli.commands import load

assert all(map(load, {places})), "a user's command"
try:
    import kinetoscope.cli.session
except ModuleNotFoundError:
    pass
else:
    sys.exit("the server is there")
"""

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Somebody at a terminal with a key, and where they save things."""

    deployed: Deployment
    url: str
    key: str
    test_key: str

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: text for name, text in SURROUNDINGS.items() if "KINETOSCOPE" not in name}
        return {**plain, "KINETOSCOPE_KEY": self.key, "KINETOSCOPE_URL": self.url}

    def type(self, *words: str, **changes: str) -> Result:
        """Run a command in this process, with the key and the address in the environment."""
        return CliRunner().invoke(app, words, env={**self.environment, **changes})


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with deployment() as deployed:
        test = ("--account", "local", "--name", "t", "--test", "--json")
        yield Desk(
            deployed=deployed,
            url=f"http://127.0.0.1:{deployed.port}",
            key=deployed.banner["key"],
            test_key=json.loads(deployed.run("keys", "create", *test))["key"],
        )


def test_a_light_installation_has_nothing_of_the_server():
    names = light.distributions()
    assert {"httpx", "rich", "typer"} <= names
    assert len(names) < 22
    assert not names & {"aiohttp", "psycopg", "fastapi", "numpy", "av", "granian", "procrastinate"}
    places = [command.user for command in COMMANDS if command.user]
    done = light.run(then=PARTS.replace("{places}", repr(places)))
    assert (done.returncode, done.stderr) == (0, "")
    serve = light.run("serve")
    assert (serve.returncode, serve.stdout) == (1, "")
    assert serve.stderr == (
        "kinetoscope: this command needs the server, which is not installed here: "
        "pip install 'kinetoscope[server]'\n"
    )
    assert "generate" in light.run("--help").stdout
    assert "--max-credits" in light.run("generate", "--help").stdout


def test_a_light_installation_makes_and_saves_something(desk: Desk, tmp_path: Path):
    picture = paint(tmp_path / "in.png", 300, 300)
    with Kinetoscope(desk.key, desk.url) as client:
        before = client.credits().available
    words = ("gpt-image-2", "a red boat", "--image", str(picture), "-i", "quality=low")
    done = light.run(
        "generate", *words, "-o", str(tmp_path / "out.png"), environment=desk.environment
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


def test_json_is_one_object_with_numbered_files_and_exact_amounts(desk: Desk, tmp_path: Path):
    done = desk.type("generate", "midjourney-v7", "x", "-o", f"{tmp_path}/c.png", "--json")
    told = json.loads(done.stdout, parse_float=Decimal)
    assert told["files"] == [str(tmp_path / f"c-{number}.png") for number in (1, 2, 3, 4)]
    assert all(Path(path).stat().st_size for path in told["files"])
    with Kinetoscope(desk.key, desk.url) as client:
        assert told["creditsAvailable"] == client.credits().available
    listed = json.loads(desk.type("tasks", "list", "--json").stdout)
    assert listed["tasks"][0]["taskId"] == told["taskId"]
    wrong = desk.type("generate", SOUND, "x", "-i", "duration=99", "--json")
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
        ((SOUND, "x", "--url", "ftp://x"), 2, "look at KINETOSCOPE_URL"),
    ],
)
def test_what_is_refused_says_why_and_makes_nothing(
    desk: Desk, words: tuple[str, ...], code: int, said: str
):
    with Kinetoscope(desk.key, desk.url) as client:
        before = [task.id for task in client.list()]
        done = desk.type("generate", *words)
        assert (done.exit_code, done.stdout) == (code, "")
        assert said in done.stderr
        assert done.stderr.startswith("kinetoscope: ")
        assert [task.id for task in client.list()] == before


def test_a_task_that_fails_ends_with_4_and_says_that_nothing_was_charged(desk: Desk):
    words = ("generate", "seedance-20", "x", "--test-outcome", "moderation", "--key", desk.test_key)
    failed = desk.type(*words)
    assert failed.exit_code == 4
    assert "(2038)" in failed.stderr
    assert "nothing was charged" in failed.stderr
    assert failed.stdout == ""
    told = desk.type(*words, "--json")
    assert (told.exit_code, json.loads(told.stdout)["error"]["code"]) == (4, "2038")


def test_ctrl_c_cancels_the_task_and_says_so(desk: Desk):
    words = ("generate", "seedance-20", "x", "--test-outcome", "timeout")
    with subprocess.Popen(
        [sys.executable, "-m", "kinetoscope", *words],
        env={**desk.environment, "KINETOSCOPE_KEY": desk.test_key},
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
    with Kinetoscope(desk.test_key, desk.url) as client:
        error = client.get(told[1]).error
    assert error is not None
    assert error.code == "cancelled"


def test_tasks_are_awaited_shown_saved_and_cancelled(desk: Desk, tmp_path: Path):
    made = desk.type("generate", SOUND, "rain", "-i", "duration=1", "--no-wait")
    task_id = made.stdout.strip()
    assert re.fullmatch(r"task_\w+", task_id)
    awaited = desk.type("tasks", "wait", task_id)
    assert awaited.exit_code == 0
    assert "success" in awaited.stdout
    shown = desk.type("tasks", "show", task_id)
    assert re.search(r"credits +2\n", shown.stdout)
    assert task_id in desk.type("tasks", "list", "--status", "success", "--limit", "1").stdout
    saved = desk.type("tasks", "download", task_id, "-o", f"{tmp_path}/r.wav")
    assert saved.stdout == f"{tmp_path}/r.wav\n"
    assert (tmp_path / "r.wav").read_bytes()[:4] == b"RIFF"
    assert "was done before it could be cancelled" in desk.type("tasks", "cancel", task_id).stdout
    nowhere = desk.type("tasks", "show", "task_aaaaaaaaaaaaaaaaaaaaaaaa")
    assert (nowhere.exit_code, nowhere.stderr) == (3, "kinetoscope: Task not found\n")


def test_whoever_names_a_server_asks_it_and_local_is_the_operator(desk: Desk):
    operator = {**desk.deployed.environment, "KINETOSCOPE_URL": "", "KINETOSCOPE_KEY": ""}
    balance = json.loads(desk.type("credits", "--json").stdout, parse_float=Decimal)
    granted = desk.type("credits", "grant", "--account", "local", "7.5", **operator)
    assert granted.exit_code == 0, granted.stderr
    after = json.loads(desk.type("credits", "--json").stdout, parse_float=Decimal)
    assert after["available"] - balance["available"] == Decimal("7.5")
    task_id = desk.type("generate", SOUND, "x", "-i", "duration=1", "--no-wait").stdout.strip()
    desk.type("tasks", "wait", task_id)
    theirs = desk.type("tasks", "show", task_id, "--json")
    assert json.loads(theirs.stdout)["taskId"] == task_id
    both = {**desk.deployed.environment, "KINETOSCOPE_URL": desk.url}
    ours = desk.type("tasks", "show", task_id, "--json", "--local", **both)
    assert json.loads(ours.stdout)["account"] == "local"
    assert json.loads(desk.type("tasks", "show", task_id, "--json", **operator).stdout)["routing"]
    here = {**operator, "KINETOSCOPE_KEY": desk.key}
    assert json.loads(desk.type("tasks", "show", task_id, "--json", **here).stdout)["routing"]
    assert "keys:write" not in desk.type("keys", "--help", **here).stdout
    nowhere = {**here, "KINETOSCOPE_DATA_DIR": f"{desk.deployed.folder}/nowhere"}
    assert "keys:write" in desk.type("keys", "--help", **nowhere).stdout
    assert "price in credits" in desk.type("models", **operator).stdout
    assert "price in credits" not in desk.type("models").stdout
    assert json.loads(desk.type("models", SOUND, "--json").stdout)["inputs"]["properties"]


def test_keys_are_managed_with_a_key_that_may(desk: Desk):
    options = ("--account", "local", "--name", "chief", "--scope", "keys:write", "--json")
    chief = json.loads(desk.deployed.run("keys", "create", *options, "--scope", "tasks:read"))[
        "key"
    ]
    refused = desk.type("keys", "list", "--key", desk.key)
    assert (refused.exit_code, "keys:write" in refused.stderr) == (3, True)
    scope = ("--scope", "tasks:read")
    made = desk.type("keys", "create", "--name", "new", *scope, "--key", chief, "--json")
    key_id = json.loads(made.stdout)["keyId"]
    assert re.search(rf"{key_id}.*active.*new", desk.type("keys", "list", "--key", chief).stdout)
    assert desk.type("keys", "deactivate", key_id, "--key", chief).exit_code == 0
    assert re.search(rf"{key_id}.*inactive", desk.type("keys", "list", "--key", chief).stdout)


def test_the_shell_completes_commands_and_models(desk: Desk):
    environment = {
        **desk.environment,
        "_KINETOSCOPE_COMPLETE": "complete_bash",
        "COMP_WORDS": "kinetoscope generate seedance2",
        "COMP_CWORD": "2",
    }
    program = "from kinetoscope.cli.main import app; app(prog_name='kinetoscope')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    offered = done.stdout.split()
    assert "seedance2-fast" in offered
    assert all(each.startswith("seedance2") for each in offered)


def test_eighty_columns_are_enough(desk: Desk):
    for words in (("models",), ("tasks", "list"), ("generate", "--help"), ("models", SOUND)):
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        with subprocess.Popen(
            [sys.executable, "-m", "kinetoscope", *words],
            env={**desk.environment, "TERM": "xterm"},
            stdout=theirs,
            stderr=theirs,
        ):
            os.close(theirs)
            shown = _all(ours)
        lines = ANSI.sub("", shown).replace("\r", "").split("\n")
        assert len(lines) > 3
        assert max(map(len, lines)) <= 80, shown


def _all(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:  # the other side has closed
        pass
    os.close(descriptor)
    return b"".join(parts).decode()


def test_the_table_of_commands_names_what_there_is():
    for command in COMMANDS:
        assert isinstance(command, Deferred)
        for place in filter(None, (command.operator, command.user)):
            assert load(place) is not None


def test_the_guide_types_what_there_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KINETOSCOPE_URL", "http://127.0.0.1:9")  # the user's commands
    text = (light.ROOT / "docs" / "cli.md").read_text()
    typed = re.findall(r"^kinetoscope ([a-z].*)$", text, re.MULTILINE)
    assert len(typed) > 10
    table = {command.name: command for command in COMMANDS}
    for line in typed:
        words = shlex.split(line.replace("<TAB>", "").replace("< prompt.txt", ""), comments=True)
        command, _ = table[words[0]].chosen(words[1:])
        inner = getattr(command, "commands", {}).get(words[1]) if len(words) > 1 else None
        if isinstance(inner, Deferred):
            inner, _ = inner.chosen(words[2:])
        known = {
            name
            for each in (command, inner)
            if each
            for param in each.params
            for name in param.opts
        }
        options = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
        assert options <= known, line
