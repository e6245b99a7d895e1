"""The server process: from whatever was left on disk to accepting connections, and back."""

import signal
import subprocess
import threading
from pathlib import Path

import psycopg

from kinetoscope.postgres import binaries, cluster, leftovers
from kinetoscope.postgres.binaries import Binaries
from kinetoscope.postgres.cluster import Cluster, ServerUnavailable
from kinetoscope.postgres.filelock import FileLock

_POLL_S = 0.005
_FAST_STOP_S = 10.0
_IMMEDIATE_STOP_S = 5.0


class Postmaster:
    """At most one server process. Used by one thread only, which must outlive the process."""

    def __init__(
        self, place: Cluster, binaries_folder: Path | None, stopping: threading.Event
    ) -> None:
        self._cluster = place
        self._binaries_folder = binaries_folder
        self._stopping = stopping
        self._claim = FileLock(place.folder / "claim", place.user)
        self._process: subprocess.Popen[bytes] | None = None

    def pid(self) -> int | None:
        """Return the process id while the process lives."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> bool:
        """Return True once the server accepts connections, False when told to stop before that.

        The caller owns the folder. Raises ServerUnavailable where the server ends by itself.
        """
        cluster.prepare(self._cluster)
        leftovers.clear(self._cluster, self._claim)
        try:
            programs = self._programs()
            if self._cluster.major() is None and not self._initialise(programs):
                return False
            process = cluster.start(self._cluster, programs, self._claim.descriptor)
            self._process = process
        finally:
            # From here on the server's processes hold the claim, and nobody else does.
            self._claim.release()
        while not self._accepts(process):
            if self._stopping.wait(_POLL_S):
                return False
        return True

    def stop(self) -> None:
        """End the process: open transactions are rolled back, committed ones are on disk."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, wait_s in (
            (signal.SIGINT, _FAST_STOP_S),
            (signal.SIGQUIT, _IMMEDIATE_STOP_S),
            (signal.SIGKILL, None),
        ):
            process.send_signal(number)
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
            break
        cluster.forget_sockets(self._cluster)

    def _programs(self) -> Binaries:
        found = binaries.find(folder=self._binaries_folder, major=self._cluster.major())
        return binaries.within_reach(found, self._cluster.user, self._cluster.store)

    def _initialise(self, programs: Binaries) -> bool:
        process, partial = cluster.initialise(self._cluster, programs, self._claim.descriptor)
        while process.poll() is None:
            if self._stopping.wait(_POLL_S):
                process.kill()
                process.wait()
                return False
        if process.returncode != 0:
            raise self._unavailable(f"initdb ended with status {process.returncode}")
        cluster.adopt(self._cluster, partial)
        return True

    def _accepts(self, process: "subprocess.Popen[bytes]") -> bool:
        if process.poll() is not None:
            raise self._unavailable(f"PostgreSQL ended with status {process.returncode}")
        if not cluster.says_ready(self._cluster, process.pid):
            return False
        try:
            cluster.ensure_database(self._cluster)
        except psycopg.OperationalError as error:
            if process.poll() is None:
                raise ServerUnavailable(f"PostgreSQL accepts no connections: {error}") from error
            return False
        return True

    def _unavailable(self, what: str) -> ServerUnavailable:
        place = self._cluster
        return ServerUnavailable(f"{what}. The end of {place.log}: {place.log_tail()}")
