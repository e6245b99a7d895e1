"""`kinetoscope retention`, as an operator types it."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from tests.conftest import START
from typer.testing import CliRunner, Result

from kinetoscope.accounts import accounts
from kinetoscope.cli.main import app
from kinetoscope.postgres.pool import Database


@pytest.fixture
def command(conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Type a command; it works on a database of its own with an account `alice`."""
    monkeypatch.setenv("KINETOSCOPE_DATABASE_URL", conninfo)
    monkeypatch.setenv("KINETOSCOPE_DATA_DIR", str(tmp_path))

    async def prepare() -> None:
        database = Database(conninfo, connections_max=1, patience_s=5)
        await database.open()
        await accounts.ensure(database, "alice", START)
        await database.close()

    asyncio.run(prepare())
    return lambda *words: CliRunner().invoke(app, ["retention", *words])


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_lifetimes_are_shortened_one_at_a_time_and_set_back(command):
    nothing = "alice: lifetime of media the deployment's, of tasks the deployment's; no legal hold"
    assert said(command("show", "alice")) == nothing
    assert "media 2 days, 0:00:00, of tasks the dep" in said(
        command("limit", "alice", "--media=2d")
    )
    both = said(command("limit", "alice", "--tasks=12h"))
    assert "media 2 days, 0:00:00, of tasks 12:00:00;" in both
    assert said(command("limit", "alice", "--media=default", "--tasks=default")) == nothing


@pytest.mark.parametrize(
    "words", [["--media=15d"], ["--tasks=61d"], ["--media=59m"], ["--media=x"]]
)
def test_a_lifetime_that_cannot_be_is_refused_and_changes_nothing(command, words: list[str]):
    before = said(command("show", "alice"))
    assert command("limit", "alice", *words).exit_code == 1
    assert said(command("show", "alice")) == before


def test_a_hold_is_set_and_lifted(command, conninfo: str):
    assert said(command("hold", "--account", "alice")).endswith("; under a legal hold")
    assert said(command("release", "--account", "alice")).endswith("; no legal hold")
    for words in ([], ["--account", "alice", "--task", "task_x"], ["--task", "task_nobodys"]):
        assert command("hold", *words).exit_code == 1
    assert command("show", "nobody").exit_code == 1
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("select name from account where legal_hold").fetchall() == []


def test_a_round_of_the_reaper_says_what_it_did(command):
    assert said(command("run")) == (
        "0 files removed, 0 confirmed, 0 drafts swept, 0 tasks and 0 other rows forgotten"
    )
