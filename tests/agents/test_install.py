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
def test_a_key_of_the_environment_is_printed_only_when_asked_for(assistant: Assistant):
    printed, said = run(assistant, KINETOSCOPE_KEY=KEY)
    assert KEY not in printed + said
    assert "0000" not in printed + said
    has_key = assistant not in {Assistant.VSCODE, Assistant.CODEX}
    assert ("kino_live_…cret" in printed) is has_key
    assert ("--show-key" in said) is has_key
    shown, _ = run(assistant, "--show-key", KINETOSCOPE_KEY=KEY)
    assert (KEY in shown) is has_key
    assert run(assistant, "--key", KEY)[0] == shown


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
    unknown = CliRunner().invoke(app, ["mcp", "install", "nobody"])
    assert unknown.exit_code == 2


def test_commands_and_settings_can_be_read_again():
    for assistant in OF_JSON:
        ((_, entries),) = [
            pair for pair in json.loads(run(assistant)[0]).items() if pair[0] != "inputs"
        ]
        assert set(entries) == {"kinetoscope"}
    claude = shlex.split(run("claude-code", "--key", KEY)[0])
    assert claude[-3:] == [ADDRESS, "--header", f"Authorization: Bearer {KEY}"]
    gemini = shlex.split(run("gemini", "--key", KEY)[0])
    assert gemini[-3:] == [f"Authorization: Bearer {KEY}", "kinetoscope", ADDRESS]
    desktop = json.loads(run("claude-desktop", "--url", "https://media.example")[0])
    arguments = desktop["mcpServers"]["kinetoscope"]["args"]
    assert "--allow-http" not in arguments
    assert not any(" " in argument for argument in arguments), "they would be split"
