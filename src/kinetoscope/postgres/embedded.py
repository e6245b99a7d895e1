"""Shares one embedded PostgreSQL server between processes, and keeps it up whoever is killed."""

import atexit
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from kinetoscope.kernel.errors import KinetoscopeError, SettingInvalid
from kinetoscope.postgres import leftovers
from kinetoscope.postgres.cluster import (
    Cluster,
    ServerUnavailable,
    accepts,
    bound_log,
    check_sockets,
    cluster_in,
)
from kinetoscope.postgres.filelock import FileLock
from kinetoscope.postgres.postmaster import Postmaster

_READY_TIMEOUT_S = 30.0
_READY_POLL_S = 0.02
_WATCH_POLL_S = 0.1
_LOG_CHECK_INTERVAL_S = 60.0
_CLOSE_TIMEOUT_S = 30.0
_FIRST_STARTS_MAX = 3
# The first restart is immediate; a server that keeps falling down is given more and more time.
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 5.0
_STEADY_S = 2.0

log = structlog.get_logger(__name__)


def open_server(
    folder: Path, *, binaries_folder: Path | None = None, timeout_s: float = _READY_TIMEOUT_S
) -> "EmbeddedServer":
    """Return the server of a base folder, started or joined, once it accepts connections.

    `binaries_folder` names the programs to use in place of those found here. Raises
    SettingInvalid where only a person can help, ServerUnavailable where it does not come up.
    """
    if sys.platform == "win32":
        raise SettingInvalid(
            "The embedded PostgreSQL server does not run on Windows. Use WSL, or set "
            "KINETOSCOPE_DATABASE_URL to a PostgreSQL server."
        )
    server = EmbeddedServer(cluster_in(folder), binaries_folder)
    try:
        server.wait_until_ready(timeout_s)
    except BaseException:
        server.close()
        raise
    return server


class EmbeddedServer:
    """This process's share in an embedded server.

    One of the processes that share a base folder, the owner, holds a lock and runs the server as
    its child. Every process has a keeper thread: the owner's restarts a server that has died, the
    others' wait for the lock and take over when the owner is gone. The kernel ends the server
    when the thread that started it ends, so the keeper alone starts and stops it.

    Processes made by fork without exec have no part in this: they let go of the lock at once, and
    have to open the server themselves.
    """

    def __init__(self, cluster: Cluster, binaries_folder: Path | None) -> None:
        self._cluster = cluster
        self._stopping = threading.Event()
        self._serving = threading.Event()
        self._ownership = FileLock(cluster.folder / "lock", cluster.user)
        self._postmaster = Postmaster(cluster, binaries_folder, self._stopping)
        self._failure: KinetoscopeError | None = None
        self._setbacks = 0
        # Settled before anybody connects: a server without an owner is about to end.
        owner = self._ownership.acquire()
        self._next_event = "postgres.started" if owner else "postgres.taken_over"
        self._keeper = threading.Thread(target=self._keep, name="postgres-keeper", daemon=True)
        self._keeper.start()
        atexit.register(self.close)

    @property
    def conninfo(self) -> str:
        """Return libpq's way to the database; it stays the same whoever runs the server."""
        return self._cluster.conninfo

    @property
    def owner(self) -> bool:
        """Tell whether this process runs the server."""
        return self._ownership.held

    def postmaster_pid(self) -> int | None:
        """Return the server's process id, or None where none runs or it is out of sight."""
        if self.owner:
            return self._postmaster.pid()
        found = leftovers.processes(self._cluster)
        return next((pid for pid, is_postmaster in found.items() if is_postmaster), None)

    def close(self) -> None:
        """Leave; the owner stops the server first. Calling it again does nothing."""
        atexit.unregister(self.close)
        self._stopping.set()
        self._keeper.join(_CLOSE_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return once the server accepts connections; raise what stands in the way."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._hopeless is not None:
                raise self._hopeless
            if self.owner:
                if self._serving.wait(_READY_POLL_S):
                    return
            elif self._joins():
                return
            else:
                time.sleep(_READY_POLL_S)
        raise self._failure or ServerUnavailable(
            f"PostgreSQL in {self._cluster.folder} did not accept connections within "
            f"{timeout_s:.0f} s; process {self._ownership.holder()} runs it. "
            f"The end of {self._cluster.log}: {self._cluster.log_tail()}"
        )

    @property
    def _hopeless(self) -> KinetoscopeError | None:
        given_up = self._setbacks >= _FIRST_STARTS_MAX
        return self._failure if given_up or isinstance(self._failure, SettingInvalid) else None

    def _joins(self) -> bool:
        check_sockets(self._cluster)
        if not accepts(self._cluster):
            return False
        log.info("postgres.attached", owner_pid=self._ownership.holder())
        return True

    def _keep(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._ownership.acquire():
                    self._run()
                else:
                    self._stopping.wait(_WATCH_POLL_S)
        finally:
            self._postmaster.stop()
            self._ownership.release()

    def _run(self) -> None:
        """Start the server once, stay until it has ended or is to end, and then pause."""
        try:
            began = time.monotonic()
            if not self._postmaster.start():
                return
            self._report(time.monotonic() - began)
            began = time.monotonic()
            self._watch()
            steady = time.monotonic() - began > _STEADY_S
            self._setbacks = 1 if steady else self._setbacks + 1
        except KinetoscopeError as error:
            self._note(error)
        except Exception as error:
            # The lock is ours, so nobody else could help: this thread must not die of anything.
            log.exception("postgres.keeper_failed")
            self._note(ServerUnavailable(f"PostgreSQL cannot be started: {error!r}"))
        self._serving.clear()
        if not self._stopping.is_set():
            self._postmaster.stop()
            self._pause()

    def _report(self, duration_s: float) -> None:
        self._failure = None
        pid = self._postmaster.pid()
        log.info(self._next_event, pid=pid, duration_s=round(duration_s, 3))
        self._next_event = "postgres.restarted"
        self._serving.set()

    def _watch(self) -> None:
        log_checked = time.monotonic()
        while self._postmaster.pid() is not None:
            if self._stopping.wait(_WATCH_POLL_S):
                return
            if time.monotonic() - log_checked > _LOG_CHECK_INTERVAL_S:
                bound_log(self._cluster)
                log_checked = time.monotonic()
        log.warning("postgres.ended")

    def _note(self, error: KinetoscopeError) -> None:
        self._failure = error
        self._setbacks += 1
        log.error("postgres.start_failed", reason=str(error), failures=self._setbacks)

    def _pause(self) -> None:
        if self._setbacks > 1:
            delay_s = _BACKOFF_FIRST_S * 2 ** min(self._setbacks - 2, 10)
            self._stopping.wait(min(delay_s, _BACKOFF_MAX_S))
