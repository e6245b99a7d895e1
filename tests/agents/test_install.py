"""What connects assistants: printed, the same as in the guide, and no key is given away."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinetoscope.cli.main import app
from kinetoscope.cli.mcp import NO_KEY, RECIPES, Assistant

GUIDE = Path(__file__).parents[2] / "docs" / "agents.md"

KEY = "kino_live_abcdefghijkl_" + "0" * 43 + "secret"
ADDRESS = "http://127.0.0.1:8000/api/mcp"

OF_JSON = [one for one in Assistant if RECIPES[one].text(ADDRESS, KEY).startswith("{")]


def run(*arguments: str, **environment: str) -> tuple[str, str]:
    """Run the command; return what it printed on stdout and on stderr."""
    unset = dict.fromkeys(("KINETOSCOPE_KEY", "KINETOSCOPE_URL"))
    done = CliRunner().invoke(app, ["mcp", "install", *arguments], env={**unset, **environment})
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


@pytest.mark.parametrize("assistant", Assistant)
def test_the_guide_shows_what_is_printed(assistant: Assistant):
    printed, said = run(assistant)
    fence = "json" if assistant in OF_JSON else "sh"
    assert f"```{fence}\n{printed}```" in GUIDE.read_text()
    assert RECIPES[assistant].where in said
    assert RECIPES[assistant].title in GUIDE.read_text()


def test_without_a_name_all_are_listed():
    printed, _ = run()
    for name, recipe in RECIPES.items():
        assert f"# {recipe.title} ({name})" in printed
        assert recipe.text(ADDRESS, NO_KEY) in printed


@pytest.mark.parametrize("assistant", Assistant)
@pytest.mark.parametrize("is_typed", [True, False])
def test_a_key_is_printed_only_when_asked_for(assistant: Assistant, *, is_typed: bool):
    typed = ("--key", KEY) if is_typed else ()
    environment = {} if is_typed else {"KINETOSCOPE_KEY": KEY}
    printed, said = run(assistant, *typed, **environment)
    assert KEY not in printed + said
    assert "0000" not in printed + said
    has_key = assistant not in {Assistant.VSCODE, Assistant.CODEX}
    assert ("kino_live_…cret" in printed) is has_key
    assert ("The key is masked; --show-key prints it" in said) is has_key
    shown, told = run(assistant, *typed, "--show-key", **environment)
    assert (KEY in shown) is has_key
    assert "masked" not in told


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("claude", "claude-code or claude-desktop?"),
        ("Claude Code", "claude-code?"),
        ("claudecode", "claude-code?"),
        ("vs-code", "vscode?"),
        ("nobody", "known are claude-code, claude-desktop, cursor"),
    ],
)
def test_an_assistant_that_is_not_known_is_told_in_plain_words(name: str, how: str):
    done = CliRunner().invoke(app, ["mcp", "install", name])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kinetoscope: there is no assistant {name!r}; ")
    assert how in done.stderr


def test_a_text_that_is_no_key_is_masked_whole():
    assert "hunter2" not in "".join(run("cursor", KINETOSCOPE_KEY="hunter2"))


@pytest.mark.parametrize(
    "given",
    ["https://media.example", "https://media.example/api/v1/", "https://media.example/api/mcp"],
)
def test_the_address_is_that_of_the_server(given: str):
    for printed, _ in (run("cursor", "--url", given), run("cursor", KINETOSCOPE_URL=given)):
        entry = json.loads(printed)["mcpServers"]["kinetoscope"]
        assert entry["url"] == "https://media.example/api/mcp"


def test_what_is_no_address_is_refused():
    done = CliRunner().invoke(app, ["mcp", "install", "cursor", "--url", "nonsense"])
    assert done.exit_code == 2
    assert "look at --url" in done.stderr


def test_commands_and_settings_can_be_read_again():
    for assistant in OF_JSON:
        ((_, entries),) = [
            pair for pair in json.loads(run(assistant)[0]).items() if pair[0] != "inputs"
        ]
        assert set(entries) == {"kinetoscope"}
    claude = shlex.split(run("claude-code", "--key", KEY, "--show-key")[0])
    assert claude[-3:] == [ADDRESS, "--header", f"Authorization: Bearer {KEY}"]
    gemini = shlex.split(run("gemini", "--key", KEY, "--show-key")[0])
    assert gemini[-3:] == [f"Authorization: Bearer {KEY}", "kinetoscope", ADDRESS]
    desktop = json.loads(run("claude-desktop", "--url", "https://media.example")[0])
    arguments = desktop["mcpServers"]["kinetoscope"]["args"]
    assert "--allow-http" not in arguments
    assert not any(" " in argument for argument in arguments), "they would be split"
