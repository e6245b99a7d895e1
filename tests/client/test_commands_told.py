"""What the user's commands say before anything is paid, and of what went wrong."""

import json
from pathlib import Path

import httpx
import pytest
from tests.client.stand_in import ESTIMATE, MODEL, StandIn, said, typed
from typer.testing import CliRunner

from kinetoscope.cli.main import app

SEEDLESS = "The model m takes no seed, so no two of its tasks are equal"

FAILED = {"code": "2038", "message": "The prompt was refused", "detail": "by moderation"}

FORMATS = {
    **MODEL,
    "inputs": {
        "properties": {
            "prompt": {"type": "string"},
            "duration": {"type": "integer", "minimum": 1, "maximum": 60},
            "outputFormat": {"type": "string", "enum": ["png", "jpeg"], "default": "png"},
        },
        "required": ["prompt"],
    },
}


def test_what_is_never_cached_says_why_before_it_is_paid(there: StandIn):
    def made() -> httpx.Response:
        assert len(there.asked_for("estimateTask")) == len(there.asked_for("createTask")) > 0
        return httpx.Response(200, json={"taskId": "task_1", "uncacheable": SEEDLESS})

    words = ("generate", "m", "x", "-o", "a.png", "--force")
    there.instead["estimateTask"] = said(200, {**ESTIMATE, "uncacheable": SEEDLESS})
    there.instead["createTask"] = made
    done = typed(there, *words, "--use-cache")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[1] == f"--use-cache does nothing here: {SEEDLESS}"
    assert json.loads(there.asked_for("estimateTask")[-1].content)["useCache"] is True
    told = typed(there, *words, "--use-cache", "--json")
    assert json.loads(told.stdout)["uncacheable"] == SEEDLESS
    told = typed(there, *words, "--use-cache", "--no-wait", "--json")
    assert json.loads(told.stdout) == {"taskId": "task_1", "uncacheable": SEEDLESS}
    there.instead["estimateTask"] = said(200, ESTIMATE)
    there.instead["createTask"] = said(200, {"taskId": "task_1"})
    done = typed(there, *words, "--use-cache")
    assert "--use-cache" not in done.stderr
    assert "uncacheable" not in typed(there, *words, "--use-cache", "--json").stdout


@pytest.mark.parametrize("words", [("generate", "m", "x"), ("tasks", "download", "task_1")])
@pytest.mark.parametrize(
    ("output", "how"),
    [
        ("nope/a/b.png", "there is no folder nope/a"),
        ("nope/a/", "there is no folder nope"),
        ("mine/", "mine is a file, not a folder"),
        ("mine/a.png", "there is no folder mine"),
    ],
)
def test_where_nothing_can_be_saved_nothing_is_asked(
    there: StandIn, words: tuple[str, ...], output: str, how: str
):
    Path("mine").write_text("mine")
    done = typed(there, *words, "-o", output)
    assert (done.exit_code, done.stderr) == (2, f"kinetoscope: {how}\n")
    assert there.asked == []
    assert [path.name for path in Path().iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [("generate", "m", "x"), ("tasks", "download", "task_1")])
def test_a_folder_is_made_beside_what_is_there(there: StandIn, words: tuple[str, ...]):
    done = typed(there, *words, "-o", "new/")
    assert (done.exit_code, done.stdout) == (0, "new/x.png\n")


def test_a_failed_task_costs_nothing_and_says_why(there: StandIn):
    failed = there.record("fail", error=FAILED)
    there.instead["recordInfo"] = said(200, failed)
    there.instead["listTasks"] = said(200, {"tasks": [failed], "nextCursor": None})
    shown = typed(there, "tasks", "show", "task_1")
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines()]
    assert ["credits", "0"] in lines
    assert ["error", "The prompt was refused (2038) by moderation"] in lines
    assert shown.stderr == ""
    assert typed(there, "tasks", "list").stdout.splitlines()[1].split()[:3] == [
        "task_1",
        "fail",
        "0",
    ]
    awaited = typed(there, "tasks", "wait", "task_1")
    assert awaited.exit_code == 4
    assert "nothing was charged" in awaited.stderr
    assert json.loads(typed(there, "tasks", "show", "task_1", "--json").stdout) == failed


@pytest.mark.parametrize(
    ("kind", "words", "how"),
    [
        ("image", ("-o", "a.jpg"), "m makes png, and a.jpg would be jpeg; -i outputFormat=jpeg"),
        ("image", ("-o", "a.jpeg", "-i", "outputFormat=png"), "-i outputFormat=jpeg"),
        ("image", ("-o", "a.png", "-i", "outputFormat=jpeg"), "m makes jpeg, and a.png"),
        ("image", ("-o", "a.webp"), "a.webp would be webp\n"),
        ("image", ("-o", "a.mp4"), "a.mp4 would be mp4\n"),
        ("odd", ("-o", "b.MP4"), "b.MP4 would be mp4\n"),
    ],
)
def test_a_name_of_another_format_is_refused_before_it_is_paid(
    there: StandIn, kind: str, words: tuple[str, ...], how: str
):
    there.instead["m"] = said(200, {**FORMATS, "kind": kind})
    done = typed(there, "generate", "m", "x", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert how in done.stderr
    assert there.asked_for("createTask") == []


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "a.JPG", "-i", "outputFormat=jpeg"),
        ("-o", "a.jpeg", "-i", "outputFormat=jpeg"),
        ("-o", "a.png"),
        ("-o", "a.of-mine"),
        ("-o", "a"),
        ("-o", "jpg/"),
        (),
    ],
)
def test_a_name_of_the_format_or_of_none_is_taken(there: StandIn, words: tuple[str, ...]):
    there.instead["m"] = said(200, FORMATS)
    done = typed(there, "generate", "m", "x", *words)
    assert (done.exit_code, "outputFormat" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    ("kind", "output", "how"),
    [
        ("image", "a.mp4", "m makes an image, and a.mp4 would be a video"),
        ("image", "a.wav", "m makes an image, and a.wav would be sound"),
        ("audio", "a.png", "m makes sound, and a.png would be an image"),
        ("video", "a.gif", "m makes a video, and a.gif would be an image"),
    ],
)
def test_a_name_of_another_kind_is_refused_where_no_format_is_declared(
    there: StandIn, kind: str, output: str, how: str
):
    there.instead["m"] = said(200, {**MODEL, "kind": kind})
    done = typed(there, "generate", "m", "x", "-o", output)
    assert (done.exit_code, done.stderr) == (2, f"kinetoscope: {how}\n")
    assert there.asked_for("createTask") == []


@pytest.mark.parametrize("words", [("generate", "m", "x"), ("tasks", "download", "task_1")])
def test_what_comes_in_another_format_is_saved_with_a_warning(
    there: StandIn, words: tuple[str, ...]
):
    done = typed(there, *words, "-o", "a.jpg")
    assert (done.exit_code, done.stdout) == (0, "a.jpg\n")
    assert "a.jpg is png, whatever its name says\n" in done.stderr
    assert "whatever" not in typed(there, *words, "-o", "a.png").stderr


def test_an_id_that_is_refused_needs_no_look_at_it(there: StandIn):
    for name in ("recordInfo", "waitTask", "taskEvents"):
        there.instead[name] = said(404, {"message": "Task not found"})
    for words in (("wait",), ("wait", "--timeout", "1"), ("show",), ("download",), ("cancel",)):
        done = typed(there, "tasks", *words, "nope")
        assert (done.exit_code, done.stderr) == (3, "kinetoscope: Task not found\n"), words


def test_a_task_that_has_ended_is_not_waited_for(there: StandIn):
    ended = httpx.Response(200, json=there.record()).text
    events = f'event: state\ndata: {{"status": "waiting"}}\n\nevent: end\ndata: {ended}\n\n'
    there.instead["taskEvents"] = lambda: httpx.Response(200, text=events)
    done = typed(there, "tasks", "wait", "task_1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert there.asked_for("taskEvents") == []
    assert "success" in done.stdout


def test_a_download_onto_a_file_says_only_that_it_is_there(there: StandIn):
    Path("a.png").write_text("mine")
    done = typed(there, "tasks", "download", "task_1", "-o", "a.png")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "kinetoscope: a.png is there already; --force replaces it\n"
    assert Path("a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("environment", "options", "name"),
    [
        ({}, ("--url", "127.0.0.1:8000"), "--url"),
        ({"KINETOSCOPE_URL": "http://x"}, ("--url", "127.0.0.1:8000"), "--url"),
        ({"KINETOSCOPE_URL": "127.0.0.1:8000"}, (), "KINETOSCOPE_URL"),
        ({}, ("--key", "a key"), "--key"),
        ({"KINETOSCOPE_KEY": "a key"}, (), "KINETOSCOPE_KEY"),
    ],
)
def test_what_cannot_be_used_is_called_as_it_was_given(
    environment: dict[str, str], options: tuple[str, ...], name: str
):
    unset = dict.fromkeys(("KINETOSCOPE_KEY", "KINETOSCOPE_URL"))
    done = CliRunner().invoke(app, ["credits", *options], env={**unset, **environment})
    assert done.exit_code == 2
    assert done.stderr.endswith(f"look at {name}\n")


@pytest.mark.parametrize("body", [{"message": "Not Found"}, {"detail": "Not Found"}, None])
def test_an_address_of_something_else_is_told_apart(there: StandIn, body: object):
    there.instead["m"] = said(404, body)
    done = typed(there, "generate", "m", "x")
    assert done.exit_code == 5
    told = f"no Kinetoscope answers at {there.url}; look at KINETOSCOPE_URL"
    assert done.stderr == f"kinetoscope: {told}\n"
    error = json.loads(typed(there, "models", "m", "--json").stdout)["error"]
    assert error["kind"] == "UnexpectedAnswer"


def test_an_unknown_model_says_where_the_known_ones_are(there: StandIn):
    there.instead["m"] = said(404, {"message": "Model not found", "nearest": []})
    done = typed(there, "generate", "m", "x")
    lists = "`kinetoscope models` lists them"
    assert (done.exit_code, done.stderr) == (3, f"kinetoscope: Model not found; {lists}\n")
    there.instead["m"] = said(404, {"message": "Model not found", "nearest": ["n"]})
    assert "Did you mean n?" in typed(there, "generate", "m", "x").stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("x", "-i", "duration=5", "-i", "duration=6"), "duration"),
        (("x", "-i", "duration=5", "-i", "duration=5"), "duration"),
        (("x", "-i", "prompt=y"), "prompt"),
    ],
)
def test_an_input_of_one_value_is_given_once(there: StandIn, words: tuple[str, ...], name: str):
    there.instead["m"] = said(200, FORMATS)
    done = typed(there, "generate", "m", *words)
    once = f"kinetoscope: --input {name}: it takes one value, and is given twice\n"
    assert (done.exit_code, done.stderr) == (2, once)
