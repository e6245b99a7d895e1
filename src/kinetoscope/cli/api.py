"""The API as processes of its own; `serve` runs this, `python -m kinetoscope.cli.api` alone too."""

import signal
import sys

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

# Loaded before the processes are forked, so that they share it and start at once.
from kinetoscope import server
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.lifeline import end_with_parent
from kinetoscope.settings import Settings, load_settings

STOP_TIMEOUT_S = 10


def run_api(settings: Settings) -> None:
    """Answer requests with as many processes as the settings say; ends on SIGTERM."""
    Granian(
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
    ).serve()


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
