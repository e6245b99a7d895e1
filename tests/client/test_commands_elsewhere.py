"""The user's commands over a server that fails, says odd things, or is another's."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
from tests.client.stand_in import MODEL, StandIn, Told, broken, said, typed

GENERATE = ("generate", "m", "a kite", "-o", "a.png")


def test_a_balance_that_cannot_be_had_costs_nobody_the_file(there: StandIn):
    there.instead["credits"] = said(429, {"message": "Too many"}, Retry_After="60")
    done = typed(there, *GENERATE)
    assert (done.exit_code, done.stdout) == (0, "a.png\n")
    assert Path("a.png").read_bytes() == b"a picture"
    assert done.stderr.endswith("2 credits charged\n")


@pytest.mark.parametrize(
    ("name", "answer", "code", "how"),
    [
        ("taskEvents", said(403, {"message": "No"}), 3, "`kinetoscope tasks show task_1`"),
        ("x.png", said(404), 3, "`kinetoscope tasks show task_1`"),
        ("x.png", said(500), 5, "`kinetoscope tasks download task_1`"),
        ("createTask", said(503, {"taskId": "task_1"}), 5, "may have been made"),
        ("createTask", broken(httpx.ReadError), 5, "may have been made"),
    ],
)
def test_what_goes_wrong_after_it_was_ordered_says_which_task_it_is(
    there: StandIn, name: str, answer: Told, code: int, how: str
):
    there.instead[name] = answer
    failed = typed(there, *GENERATE)
    assert (failed.exit_code, failed.stdout) == (code, "")
    assert how in failed.stderr
    assert ".." not in failed.stderr
    error = json.loads(typed(there, *GENERATE, "--json").stdout)["error"]
    if "task_1" in failed.stderr:
        assert error["taskId"] == "task_1"
    else:
        assert "`kinetoscope tasks list`" in failed.stderr
        sent = there.asked_for("createTask")[-1].headers["idempotency-key"]
        assert error["idempotencyKey"] == sent


def test_a_disk_in_the_way_says_where_the_files_are(there: StandIn):
    def meanwhile() -> httpx.Response:
        shutil.rmtree("made")
        return there.usual("x.png")

    Path("made").mkdir()
    there.instead["x.png"] = meanwhile
    failed = typed(there, *GENERATE[:-1], "made/a.png")
    assert failed.exit_code == 1
    assert "No such file or directory" in failed.stderr
    assert "`kinetoscope tasks download task_1`" in failed.stderr


def test_a_file_that_is_there_is_no_more_replaced_than_wanted(there: StandIn):
    there.files = 2
    Path("a-2.png").write_text("mine")
    refused = typed(there, *GENERATE)
    assert (refused.exit_code, Path("a-2.png").read_text()) == (2, "mine")
    assert "a-2.png is there already; --force replaces it" in refused.stderr
    assert there.asked_for("createTask") == []
    typed(there, "tasks", "download", "task_1", "-o", "a.png")
    assert Path("a-2.png").read_text() == "mine"
    assert not Path("a-1.png").exists()
    forced = typed(there, *GENERATE, "--force", "--json")
    assert json.loads(forced.stdout)["files"] == ["a-1.png", "a-2.png"]
    assert Path("a-2.png").read_bytes() == b"a picture"


def test_a_file_that_comes_meanwhile_is_not_replaced_and_what_was_paid_is_told(there: StandIn):
    def meanwhile() -> httpx.Response:
        Path("a.png").write_text("mine")
        return there.usual("x.png")

    there.instead["x.png"] = meanwhile
    refused = typed(there, *GENERATE)
    assert (refused.exit_code, Path("a.png").read_text()) == (2, "mine")
    assert "tasks download task_1" in refused.stderr
    assert [path.name for path in Path().iterdir()] == ["a.png"]


def test_what_the_server_says_is_text(there: StandIn):
    assert "ci [/prod]" in typed(there, "keys", "list").stdout
    assert "1 [credit]" in typed(there, "models").stdout
    model = typed(there, "models", "m").stdout
    for text in ("A [model]", "Draws [/anything]", "text [0.5, 1]", "1 [credit]"):
        assert text in model
    told = there.record(model="[/m] :smile:")
    there.instead["listTasks"] = said(200, {"tasks": [told], "nextCursor": None})
    assert "[/m] :smile:" in typed(there, "tasks", "list").stdout


ODD_INPUTS = {**MODEL, "inputs": {"properties": {"x": 1}}}


@pytest.mark.parametrize(
    ("words", "name", "answer"),
    [
        (("credits",), "credits", {"ok": True}),
        (("keys", "list"), "keys", {"keys": [{"keyId": 5}]}),
        (("keys", "create", "--name", "x"), "keys", {}),
        (("models",), "models", {}),
        (("models", "m"), "m", ODD_INPUTS),
        (("tasks", "list"), "listTasks", {"tasks": [7]}),
        ((*GENERATE, "-i", "x=1"), "m", ODD_INPUTS),
        (GENERATE, "createTask", {}),
    ],
)
def test_another_server_is_told_apart(
    there: StandIn, words: tuple[str, ...], name: str, answer: dict[str, object]
):
    there.instead[name] = said(200, answer)
    done = typed(there, *words)
    assert done.exit_code == 5
    assert "is that a Kinetoscope?" in done.stderr


def test_json_is_one_object_however_it_ends(there: StandIn):
    failed = there.record("fail", error={"code": "500", "message": "It broke"})
    there.instead["recordInfo"] = said(200, failed)
    ends = {
        ("generate", "m"): 2,
        (*GENERATE, "-i", "nope=1"): 2,
        (*GENERATE, "--max-credits", "much"): 2,
        (*GENERATE, "-o", "/nowhere/a.png"): 2,
        (*GENERATE, "-o", "x" * 256): 2,
        (*GENERATE, "--max-credits", "1"): 3,
        ("tasks", "download", "task_1"): 4,
        ("tasks", "list", "--status", "odd"): 2,
        ("keys", "rotate", "../x"): 2,
    }
    for words, code in ends.items():
        done = typed(there, *words, "--json")
        assert done.exit_code == code, words
        assert json.loads(done.stdout)["error"]["message"]
    for word in ("deactivate", "reactivate"):
        assert json.loads(typed(there, "keys", word, "a", "--json").stdout)["keyId"] == "a"
