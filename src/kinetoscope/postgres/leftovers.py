"""Clears away what a server that was killed has left: its processes, pid file and socket."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from kinetoscope.postgres.cluster import Cluster, ServerUnavailable
from kinetoscope.postgres.filelock import FileLock

_PROC = Path("/proc")
_PS = ("ps", "-axww", "-o", "pid=,uid=,command=")
_PS_TIMEOUT_S = 10
_POLL_S = 0.01


def clear(cluster: Cluster, claim: FileLock) -> None:
    """Take the claim on the data, ending whoever still works on them; forget stale files.

    Every process of a server holds the claim from its start to its end, so having it proves that
    none is left, on any system and across containers that share the folder. The process ids in
    the files prove nothing: after a restart of a container they belong to somebody else.

    Only the owner may call this. Raises ServerUnavailable where a process cannot be ended.
    """
    if not claim.acquire() or cluster.pid_file.exists():
        _end_all(cluster, claim)
    for path in (cluster.pid_file, *cluster.socket_files):
        path.unlink(missing_ok=True)


def _end_all(cluster: Cluster, claim: FileLock) -> None:
    # A server that lost its owner shuts down by itself on Linux: the first step waits for that.
    # Backends without a server can only be told to drop everything; the log replays later.
    for number, wait_s in ((signal.SIGINT, 4.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 4.0)):
        if _ended(cluster, claim, number, wait_s):
            return
    pids = ", ".join(str(pid) for pid in processes(cluster)) or "in another container"
    raise ServerUnavailable(
        f"Processes of an earlier server still use {cluster.data} and cannot be ended: {pids}."
    )


def _ended(cluster: Cluster, claim: FileLock, number: int, wait_s: float) -> bool:
    found = processes(cluster)
    if number == signal.SIGINT and not any(found.values()):
        # No postmaster: SIGINT would merely cancel a query.
        wait_s = 0.0
    else:
        for pid, is_postmaster in found.items():
            if is_postmaster or number != signal.SIGINT:
                _signal(pid, number)
    deadline = time.monotonic() + wait_s
    while True:
        if claim.acquire() and not processes(cluster):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def processes(cluster: Cluster) -> dict[int, bool]:
    """Return the living processes of this cluster's server, and which of them is the postmaster.

    Knows them by their user and title, which root may read even in a container that denies it
    the right to look deeper.
    """
    table = _proc_table() if _PROC.joinpath("self/cmdline").exists() else _ps_table()
    server, child = f"postgres -D {cluster.data} ", f"postgres: {cluster.name}: "
    maker = f"initdb -D {cluster.data}.partial."
    return {
        pid: server in command
        for pid, uid, command in table
        if uid == cluster.user.uid
        and (server in command or command.startswith(child) or maker in command)
    }


def _proc_table() -> Iterator[tuple[int, int, str]]:
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # Empty for a zombie, which is dead.
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            if b"postgres" in command:
                yield int(folder.name), folder.stat().st_uid, os.fsdecode(command)
        except (FileNotFoundError, ProcessLookupError):
            continue


def _ps_table() -> Iterator[tuple[int, int, str]]:
    answer = subprocess.run(  # noqa: S603 - a fixed command
        _PS,
        capture_output=True,
        check=True,
        text=True,
        errors="surrogateescape",
        timeout=_PS_TIMEOUT_S,
    )
    for line in answer.stdout.splitlines():
        pid, uid, command = (*line.split(None, 2), "")[:3]
        if "postgres" in command:
            yield int(pid), int(uid), f"{command} "
