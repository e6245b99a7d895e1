"""What tests of the diffusers engine share: orders, jobs, and the tiny pipelines on disk."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from kinetoscope.kernel.order import JSON, MediaKind, Order, Reference, Role, Size
from kinetoscope.providers.contract import (
    Done,
    Failed,
    FetchedReference,
    Job,
    Lost,
    Status,
    Waiting,
    Working,
)
from kinetoscope.providers.diffusers.provider import DiffusersProvider, Setup
from kinetoscope.providers.diffusers.signature import NEEDED

installed = all(find_spec(name) for name in NEEDED)
wanted = "DIFFUSERS_TESTS" in os.environ  # noqa: TID251 - set by `./dev test --diffusers`
needs_torch = pytest.mark.skipif(
    not installed and not wanted, reason="needs torch: ./dev test --diffusers"
)

NAMES = ("image", "video", "first_frame", "clip", "audio", "pickled")

ORDER = Order(
    model="own",
    kind=MediaKind.IMAGE,
    prompt="a fox runs through snow",
    size=Size(width=96, height=64),
    sizes=(),
    duration_s=0,
    count=1,
    seed=None,
    audio=False,
    file_format="png",
    last_frame=False,
    quality="",
    resolution="",
    references=(),
    inputs={},
)
CLIP = replace(ORDER, kind=MediaKind.VIDEO, duration_s=1, file_format="mp4")
SOUND = replace(ORDER, kind=MediaKind.AUDIO, size=None, duration_s=1, file_format="wav")
STEPS: Mapping[str, JSON] = {"steps": 2}


def build_pipelines(folder: Path) -> Path:
    """Make the tiny pipelines, in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "tests.engines.tiny_pipelines", str(folder)],
        check=True,
        capture_output=True,
        timeout=240,
        cwd=Path(__file__).parent.parent.parent,
        env={"PYTHONPATH": ":".join(sys.path), "HF_HUB_OFFLINE": "1"},
    )
    return folder


@asynccontextmanager
async def engine(
    folder: Path,
    pipelines: Path,
    **changes: Any,  # noqa: ANN401 - fields of Setup
) -> AsyncIterator[DiffusersProvider]:
    """Lend an engine on the processor."""
    setup = Setup(
        directories={name: pipelines / name for name in NAMES},
        devices=("cpu",),
        folder=folder / "engine",
    )
    provider = DiffusersProvider(name="own", setup=replace(setup, **changes))
    await provider.start()
    try:
        yield provider
    finally:
        await provider.stop()


def job(
    folder: Path,
    task_id: str,
    order: Order = ORDER,
    upstream_model: str = "image",
    options: Mapping[str, Any] = STEPS,
    seed: int = 7,
) -> Job:
    outputs = folder / f"{task_id}-outputs"
    outputs.mkdir(exist_ok=True)
    return Job(
        task_id=task_id,
        order=order,
        seed=seed,
        references=(),
        folder=outputs,
        upstream_model=upstream_model,
        options=options,
    )


def fetched(
    path: Path, kind: MediaKind = MediaKind.IMAGE, role: Role = Role.REFERENCE
) -> FetchedReference:
    return FetchedReference(
        reference=Reference(kind=kind, role=role, url="https://example.com/it", number=1),
        path=path,
        media_type="image/png",
        width=96,
        height=64,
        duration_ms=0 if kind is MediaKind.IMAGE else 1000,
    )


async def ended(provider: DiffusersProvider, asked: Job) -> tuple[Status, list[float]]:
    """Follow a job to its end; return it with every progress that was told."""
    told: list[float] = []
    async with asyncio.timeout(120):
        while True:
            status = await provider.status(asked.task_id, asked)
            match status:
                case Done() | Failed() | Lost():
                    return status, told
                case Working(progress=float() as progress):
                    told.append(progress)
                case _:
                    pass


async def done(provider: DiffusersProvider, asked: Job) -> Done:
    """Submit a job and return what came of it, which must be good."""
    outcome = await provider.submit(asked)
    status, _ = await ended(provider, asked)
    assert isinstance(status, Done), (outcome, status)
    return status


async def until_working(provider: DiffusersProvider, asked: Job, share: float = 0.0) -> None:
    """Wait until a job has made some progress."""
    async with asyncio.timeout(120):
        while True:
            status = await provider.status(asked.task_id, asked)
            assert isinstance(status, Waiting | Working), status
            if isinstance(status, Working) and (status.progress or 0) > share:
                return
