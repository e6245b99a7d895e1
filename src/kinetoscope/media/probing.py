"""Asking for probes: processes that open what nobody vouches for, and say what it is.

On Linux they are forked by a `probe_server` that this process keeps, or two: one has loaded what
opens stills, the other what opens streams, too. Elsewhere forking a process
that has loaded the system's own libraries is not safe, and each is started anew.
"""

import array
import asyncio
import atexit
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

REPLY_BYTES_MAX = 256 * 1024
START_TIMEOUT_S = 30.0
"""How long a probe may take to begin, as when this machine is very busy."""
AT_ONCE = max(2, os.cpu_count() or 2)
ATTEMPTS = 2

# A child sees this process's import path and nothing else: no environment, no user or site
# folder, no .pth files, no current folder.
_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from kinetoscope.media.{0} import main; main({1})"

Answers = tuple[list[bytes], bool]
"""The whole lines a probe wrote after it was ready, and whether it ended by itself."""


def _command(module: str, arguments: str = "") -> tuple[str, ...]:
    import_path = (str(Path(entry).absolute()) for entry in sys.path if entry)
    return (
        sys.executable,
        "-I",
        "-S",
        "-X",
        "utf8",
        "-c",
        _CHILD.format(module, arguments),
        *import_path,
    )


async def answers(request: dict[str, object], timeout_s: float, *, stills: bool) -> Answers:
    """Have one request answered within a time that begins when its probe does.

    Where `stills` were expected and it is about streams, the answer takes longer. The first line
    says that the probe is ready; without any line none could be started.
    """
    if sys.platform != "linux":
        return await _started(request, timeout_s)
    async with _turn():
        for _ in range(ATTEMPTS):
            try:
                server = _server(stills=stills)
            except OSError:
                break  # this machine cannot start a process just now
            told = await server.ask(request, timeout_s)
            if told is not None:
                return told
    return [], True


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turn() -> asyncio.Semaphore:
    """Return what bounds the probes of this loop: each may take a lot of memory."""
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns[loop] = asyncio.Semaphore(AT_ONCE)
    return _turns[loop]


@contextmanager
def _closed_if_broken(control: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        control.close()
        raise


class Server:
    """The process that forks probes, and the socket to it."""

    def __init__(self, *, stills: bool) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        with theirs, _closed_if_broken(ours):
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                _command("probe_server", f"{stills=}"),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self.owner = os.getpid()
        self.numbers = itertools.count(1)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked: it is ours, and it has not ended."""
        return self.owner == os.getpid() and self.process.poll() is None

    async def ask(self, request: dict[str, object], timeout_s: float) -> Answers | None:
        """Have a request answered; None where the server ended before the probe did."""
        number = next(self.numbers)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            self._send({**request, "id": number, "total_timeout_s": timeout_s}, writing)
        except OSError:
            os.close(reading)
            return None
        finally:
            os.close(writing)
        reply = bytearray()
        with _pipe(reading) as pipe:
            try:
                in_time = await _read(pipe, reply, timeout_s)
            finally:
                with suppress(OSError):
                    self._send({"end": number})
        lines = _lines(reply)
        count = len(request["paths"]) if isinstance(request["paths"], list) else 0
        if in_time and len(lines) <= count and not self.is_alive:
            return None
        return lines, in_time

    def _send(self, message: dict[str, object], descriptor: int | None = None) -> None:
        rights = []
        if descriptor is not None:
            handed = array.array("i", [descriptor])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)]
        self.control.sendmsg([json.dumps(message).encode()], rights)

    def end(self) -> None:
        """Let it go; it ends its probes and itself when the socket closes."""
        atexit.unregister(self.end)
        self.control.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)


_servers: dict[bool, Server] = {}
"""Those of this process, by whether they expect stills."""
_starting = threading.Lock()


def _server(*, stills: bool) -> Server:
    """Return the server of this process, a new one where it has none that lives."""
    with _starting:
        server = _servers.get(stills)
        if server is not None and not server.is_alive:
            del _servers[stills]
            if server.owner == os.getpid():
                server.end()
        if stills not in _servers:
            _servers[stills] = Server(stills=stills)
            atexit.register(_servers[stills].end)
        return _servers[stills]


class _Pipe:
    """The readable end of a pipe, for one loop."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)

    async def read(self) -> bytes:
        """Return some bytes; nothing at the end."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(BlockingIOError):
                return os.read(self.descriptor, REPLY_BYTES_MAX)
            readable = asyncio.Event()
            loop.add_reader(self.descriptor, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self.descriptor)


@contextmanager
def _pipe(descriptor: int) -> Iterator[_Pipe]:
    try:
        yield _Pipe(descriptor)
    finally:
        os.close(descriptor)


async def _read(pipe: _Pipe, reply: bytearray, timeout_s: float) -> bool:
    """Read until the probe ends; False if it took too long."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            reply += await pipe.read()
        async with asyncio.timeout(timeout_s):
            while reply and len(reply) < REPLY_BYTES_MAX:
                piece = await pipe.read()
                if not piece:
                    break
                reply += piece
    except TimeoutError:
        return False
    return True


def _lines(reply: bytearray) -> list[bytes]:
    return [line for line in bytes(reply).split(b"\n")[:-1] if line]


async def _started(request: dict[str, object], timeout_s: float) -> Answers:
    """Start a probe of its own for one request."""
    process = await asyncio.create_subprocess_exec(
        *_command("probe"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        start_new_session=True,  # as the server above
    )
    reply = bytearray()
    in_time = False
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await _converse(process, json.dumps(request).encode(), reply)
                in_time = True
    finally:
        # Also when the caller was cancelled: no child outlives its question.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.communicate()
    return _lines(reply), in_time


async def _converse(process: asyncio.subprocess.Process, request: bytes, reply: bytearray) -> None:
    assert process.stdin is not None  # noqa: S101 - asked for above
    assert process.stdout is not None  # noqa: S101
    # A child that died early breaks the pipe; its silence says so soon enough.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(request)
        await process.stdin.drain()
    process.stdin.close()
    while len(reply) < REPLY_BYTES_MAX and (piece := await process.stdout.read(REPLY_BYTES_MAX)):
        reply += piece
    await process.wait()
