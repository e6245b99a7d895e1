"""Scratch space: a folder of a process's own, found and removed when the process is gone."""

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import TextIO

NAME_BYTES = 8
NAMES = "[0-9a-f]" * (2 * NAME_BYTES)


def claim_scratch(work_dir: Path) -> tuple[Path, TextIO]:
    """Make scratch space of our own; it is ours as long as the lock is held."""
    work_dir.mkdir(parents=True, exist_ok=True)
    while True:
        folder = work_dir / secrets.token_hex(NAME_BYTES)
        path = folder.with_suffix(".lock")
        lock = path.open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_at(lock, path):
            folder.mkdir()
            return folder, lock
        lock.close()  # swept between the two lines before


def sweep_scratch(work_dir: Path) -> None:
    """Remove the scratch space of workers that are gone.

    A lock tells, not a process id: workers in several containers may share the folder.
    """
    for path in work_dir.glob("*.lock"):
        try:
            lock = path.open("r+")
        except FileNotFoundError:
            continue  # somebody else swept it
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _is_at(lock, path):
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
    # A lock file is there before its folder: without one it is left from a sweep that was cut off.
    for folder in work_dir.glob(NAMES):
        if not folder.with_suffix(".lock").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _is_at(lock: TextIO, path: Path) -> bool:
    """Tell whether a locked file is still the one at its path, not removed since it was opened."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
