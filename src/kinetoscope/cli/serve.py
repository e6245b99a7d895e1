"""`kinetoscope serve`: the database, the API and workers, kept running until told to stop."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from kinetoscope.cli.first_start import TAKEN, Begun
from kinetoscope.engine import Timing
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.settings import Settings, child_environment
from kinetoscope.tasks import samples

log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 60
READY_DELAY_S = 0.02
RESTART_DELAY_S = 0.1
RESTART_DELAY_S_MAX = 5.0
NAMES_MAX = 20
LIVED_S = 3.0
"""What ends sooner cannot start; it is tried ever less often."""
STOP_TIMEOUTS_S = {"api": 12.0, "worker": Timing().stop_s}
"""The worker may wait for answers that were paid for."""
HTTP_OK = 200

TRY_IT = {
    "model": "seedance-20",
    "inputs": {
        "prompt": "A beautiful sunset over the ocean",
        "duration": "5",
        "aspectRatio": "16:9",
    },
}


def claim_port(settings: Settings) -> None:
    """Find out early, and say plainly, if the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingInvalid(
                f"KINETOSCOPE_HOST {settings.host}, KINETOSCOPE_PORT {settings.port}: "
                f"{error.strerror}"
            ) from None


def banner(settings: Settings, begun: Begun) -> str:
    """Return the lines that tell a person where the server is and what to try."""
    key = begun.key
    link = begun.link
    if not settings.is_local and link != TAKEN:
        link = "(make one: kinetoscope people link EMAIL)"
    if key is None:
        shown = "(make one: kinetoscope keys create --account local --name mine)"
    elif settings.is_local:
        shown = key
    else:
        shown = f"(in {settings.data_dir / 'local-key'})"
    bearer = key if key is not None and settings.is_local else "$KINETOSCOPE_KEY"
    url = f"{settings.public_url}/api/v1/jobs"
    return (
        f"address  {settings.public_url}\n"
        f"key      {shown}\n"
        f"curl     curl -sS {url}/createTask"
        f' -H "Authorization: Bearer {bearer}" -H "Content-Type: application/json"'
        f" -d '{json.dumps(TRY_IT)}'\n"
        f'then     curl -sS "{url}/recordInfo?taskId=TASK_ID" -H "Authorization: Bearer {bearer}"\n'
        f"{_demo_lines(settings, url)}"
        f"sign in  {link}\n"
    )


def _demo_lines(settings: Settings, url: str) -> str:
    if not settings.demo_key:
        return ""
    task_id = samples.SAMPLES[0].id
    bearer = f'-H "Authorization: Bearer {settings.demo_key}"'
    return f'demo     curl -sS "{url}/recordInfo?taskId={task_id}" {bearer}\n'


def heed(stop: Callable[[], None]) -> None:
    """Have `stop` called by SIGTERM, SIGINT, and SIGHUP unless that is ignored, as by `nohup`."""
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if ending is not signal.SIGHUP or signal.getsignal(ending) is not signal.SIG_IGN:
            loop.add_signal_handler(ending, stop)


async def supervise(settings: Settings, conninfo: str, begun: Begun) -> None:
    """Keep the API and workers running until told to stop, then stop them in that order.

    Should keeping one fail by itself, the others are stopped and its error is raised.
    """
    stop = asyncio.Event()
    heed(stop.set)
    environment = child_environment(conninfo)
    children = [asyncio.create_task(_keep("api", environment))]
    stopping = asyncio.create_task(stop.wait())
    ready = asyncio.create_task(_ready(settings))
    try:
        await asyncio.wait([ready, stopping, *children], return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not stop.is_set():
            # They warm up second: requests are taken in and kept before they can be worked on.
            children += [
                asyncio.create_task(_keep("worker", environment))
                for _ in range(settings.worker_processes)
            ]
            _greet(settings, begun, is_ready=ready.result())
        await asyncio.wait([stopping, *children], return_when=asyncio.FIRST_COMPLETED)
        for child in children:
            if child.done():
                child.result()  # by itself it ends by an error only
        log.info("serve.stopping")
    finally:
        for part in (ready, *children[:1]):
            await _ended(part)
        await asyncio.gather(*map(_ended, children[1:]))  # each may wait long for answers
        log.info("serve.stopped")


def _greet(settings: Settings, begun: Begun, *, is_ready: bool) -> None:
    if not is_ready:
        log.error("serve.not_ready", timeout_s=READY_TIMEOUT_S)
        return
    sys.stdout.write(banner(settings, begun))
    if not settings.is_local and settings.public_url.startswith("http://127.0.0.1"):
        log.warning("serve.public_url_is_local", set="KINETOSCOPE_PUBLIC_URL")
    sys.stdout.flush()


async def _ended(part: asyncio.Task[Any]) -> None:
    part.cancel()
    await asyncio.wait([part])
    if not part.cancelled() and (error := part.exception()) is not None:
        # Told rather than raised, since there are others to stop.
        log.error("serve.part_failed", exc_info=error)


async def _keep(command: str, environment: dict[str, str]) -> None:
    """Run one of our own modules, again whenever it ends; stop it when cancelled."""
    delay_s = RESTART_DELAY_S
    before: deque[str] = deque(maxlen=NAMES_MAX)
    while True:
        # Each has a name, and hears those of its predecessors, who have certainly ended: a worker
        # puts their tasks back, and may be killed before it gets to that.
        name = secrets.token_hex(8)
        started_s = asyncio.get_running_loop().time()
        try:
            process = await _start(command, name, before, environment)
        except OSError as error:  # no descriptors, processes or memory left, for a while
            log.error("serve.child_not_started", command=command, reason=str(error))  # noqa: TRY400
        else:
            code = await _end_of(process, STOP_TIMEOUTS_S[command])
            before.append(name)
            if asyncio.get_running_loop().time() - started_s > LIVED_S:
                delay_s = RESTART_DELAY_S
            log.error("serve.child_ended", command=command, code=code, restart_in_s=delay_s)
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, RESTART_DELAY_S_MAX)


async def _start(
    command: str, name: str, before: Iterable[str], environment: dict[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"kinetoscope.cli.{command}", "--parent", str(os.getpid())),
        *("--name", name, "--after", *before),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us; we end the others in order
    )


async def _end_of(process: asyncio.subprocess.Process, stop_timeout_s: float) -> int:
    """Wait until a process ends; stop it when cancelled."""
    try:
        return await process.wait()
    except asyncio.CancelledError:
        await _stop(process, stop_timeout_s)
        raise


async def _stop(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ready(settings: Settings) -> bool:
    """Wait for the first 200 of /readyz."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    url = f"http://{host}:{settings.port}/readyz"
    deadline_s = asyncio.get_running_loop().time() + READY_TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline_s:
        if await asyncio.to_thread(_answers, url):
            return True
        await asyncio.sleep(READY_DELAY_S)
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == HTTP_OK)
    except (urllib.error.URLError, OSError):
        return False
