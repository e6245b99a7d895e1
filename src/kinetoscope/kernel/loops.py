"""The event loop of long-running processes: uvloop where there is one, as in the API's own."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

try:
    # Comes with `granian[uvloop]`, everywhere but on Windows.
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop  # type: ignore[assignment]

Result = TypeVar("Result")


def run(main: Coroutine[object, object, Result]) -> Result:
    """Run a coroutine to its end, in a loop of its own."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
