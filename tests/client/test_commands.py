"""The user's commands as such: what they are, and in an installation without the server."""

import re
import shlex

import pytest
from tests.client import light

from kinetoscope.cli.commands import Deferred, load
from kinetoscope.cli.main import COMMANDS

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

sys.argv[0] = "kinetoscope"
for words in ["--help"], ["generate", "--help"]:
    sys.argv[1:] = words
    try:
        runpy.run_module("kinetoscope", run_name="__main__")
    except SystemExit as end:
        assert not end.code
"""


def test_a_light_installation_has_nothing_of_the_server():
    names = light.distributions()
    assert {"httpx", "rich", "typer"} <= names
    assert len(names) < 22
    assert not names & {"aiohttp", "psycopg", "fastapi", "numpy", "av", "granian", "procrastinate"}
    places = [command.user for command in COMMANDS if command.user]
    done = light.run(then=PARTS.replace("{places}", repr(places)))
    assert (done.returncode, done.stderr) == (0, "")
    for said in ("generate", "--max-credits", "`ps`", "KINETOSCOPE_KEY"):
        assert said in done.stdout
    serve = light.run("serve")
    assert (serve.returncode, serve.stdout) == (1, "")
    assert serve.stderr == (
        "kinetoscope: this command needs the server, which is not installed here: "
        "pip install 'kinetoscope[server]'\n"
    )


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
