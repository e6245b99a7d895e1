import asyncio
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.unit import hostile_media

from kinetoscope.media import probing
from kinetoscope.media.inspect import InspectLimits, MediaRefused, inspect

pytestmark = pytest.mark.anyio

LIMITS = InspectLimits()
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="prctl and /proc are Linux's")

# Runs one command on one request and prints the peak size: a process of its own, because the
# figure a child starts with is that of whoever starts it.
MEASURE = """
import json, os, resource, subprocess, sys
command, request = json.load(sys.stdin)
request["parent"] = os.getpid()
subprocess.run(command, input=json.dumps(request).encode(), stdout=-3, stderr=-3, env={})
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""

# Starts the child on a request that keeps it busy, says which process it is, and waits.
ABANDON = """
import json, os, subprocess, sys, time
command, request = json.load(sys.stdin)
request["parent"] = os.getpid()
child = subprocess.Popen(command, stdin=-1, stdout=-1, env={})
child.stdin.write(json.dumps(request).encode())
child.stdin.close()
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""

CONFINED = """
import os, socket, subprocess
from kinetoscope.media.probe import _confine
_confine(2**30, 5)
try:
    {attempt}
except OSError as error:
    print(error.errno)
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def question(path: Path, limits: InspectLimits) -> bytes:
    request = {"parent": 0, "paths": [str(path)], "limits": asdict(limits)}
    return json.dumps([probing._command("probe"), request]).encode()


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def refusal(path: Path, limits: InspectLimits = LIMITS) -> MediaRefused:
    with pytest.raises(MediaRefused) as caught:
        await inspect([path], limits)
    return caught.value


async def test_a_picture_within_the_limit_may_still_need_too_much_memory(tmp_path: Path):
    path = hostile_media.png_bomb(tmp_path / "a.png", 7000)

    error = await refusal(path, replace(LIMITS, memory_bytes_max=150 * 1024 * 1024))

    assert error.reason == "needs too much memory to open"


@pytest.mark.parametrize("side", [7000, 13_000])
def test_the_child_stays_small(tmp_path: Path, side: int):
    path = hostile_media.png_bomb(tmp_path / "a.png", side)

    ran = subprocess.run(
        [sys.executable, "-c", MEASURE],
        input=question(path, LIMITS),
        capture_output=True,
        check=True,
        timeout=20,
    )

    assert int(ran.stdout) < 512 * 1024 * 1024


async def test_a_child_that_does_not_end_is_killed(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    began_s = time.monotonic()

    error = await refusal(path, replace(LIMITS, total_timeout_s=1.5, packets_max=10**9))

    assert error.reason == "takes too long to open"
    assert time.monotonic() - began_s < 5


async def test_a_child_that_uses_too_much_processor_time_ends(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")

    error = await refusal(path, replace(LIMITS, cpu_s_max=1, packets_max=10**9))

    assert error.reason == "cannot be decoded"


async def test_a_cancelled_inspection_ends_at_once(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    task = asyncio.create_task(inspect([path], replace(LIMITS, packets_max=10**9)))
    await asyncio.sleep(0.3)
    began_s = time.monotonic()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began_s < 2


@LINUX
def test_no_child_outlives_its_parent(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    limits = replace(LIMITS, packets_max=10**9, cpu_s_max=60)
    with subprocess.Popen(
        [sys.executable, "-c", ABANDON], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        parent.stdin.write(question(path, limits))
        parent.stdin.close()
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)

    deadline_s = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not is_running(child)


@pytest.mark.parametrize(
    "attempt",
    ["open('/dev/null')", "socket.socket()", "os.pipe()", "subprocess.run(['true'])"],
)
def test_a_confined_child_opens_nothing_any_more(attempt: str):
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            CONFINED.format(attempt=attempt),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        cwd=Path(probing.__file__).parents[2],
    )

    assert ran.stdout == "24\n"
