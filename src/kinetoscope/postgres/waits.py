"""The pool's waits on Python 3.11, so that whoever is cancelled while waiting for it does end.

There `asyncio.wait_for` loses a cancellation that comes together with what is waited for
(https://github.com/python/cpython/issues/86296); a worker that was told to stop would go on.
"""

import asyncio
import sys

from psycopg_pool import _acompat


async def wait_timeout(waited: asyncio.Event | asyncio.Condition, timeout_s: float) -> bool:
    """Wait for news; tell whether it came in time. As the pool's own, by what 3.12 waits with."""
    try:
        async with asyncio.timeout(timeout_s):
            await waited.wait()
    except TimeoutError:
        return False
    return True


def mend_waits() -> None:
    """Have all pools of this process, ours and the engine's, wait so."""
    if sys.version_info >= (3, 12):
        return
    for name in ("AEvent", "ACondition"):
        kind = getattr(_acompat, name, None)
        if kind is not None:
            kind.wait_timeout = wait_timeout
