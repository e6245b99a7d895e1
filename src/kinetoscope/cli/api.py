"""The API as processes of its own; `serve` runs this, `python -m kinetoscope.cli.api` alone too."""

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

# Loaded before the processes are forked, so that they share it and start at once.
from kinetoscope import server
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.lifeline import end_with_parent
from kinetoscope.settings import Settings, load_settings

STOP_TIMEOUT_S = 10

Handler = Callable[[int, FrameType | None], object] | int | None


def run_api(settings: Settings) -> None:
    """Answer requests with as many processes as the settings say; ends on SIGTERM."""
    api = Granian(
        f"{server.__name__}:{server.app_from_environment.__name__}",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.api_processes,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.2,
        workers_kill_timeout=STOP_TIMEOUT_S,
        log_level=LogLevels.warning,
    )
    api.on_startup(warn_before_stopping)
    api.serve(
        # In place of the target above, which cannot be told whose end to end with: asked after
        # the fork, that is nobody of ours where this process has been killed by then.
        target_loader=partial(server.app_from_environment, os.getpid()),
        wrap_loader=False,
    )


def warn_before_stopping() -> None:
    """Have the server processes hear of a stop before it comes.

    Whoever waits for a task is answered then, instead of being cut off by the time limit.
    """
    for ending in (signal.SIGTERM, signal.SIGINT):
        stop = signal.getsignal(ending)

        def warn(number: int, frame: FrameType | None, stop: Handler = stop) -> None:
            for child in multiprocessing.active_children():
                if child.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child.pid, server.STOPS_SOON)
            if callable(stop):
                stop(number, frame)

        signal.signal(ending, warn)


def api_settings() -> Settings:
    """Load the settings; raises SettingInvalid without a database, since this starts none."""
    settings = load_settings()
    if not settings.database_url:
        raise SettingInvalid("KINETOSCOPE_DATABASE_URL must be set for the API alone")
    return settings


def main() -> None:
    """Read `--parent PID`, the process to end with, and run until SIGTERM."""
    if sys.argv[1:2] == ["--parent"]:
        end_with_parent(int(sys.argv[2]), signal.SIGKILL)
    try:
        settings = api_settings()
    except SettingInvalid as error:
        sys.exit(f"kinetoscope: {error}")
    run_api(settings)


if __name__ == "__main__":
    main()
