"""A lock between processes that the kernel drops when its last holder dies."""

import errno
import os
import sys
import weakref
from pathlib import Path

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.postgres.server_user import ServerUser

if sys.platform != "win32":
    import fcntl

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class FileLock:
    """An exclusive flock on a file that is never deleted.

    A flock belongs to the open file, not to the process: a child that inherits the descriptor
    holds the lock too. Descriptors are closed on exec, and in children that Python forks, so only
    a child given the descriptor on purpose (`descriptor`, with `pass_fds`) prolongs the lock.
    """

    def __init__(self, path: Path, user: ServerUser) -> None:
        self._path = path
        self._user = user
        self._descriptor: int | None = None
        _locks.add(self)

    @property
    def held(self) -> bool:
        """Tell whether this object holds the lock."""
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        """Return the open file, to be handed to a child. The lock must be held."""
        if self._descriptor is None:
            raise AssertionError("the lock is not held")
        return self._descriptor

    def acquire(self) -> bool:
        """Take the lock if it is free; return whether it is held now."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, _FLAGS, 0o600)
        except OSError as error:
            raise SettingInvalid(
                f"The lock file {self._path} cannot be opened: {error.strerror}. Set "
                "KINETOSCOPE_DATA_DIR to a folder you can write."
            ) from error
        if not _locked(descriptor, self._path):
            os.close(descriptor)
            return False
        self._user.own(self._path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go, without unlocking: a child that was given the descriptor keeps the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """Return what the last holder wrote into the file: its process id."""
        try:
            return self._path.read_text(encoding="ascii").strip() or "unknown"
        except (OSError, ValueError):
            return "unknown"


def _locked(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been deleted and made anew since it was opened.
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError as error:
        if error.errno == errno.EINTR:
            return False
        raise SettingInvalid(
            f"The file system of {path} cannot lock files ({error.strerror}). Set "
            "KINETOSCOPE_DATA_DIR to a folder on a local disk."
        ) from error


def _release_in_child() -> None:
    for lock in list(_locks):
        lock.release()


_locks: "weakref.WeakSet[FileLock]" = weakref.WeakSet()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_release_in_child)
