"""Processes for devices, with a torch that never gets anywhere: they end when they should."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.diffusers import process
from kinetoscope.providers.diffusers.making import Loading, Making

pytestmark = pytest.mark.anyio

MAKING = Making(
    task_id="task_1",
    folder="/none",
    loading=Loading(
        directory="/none", class_name="Any", dtype="", variant="", offload="none", tiling=False
    ),
    call_as="Any",
    kind=MediaKind.IMAGE,
    arguments={},
    width=0,
    height=0,
    duration_s=0.0,
    fps=0.0,
    size_multiple=None,
    count=1,
    seed=1,
    audio=False,
    last_frame=False,
    file_format="png",
    media=(),
)


TORCH = """
import contextlib, os, pathlib, time
with contextlib.suppress(FileExistsError):
    pathlib.Path(__file__).with_name("importing").symlink_to(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def hanging_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch whose import hangs, as on a device that does; children find it as they find us."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever a test starts has ended with it."""
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


async def test_a_job_cancelled_while_its_process_starts_leaves_none_behind(tmp_path: Path):
    engine = process.Engine(device="cpu", keep=1, folder=tmp_path)
    for after_s in (0.0, 0.005, 0.02, 0.3):
        making = asyncio.create_task(engine.make(MAKING, lambda _share: None))
        await asyncio.sleep(after_s)
        making.cancel()
        await asyncio.wait([making])
        assert making.cancelled()
        assert engine.process is None


async def test_a_look_that_is_cancelled_leaves_no_process_behind(tmp_path: Path):
    for after_s in (0.0, 0.005, 0.02, 0.3):
        looking = asyncio.create_task(process.look(("cpu",), tmp_path))
        await asyncio.sleep(after_s)
        looking.cancel()
        await asyncio.wait([looking])
        assert looking.cancelled()


async def test_a_ctrl_c_for_the_worker_does_not_reach_its_processes(tmp_path: Path):
    """A terminal sends it to all processes of the group in the foreground."""
    started = await process.spawn("child", tmp_path, "cpu", "1", str(os.getpid()))
    try:
        assert os.getsid(started.pid) == started.pid
    finally:
        started.kill()
        await started.wait()


START = {
    "look": "process.look(('cpu',), folder)",
    "child": "process.Engine(device='cpu', keep=1, folder=folder)._ready()",
}


@pytest.mark.parametrize("module", list(START))
async def test_a_process_ends_with_its_worker_whatever_it_hangs_in(
    module: str, tmp_path: Path, hanging_torch: Path
):
    program = f"""
import asyncio
from pathlib import Path
from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.diffusers import process
folder = Path({str(tmp_path)!r})
asyncio.run({START[module]})
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        env={"PYTHONPATH": os.pathsep.join([str(hanging_torch), *sys.path])},
    )
    importing = hanging_torch / "importing"
    try:
        async with asyncio.timeout(30):
            while not importing.is_symlink():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.02)
    finally:
        worker.kill()
        await worker.wait()
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(importing.readlink().name)).wait(10)
