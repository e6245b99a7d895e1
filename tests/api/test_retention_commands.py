"""`kinetoscope retention`, as an operator types it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.conftest import START

from kinetoscope.accounts import accounts
from kinetoscope.postgres.pool import Database

Command = Callable[..., "subprocess.CompletedProcess[str]"]

NOTHING = (
    "alice: lifetime of media the deployment's, of tasks the deployment's, "
    "of uploads the deployment's; no legal hold"
)


@pytest.fixture
def command(conninfo: str, tmp_path: Path) -> Command:
    """Type a command; it works on a database of its own with an account `alice`."""

    async def prepare() -> None:
        database = Database(conninfo, connections_max=1, patience_s=5)
        await database.open()
        await accounts.ensure(database, "alice", START)
        await database.close()

    def typed(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "kinetoscope", "retention", *words],
            env={
                "PATH": os.defpath,
                "KINETOSCOPE_DATABASE_URL": conninfo,
                "KINETOSCOPE_DATA_DIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # Commands look for migrations, which only the owner of a database may do.
    owner = psycopg.conninfo.make_conninfo(conninfo, user="postgres")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("grant create on schema public to public")
    asyncio.run(prepare())
    return typed


def said(command: Command, *words: str) -> str:
    result = command(*words)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def refused(command: Command, *words: str) -> str:
    result = command(*words)
    assert (result.returncode, result.stdout) == (1, "")
    return result.stderr.strip()


def test_lifetimes_are_shortened_one_at_a_time_and_set_back(command: Command):
    media = said(command, "limit", "alice", "--media=2d")
    assert media == NOTHING.replace("media the deployment's", "media 2 days, 0:00:00")
    both = said(command, "limit", "alice", "--tasks=12h")
    assert both == media.replace("tasks the deployment's", "tasks 12:00:00")
    why = (
        "kinetoscope: The lifetime of media must lie between 1:00:00 and this deployment's, 14 days"
    )
    assert refused(command, "limit", "alice", "--media=15d").startswith(why)
    assert "is not a duration" in refused(command, "limit", "alice", "--tasks=x")
    every = said(command, "limit", "alice", "--uploads=2h")
    assert every == both.replace("uploads the deployment's", "uploads 2:00:00")
    assert "deployment's, 1 day" in refused(command, "limit", "alice", "--uploads=25h")
    assert said(command, "show", "alice") == every
    default = ("--media=default", "--tasks=default", "--uploads=default")
    assert said(command, "limit", "alice", *default) == NOTHING


def test_a_hold_is_set_and_lifted_and_a_round_says_what_it_did(command: Command):
    assert said(command, "hold", "--account", "alice") == NOTHING.replace(
        "no legal", "under a legal"
    )
    assert said(command, "release", "--account", "alice") == NOTHING
    assert "Name either" in refused(command, "hold")
    assert "There is no task" in refused(command, "hold", "--task", "task_nobodys")
    assert said(command, "run") == (
        "0 files removed, 0 confirmed, 0 drafts swept, 0 tasks and 0 other rows forgotten"
    )
