"""A trampoline: becomes the server's user, ties its life to its parent's, executes the program.

Run by path, before `exec`, in an interpreter of its own: between fork and exec of a process
with threads nothing but C code is safe, so this work has no place in a `preexec_fn`.
It therefore imports nothing but the standard library.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_EXIT_UNUSABLE = 71  # EX_OSERR


def command(program: list[str], *, user: tuple[int, int] | None, death_signal: int) -> list[str]:
    """Return the command line that runs `program` as `user` (uid, gid), or as the caller.

    The program gets `death_signal` when the *thread* that starts it ends: start it from a thread
    that lives as long as the program shall. Linux only; elsewhere the program may outlive us.
    """
    uid, gid = user or (-1, -1)
    arguments = [str(os.getpid()), str(uid), str(gid), str(death_signal)]
    # -I and -S: no site packages and no environment variables reach code that runs as root.
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *arguments, *program]


def _become(uid: int, gid: int) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def _die_with(parent: int, death_signal: int) -> None:
    if sys.platform == "linux":
        # After setuid, which clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError(f"process {parent}, which started this one, is gone")


def _main(arguments: list[str]) -> None:
    parent, uid, gid, death_signal = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    try:
        _become(uid, gid)
        _die_with(parent, death_signal)
        os.umask(0o077)
        # What the interpreter ignores would stay ignored across exec; so would a blocked signal.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execv(program[0], program)  # noqa: S606 - the point of this program; no shell
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]} as user {uid}: {error}\n")
        sys.exit(_EXIT_UNUSABLE)


if __name__ == "__main__":
    _main(sys.argv[1:])
