"""The process that forks probes: quick, confined, and never the reason that a file is refused."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.unit import hostile_media, made_media

from kinetoscope.media import probing
from kinetoscope.media.inspect import InspectionFailed, InspectLimits, inspect

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every probe is started anew"),
]

LIMITS = InspectLimits()
ENDLESS = replace(LIMITS, packets_max=10**9, cpu_s_max=600, total_timeout_s=300)

ABANDON = """
import asyncio, sys
from pathlib import Path
from kinetoscope.media import probing
from kinetoscope.media.inspect import InspectLimits, inspect

async def main():
    limits = InspectLimits(packets_max=10**9, cpu_s_max=60, total_timeout_s=30)
    asking = asyncio.create_task(inspect([Path(sys.argv[1])], limits))
    await asyncio.sleep(0.5)
    print(probing._server(stills=False).process.pid, flush=True)
    await asking

asyncio.run(main())
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return made_media.image(tmp_path / "a.png")


@pytest.fixture(autouse=True)
def _own_server() -> Iterator[None]:
    """Let nothing that a test does to its server reach the next one."""
    yield
    while probing._servers:
        probing._servers.popitem()[1].end()


def server() -> psutil.Process:
    return psutil.Process(probing._server(stills=False).process.pid)


async def probes(count: int) -> list[psutil.Process]:
    """Wait until so many probes run."""
    seen = Counter[tuple[int, tuple[str, ...]]]()
    # So many looks, not so many seconds: the whole machine may stand still for a while.
    for _ in range(3000):
        running = server().children()
        if len(running) == count:
            return running
        seen[server().pid, tuple(map(state, running))] += 1
        await asyncio.sleep(0.01)
    pytest.fail(f"never {count} probes: {seen}, {asyncio.all_tasks()}")


def state(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return "gone"


def open_files(process: psutil.Process) -> set[str]:
    return {str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}


def told(process: psutil.Process, what: str) -> str:
    return Path(f"/proc/{process.pid}/{what}").read_text()


async def confined(probe: psutil.Process) -> None:
    """Wait until a probe has given everything up."""
    for _ in range(500):
        if probe.rlimit(psutil.RLIMIT_NOFILE) == (0, 0):
            return
        await asyncio.sleep(0.01)
    pytest.fail("it was never confined")


async def test_one_server_answers_for_all(picture: Path):
    await inspect([picture], LIMITS)
    first = server().pid
    for _ in range(3):
        await inspect([picture], LIMITS)
    assert server().pid == first
    assert await probes(0) == []


async def test_whatever_is_expected_everything_is_opened(tmp_path: Path, picture: Path):
    clip = made_media.video(tmp_path / "clip.mp4")
    for stills in (True, False):
        found = await inspect([picture, clip], LIMITS, stills=stills)
        assert [one.media_type for one in found] == ["image/png", "video/mp4"]
    pids = {server.process.pid for server in probing._servers.values()}
    assert len(pids) == 2, "each has loaded what it expects"


async def test_the_server_has_nothing_of_ours(picture: Path):
    os.environ["PLANTED"] = "secret"  # noqa: TID251 - what must not be handed on
    try:
        await inspect([picture], LIMITS)
        assert "PLANTED" not in server().environ()
    finally:
        del os.environ["PLANTED"]  # noqa: TID251
    targets = open_files(server())
    kinds = {target.split(":")[0] for target in targets}
    assert kinds <= {"/dev/null", "socket", "pipe"}, targets
    assert server().num_threads() == 1, "forking with threads running is asking for trouble"


async def test_a_probe_has_only_its_file_and_its_answer(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    asking = asyncio.create_task(inspect([path], ENDLESS))
    (probe,) = await probes(1)
    await confined(probe)
    targets = open_files(probe)
    assert {"/dev/null", str(path)} < targets
    assert {target.split(":")[0] for target in targets - {"/dev/null", str(path)}} == {"pipe"}
    assert probe.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert "NoNewPrivs:\t1" in told(probe, "status")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await probes(0) == [], "no probe outlives its question"


async def test_a_server_that_was_killed_is_replaced(picture: Path):
    await inspect([picture], LIMITS)
    first = server()
    first.kill()
    first.wait()
    (found,) = await inspect([picture], LIMITS)
    assert found.media_type == "image/png"
    assert server().pid != first.pid


async def test_a_server_killed_under_a_probe_is_not_the_files_fault(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    asking = asyncio.create_task(inspect([path], ENDLESS))
    await probes(1)
    first = server()
    first.kill()
    first.wait()
    await probes(1)
    assert server().pid != first.pid
    assert not asking.done(), "it was asked again, and goes on"
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_server_that_does_nothing_is_not_the_files_fault(
    picture: Path, monkeypatch: pytest.MonkeyPatch
):
    await inspect([picture], LIMITS)
    monkeypatch.setattr(probing, "START_TIMEOUT_S", 0.2)
    server().suspend()
    try:
        with pytest.raises(InspectionFailed):
            await inspect([picture], LIMITS)
    finally:
        server().resume()


async def test_nobody_is_left_behind(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    with subprocess.Popen(  # noqa: ASYNC220 - it is what the test is about
        [sys.executable, "-c", ABANDON, str(path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        left = psutil.Process(int(owner.stdout.readline()))
        everybody = [left, *left.children()]
        assert len(everybody) == 2
        owner.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(everybody, timeout=5)
    assert alive == []


async def test_probes_run_a_few_at_a_time(tmp_path: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    asking = [asyncio.create_task(inspect([path], ENDLESS)) for _ in range(20)]
    running = await probes(probing.AT_ONCE)
    assert len(running) < 20
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert await probes(0) == []


async def test_waiting_for_ones_turn_is_not_counted(tmp_path: Path, picture: Path):
    path = hostile_media.long_silence(tmp_path / "long.wav")
    asking = [asyncio.create_task(inspect([path], ENDLESS)) for _ in range(probing.AT_ONCE)]
    await probes(probing.AT_ONCE)
    limits = replace(LIMITS, total_timeout_s=2.0)
    waiting = asyncio.create_task(inspect([picture], limits))
    done, _ = await asyncio.wait({waiting}, timeout=limits.total_timeout_s + 0.5)
    assert not done, "it waits for longer than it may run"
    for one in asking:
        one.cancel()
    (found,) = await waiting
    assert found.media_type == "image/png"
    await asyncio.gather(*asking, return_exceptions=True)


async def test_the_largest_picture_fits_into_half_a_gigabyte(tmp_path: Path):
    path = hostile_media.png_bomb(tmp_path / "a.png", 7000)
    (found,) = await inspect([path], replace(LIMITS, memory_bytes_max=512 * 1024 * 1024))
    assert (found.width, found.height) == (7000, 7000)


async def test_a_loop_after_another_is_served(picture: Path):
    def ask() -> str:
        return asyncio.run(inspect([picture], LIMITS))[0].media_type

    assert [await asyncio.to_thread(ask) for _ in range(3)] == ["image/png"] * 3
