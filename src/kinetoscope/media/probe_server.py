"""A process that has the decoders loaded and opens nothing: it forks a probe for every request.

Starting Python and loading the decoders takes a hundred times as long as most inspections. Every
probe is a process of its own all the same, confined as `probe` confines itself.

Requests come as single messages on a socket: JSON, and with it the descriptor that the answer is
written to. `{"end": id}` ends the probe of an earlier request.
"""

import array
import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from kinetoscope.media import probe, probe_image

REQUEST_BYTES_MAX = 64 * 1024
GRACE_S = 1.0
"""A probe that nobody ended in time is ended by its own alarm so much later."""

LOADED = (probe_image,)
"""What is worth loading once; what opens streams, only where streams are expected."""


def serve(control: socket.socket) -> None:
    """Fork probes until the other side is gone; then nothing of them is left."""
    running: dict[int, int] = {}
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    try:
        while True:
            ready, _, _ = select.select([control.fileno(), reading], [], [])
            if reading in ready:
                with suppress(BlockingIOError):
                    os.read(reading, 4096)
                _reap(running)
            if control.fileno() in ready and not _take(control, running):
                return
    finally:
        for pid in running.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _reap(running: dict[int, int]) -> None:
    """Bury the probes that ended; only then may the system use their numbers again."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for request_id, running_pid in list(running.items()):
            if running_pid == pid:
                del running[request_id]


def _take(control: socket.socket, running: dict[int, int]) -> bool:
    """Do what one message asks for; False when there will be no more of them."""
    message, descriptors = _received(control)
    if not message:
        return False
    request: dict[str, Any] = json.loads(message)
    if "end" in request:
        pid = running.get(request["end"])
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True
    (answers,) = descriptors
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_probe(request, answers, server)
    os.close(answers)
    running[request["id"]] = pid
    return True


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    size = array.array("i").itemsize
    message, ancillary, _, _ = control.recvmsg(REQUEST_BYTES_MAX, socket.CMSG_SPACE(size))
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % size])
    return message, list(descriptors)


def _become_probe(request: dict[str, Any], answers: int, server: int) -> None:
    """Inspect, in a process that has nothing of ours but the place to answer to. Never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, request["total_timeout_s"] + GRACE_S)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # it was our socket
        os.dup2(answers, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        probe.inspect_all({**request, "parent": server})
        status = 0
    finally:
        os._exit(status)


def main(*, stills: bool = False) -> None:
    """Serve on the descriptor that was handed over as number 0.

    The libraries for streams are hundreds of mappings, and forking copies the list of them: where
    stills are expected, a probe that meets a stream loads them itself.
    """
    if not stills:
        from kinetoscope.media import probe_stream  # noqa: F401, PLC0415
    # A collector that looks at what is shared makes copies of it.
    gc.freeze()
    gc.disable()
    serve(socket.socket(fileno=os.dup(0)))
    sys.exit(0)
