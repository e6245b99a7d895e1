"""Processes that must not outlive the one that started them."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
POLL_DELAY_S = 0.5


def end_with_parent(parent_pid: int, ending: signal.Signals) -> None:
    """Arrange for this process to receive a signal when its parent ends, however it ends.

    On Linux the kernel sends it (https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html);
    elsewhere a thread watches. A parent that is gone already counts too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, ending)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), ending)
    else:
        threading.Thread(target=_watch, args=(parent_pid, ending), daemon=True).start()


def _watch(parent_pid: int, ending: signal.Signals) -> None:
    while os.getppid() == parent_pid:
        time.sleep(POLL_DELAY_S)
    os.kill(os.getpid(), ending)
