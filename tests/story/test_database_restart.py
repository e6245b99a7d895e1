"""After the database restarted under a running server, tasks begin as soon as before."""

import time

import httpx
import psutil
from tests.story.deployment import Deployment, deployment, wait_until

POLLING_S = 2
"""How often a worker that hears nothing looks for work (engine.py)."""


def test_a_restart_of_the_database_does_not_make_workers_deaf():
    with deployment(KINETOSCOPE_DEMO_KEY="off") as deployed:
        before_s = _slowest_s(deployed)
        pid_file = deployed.folder / "postgres" / "data" / "postmaster.pid"
        psutil.Process(int(pid_file.read_text().split()[0])).kill()
        with deployed.client() as client:
            deployed.wait(client, [_sound(deployed, client)], timeout_s=60)
        wait_until(
            lambda: _slowest_s(deployed) < before_s + POLLING_S / 4, 60, "tasks begin at once"
        )


def _sound(deployed: Deployment, client: httpx.Client) -> str:
    return deployed.create(client, "kinetoscope-soundscape", prompt="Rain", duration=1)


def _slowest_s(deployed: Deployment) -> float:
    """Return the longest time that one of several small tasks took from start to end.

    A worker that only polls may begin one of them at once by chance, hardly five in a row.
    """
    slowest = 0.0
    with deployed.client() as client:
        for _ in range(5):
            started_s = time.monotonic()
            deployed.wait(client, [_sound(deployed, client)], timeout_s=60)
            slowest = max(slowest, time.monotonic() - started_s)
    return slowest
