"""The embedded server survives whatever is killed: real processes, real signals, nothing faked."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from tests.story.postgres_holder import ROOT, Start, State, holders, kept, open_folder, until, write

from kinetoscope.postgres.cluster import cluster_in
from kinetoscope.postgres.leftovers import processes


@pytest.fixture(scope="module")
def started() -> Iterator[Path]:
    """A base folder that the tests pass on in whatever state they have brought it to."""
    with open_folder() as folder:
        with holders() as start:
            write(start(folder / "postgres").read())
        yield folder / "postgres"


@pytest.fixture
def empty() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder / "postgres"


@pytest.fixture
def start() -> Iterator[Start]:
    with holders() as starter:
        yield starter


def _pid(state: State) -> int:
    pid = state["pid"]
    assert pid is not None
    return pid


def test_data_outlive_a_clean_stop_and_no_process_is_left(empty: Path, start: Start):
    first = start(empty)
    state = first.read()
    assert state["owner"]
    number = write(state)
    assert first.close() == 0
    assert processes(cluster_in(empty)) == {}
    assert list((empty / "run").iterdir()) == []

    state = start(empty).read()
    assert kept(state, number)
    assert state["opened_s"] < 2


def test_the_database_is_safe_and_private_and_its_role_no_superuser(started: Path, start: Start):
    state = start(started).read()
    names = ("fsync", "synchronous_commit", "full_page_writes", "server_encoding")
    with psycopg.connect(state["conninfo"]) as connection:
        shown = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        listens = connection.execute("SHOW listen_addresses").fetchone()
        superuser = connection.execute("SELECT current_setting('is_superuser')").fetchone()
    assert shown == [("on",), ("on",), ("on",), ("UTF8",)]
    assert (listens, superuser) == (("",), ("off",))
    assert (started / "run").stat().st_mode & 0o777 == 0o700


def test_a_second_process_joins_the_first(started: Path, start: Start):
    first = start(started).read()
    second = start(started).read()
    assert (first["owner"], second["owner"]) == (True, False)
    assert (first["pid"], first["conninfo"]) == (second["pid"], second["conninfo"])
    assert second["opened_s"] < 0.5


def test_two_processes_that_start_at_once_on_nothing_share_one_server(empty: Path, start: Start):
    both = [start(empty), start(empty)]
    states = [one.read() for one in both]
    assert sorted(state["owner"] for state in states) == [False, True]
    assert len({one.ask()["pid"] for one in both}) == 1


@pytest.mark.parametrize("end", ["killed", "killed with its server", "closed"])
def test_a_survivor_takes_over_from_an_owner_that_was(started: Path, start: Start, end: str):
    owner = start(started)
    state = owner.read()
    number = write(state)
    survivor = start(started)
    assert not survivor.read()["owner"]
    if end == "closed":
        assert owner.close() == 0
    owner.kill()
    if end == "killed with its server":
        with contextlib.suppress(ProcessLookupError):
            os.kill(_pid(state), signal.SIGKILL)
    until(lambda: kept(state, number) and survivor.ask()["owner"])
    assert survivor.ask()["pid"] != state["pid"]


def test_of_many_survivors_one_takes_over(started: Path, start: Start):
    owner = start(started)
    state = owner.read()
    survivors = [start(started) for _ in range(3)]
    assert not any(one.read()["owner"] for one in survivors)
    number = write(state)
    owner.kill()
    until(lambda: kept(state, number))
    assert sum(one.ask()["owner"] for one in survivors) == 1


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_owner(started: Path, start: Start):
    owner = start(started)
    owner.read()
    survivor = start(started)
    survivor.read()
    child = owner.ask("fork")["child"]
    assert child is not None
    owner.kill()
    try:
        until(lambda: survivor.ask()["owner"])
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_killed_server_is_started_again_although_a_backend_lives_on(started: Path, start: Start):
    holder = start(started)
    state = holder.read()
    number = write(state)
    with contextlib.closing(psycopg.connect(state["conninfo"])) as busy:
        # A backend at full speed does not look whether its server is still there.
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
        orphan = busy.info.backend_pid
        os.kill(_pid(state), signal.SIGKILL)
        until(lambda: kept(state, number))
        assert orphan not in processes(cluster_in(started))
    assert holder.ask()["pid"] not in {None, state["pid"]}


def test_a_server_killed_again_and_again_comes_back_each_time(started: Path, start: Start):
    holder = start(started)
    state = holder.read()
    for _ in range(3):
        number = write(state)
        os.kill(_pid(holder.ask()), signal.SIGKILL)
        until(partial(kept, state, number))


@pytest.mark.parametrize("whose", ["ours", "the server's user's"])
def test_a_stale_pid_file_naming_another_process_does_not_matter(
    started: Path, start: Start, whose: str
):
    holder = start(started)
    state = holder.read()
    number = write(state)
    files = [started / "data" / "postmaster.pid", started / "run" / ".s.PGSQL.5432.lock"]
    texts = [path.read_text() for path in files]
    holder.kill()
    until(lambda: not processes(cluster_in(started)))
    owner = (started / "data").stat()
    user = owner.st_uid if ROOT else None
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", user=user) as stranger:
        pid = os.getpid() if whose == "ours" else stranger.pid
        for path, text in zip(files, texts, strict=True):
            path.write_text(text.replace(str(state["pid"]), str(pid)))
            os.chown(path, owner.st_uid, owner.st_gid)
        try:
            assert kept(start(started).read(), number)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_first_start_killed_at_any_moment_is_repaired_by_the_next(empty: Path, start: Start):
    moments = random.Random(7)
    for _ in range(5):
        victim = start(empty)
        # Imports take 0.2 s and a first start 0.8 s. The moment is the point: nothing to poll.
        time.sleep(moments.uniform(0.25, 1.0))
        victim.kill()
    state = start(empty).read()
    assert kept(state, write(state))
    assert list(empty.glob("data.partial.*")) == []
