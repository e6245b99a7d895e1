"""Scratch space: a folder of a process's own, found and removed when the process is gone."""

import fcntl
import secrets
import shutil
from pathlib import Path
from typing import TextIO


def claim_scratch(work_dir: Path) -> tuple[Path, TextIO]:
    """Make scratch space of our own; it is ours as long as the lock is held."""
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = work_dir / secrets.token_hex(8)
    lock = folder.with_suffix(".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder.mkdir()
    return folder, lock


def sweep_scratch(work_dir: Path) -> None:
    """Remove the scratch space of workers that are gone.

    A lock tells, not a process id: workers in several containers may share the folder.
    """
    for path in work_dir.glob("*.lock"):
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)
