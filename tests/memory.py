"""Where tests keep their files: in memory where there is enough, for disks are slow to promise."""

import functools
import os
import shutil
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")  # noqa: S108 - only folders of our own making go there
_FREE_BYTES_MIN = 6 * 1024**3


@functools.cache
def memory_folder() -> str | None:
    """Return a folder in memory where programs may run and space is ample, else None.

    No test takes the machine's power away, so none can tell whether a file has reached a disk.
    """
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    programs_run = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    free_bytes = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return str(_MEMORY) if programs_run and free_bytes >= _FREE_BYTES_MIN else None
