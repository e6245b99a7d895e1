"""Whose command is meant where a user's and an operator's have one name, and what is missing."""

import pytest
from typer.testing import CliRunner

from kinetoscope.cli import commands
from kinetoscope.cli.main import app


@pytest.mark.parametrize("option", [["--account", "local"], ["--account=local"], ["--local"]])
def test_an_operators_option_means_the_operators_command_whatever_is_exported(
    option: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KINETOSCOPE_URL", "http://127.0.0.1:9")
    shown = CliRunner().invoke(app, ["keys", "create", *option, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "its account too" in shown.output
    users = CliRunner().invoke(app, ["keys", "create", "--help"])
    assert "its account too" not in users.output


@pytest.mark.parametrize("typed", [["--key", "x", "--forward", "http://x"], ["--help"], []])
def test_a_command_that_needs_the_server_says_so_whatever_it_is_given(
    typed: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commands, "load", lambda _place: None)
    missing = CliRunner().invoke(app, ["listen", *typed])
    assert missing.exit_code == 1
    assert "pip install 'kinetoscope[server]'" in missing.output
