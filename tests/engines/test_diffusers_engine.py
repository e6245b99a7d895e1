"""The diffusers engine with real pipelines, tiny and random, on the processor."""

import asyncio
import os
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import av
import psutil
import pytest
from PIL import Image
from tests.engines.diffusion import (
    CLIP,
    ORDER,
    SOUND,
    build_pipelines,
    done,
    ended,
    engine,
    fetched,
    job,
    needs_torch,
    until_working,
)

from kinetoscope.kernel.order import Role, Size
from kinetoscope.providers.contract import (
    Accepted,
    CancelOutcome,
    Failed,
    Kind,
    Lost,
    Refused,
    Waiting,
)
from kinetoscope.providers.diffusers import process
from kinetoscope.providers.diffusers.provider import DiffusersProvider

pytestmark = [pytest.mark.anyio, needs_torch]

LONG = {"steps": 900}
"""Half a minute of steps: time enough for whatever a test does to it."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pipelines(tmp_path_factory.mktemp("pipelines"))


@pytest.fixture(scope="module")
async def provider(
    pipelines: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DiffusersProvider]:
    """One engine for all tests that leave it as it was: torch takes seconds to start."""
    async with engine(tmp_path_factory.mktemp("shared"), pipelines) as lent:
        yield lent


def pid_of(provider: DiffusersProvider) -> int:
    running = provider.desk.engines[0].process
    assert running is not None
    return running.pid


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.convert("RGB").tobytes()


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


async def test_pictures_have_the_ordered_size_and_follow_from_their_seeds(
    provider: DiffusersProvider, tmp_path: Path
):
    order = replace(ORDER, size=Size(width=100, height=70), count=2)
    made = await done(provider, job(tmp_path, "two", order))
    assert (made.ai_generated, made.preview) == (True, False)
    assert [file.seed for file in made.files] == [7, 8]
    assert [file.path.parent.name for file in made.files] == ["two-outputs"] * 2
    for file in made.files:
        assert size(file.path) == (100, 70)
    again = await done(provider, job(tmp_path, "again", replace(order, count=1)))
    other = await done(provider, job(tmp_path, "other", replace(order, count=1), seed=8))
    first, second = (pixels(file.path) for file in made.files)
    assert pixels(again.files[0].path) == first
    assert pixels(other.files[0].path) == second
    assert first != second
    assert await provider.status("two", job(tmp_path, "two")) == Lost(), "handed over once"


async def test_a_clip_has_the_frames_of_its_model_and_the_same_bytes_again(
    provider: DiffusersProvider, tmp_path: Path
):
    order = replace(CLIP, last_frame=True)
    made, again = [
        await done(provider, job(tmp_path, name, order, "video")) for name in ("one", "same")
    ]
    other = await done(provider, job(tmp_path, "else", order, "video", seed=8))
    (file,) = made.files
    with av.open(str(file.path)) as container:
        (picture,) = container.streams.video
        assert (picture.width, picture.height, picture.pix_fmt) == (96, 64, "yuv420p")
        assert picture.average_rate == 16
        assert sum(1 for _ in container.decode(picture)) == 17
        assert not container.streams.audio
    content = file.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert again.files[0].path.read_bytes() == content
    assert other.files[0].path.read_bytes() != content
    assert file.last_frame is not None
    assert size(file.last_frame) == (96, 64)


async def test_a_pipeline_that_takes_a_rate_is_given_it(
    provider: DiffusersProvider, tmp_path: Path
):
    for name, options, frames, rate in (
        ("own", {"steps": 2}, 25, 25),
        ("said", {"steps": 2, "fps": 12}, 17, 12),
    ):
        made = await done(provider, job(tmp_path, name, CLIP, "clip", options))
        with av.open(str(made.files[0].path)) as container:
            (picture,) = container.streams.video
            assert picture.average_rate == rate
            assert sum(1 for _ in container.decode(picture)) == frames


async def test_a_sound_is_as_long_as_ordered(provider: DiffusersProvider, tmp_path: Path):
    made, again = [
        await done(provider, job(tmp_path, name, SOUND, "audio")) for name in ("one", "same")
    ]
    (file,) = made.files
    assert file.media_type == "audio/wav"
    with wave.open(str(file.path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (8000, 2, 8000)
    assert again.files[0].path.read_bytes() == file.path.read_bytes()


async def test_a_picture_goes_in_and_changes_what_comes_out(
    provider: DiffusersProvider, tmp_path: Path
):
    clips, images = [], []
    for number, colour in enumerate(("red", "blue")):
        path = tmp_path / f"{colour}.png"
        Image.new("RGB", (300, 100), colour).save(path)
        first = fetched(path, role=Role.FIRST_FRAME)
        asked = job(tmp_path, f"clip-{number}", CLIP, "first_frame")
        made = await done(provider, replace(asked, references=(first,)))
        clips.append(made.files[0].path.read_bytes())
        options = {
            "steps": 4,
            "with_image": "StableDiffusionImg2ImgPipeline",
            "arguments": {"strength": 0.5},
        }
        asked = job(tmp_path, f"image-{number}", options=options)
        made = await done(provider, replace(asked, references=(fetched(path),)))
        assert size(made.files[0].path) == (96, 64)
        images.append(pixels(made.files[0].path))
    assert clips[0] != clips[1]
    assert images[0] != images[1]


async def test_an_order_that_a_pipeline_cannot_make_is_refused_at_once(
    provider: DiffusersProvider, tmp_path: Path
):
    picture = fetched(tmp_path / "a.png")
    for asked in (
        job(tmp_path, "kind", CLIP),
        job(tmp_path, "model", upstream_model="elsewhere"),
        job(tmp_path, "option", options={"stepps": 3}),
        job(tmp_path, "class", options={"pipeline": "NoSuchPipeline"}),
        job(tmp_path, "needs", CLIP, "first_frame"),
        replace(job(tmp_path, "place", CLIP, "video"), references=(picture,)),
        job(tmp_path, "pickle", upstream_model="pickled"),
    ):
        refused = await provider.submit(asked)
        assert isinstance(refused, Refused), asked.task_id
        assert refused.kind is Kind.UNSUPPORTED
        assert str(tmp_path) not in refused.message
    assert provider.commissions == {}


async def test_progress_rises_from_waiting_to_done(provider: DiffusersProvider, tmp_path: Path):
    asked = job(tmp_path, "task_1", options={"steps": 30})
    assert await provider.submit(asked) == Accepted(upstream_id="task_1")
    assert await provider.submit(asked) == Accepted(upstream_id="task_1")
    assert list(provider.commissions) == ["task_1"]
    behind = job(tmp_path, "task_2")
    await provider.submit(behind)
    assert isinstance(await provider.status("task_2", behind), Waiting)
    _, told = await ended(provider, asked)
    assert told == sorted(told)
    assert len(set(told)) > 3
    assert told[-1] <= 1
    await ended(provider, behind)


async def test_a_cancelled_job_stops_between_steps_and_the_engine_goes_on(
    provider: DiffusersProvider, tmp_path: Path
):
    await done(provider, job(tmp_path, "before"))
    pid = pid_of(provider)
    asked, behind = job(tmp_path, "long", options=LONG), job(tmp_path, "never", options=LONG)
    await provider.submit(asked)
    await provider.submit(behind)
    await until_working(provider, asked)
    assert await provider.cancel("never", behind) is CancelOutcome.STOPPED
    assert await provider.cancel("long", asked) is CancelOutcome.STOPPED
    assert await provider.status("long", asked) == Lost()
    assert await provider.status("never", behind) == Lost()
    await done(provider, job(tmp_path, "after"))
    assert pid_of(provider) == pid, "the same process, its pipeline still loaded"
    left = [path.name for path in provider.setup.folder.iterdir() if path.name != "cache"]
    assert left == []


async def test_a_job_cancelled_before_its_process_is_ready_never_runs(
    pipelines: Path, tmp_path: Path
):
    async with engine(tmp_path, pipelines) as own:
        asked = job(tmp_path, "long", options=LONG)
        await own.submit(asked)
        assert await own.cancel("long", asked) is CancelOutcome.STOPPED
        await done(own, job(tmp_path, "after"))


async def test_a_job_that_does_not_listen_is_ended_with_its_process(
    provider: DiffusersProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = job(tmp_path, "deaf", options=LONG)
    await provider.submit(asked)
    await until_working(provider, asked)
    pid = pid_of(provider)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(process, "STOP_S", 0.2)
    assert await provider.cancel("deaf", asked) is CancelOutcome.STOPPED
    await done(provider, job(tmp_path, "after"))
    assert pid_of(provider) != pid


async def test_a_process_that_dies_costs_nobody_a_job_unless_it_dies_again(
    provider: DiffusersProvider, tmp_path: Path
):
    await done(provider, job(tmp_path, "before"))
    os.kill(pid_of(provider), signal.SIGKILL)
    await done(provider, job(tmp_path, "idle"))
    (device,) = provider.desk.engines
    asked, behind = job(tmp_path, "twice", options=LONG), job(tmp_path, "behind")
    await provider.submit(asked)
    await provider.submit(behind)
    for attempt in (1, 2):
        async with asyncio.timeout(60):
            while provider.commissions["twice"].attempts < attempt or not device.loaded:
                await provider.status("twice", asked)
        os.kill(pid_of(provider), signal.SIGKILL)
    failed, _ = await ended(provider, asked)
    assert isinstance(failed, Failed)
    assert failed.kind is Kind.TEMPORARY
    status, _ = await ended(provider, behind)
    assert not isinstance(status, Failed | Lost)


async def test_what_the_pipeline_complains_of_fails_once_and_harms_nobody(
    provider: DiffusersProvider, tmp_path: Path
):
    await done(provider, job(tmp_path, "before"))
    pid = pid_of(provider)
    asked = job(tmp_path, "odd", options={"steps": 2, "arguments": {"eta": "much"}})
    await provider.submit(asked)
    failed, _ = await ended(provider, asked)
    assert failed == Failed(code="500", message="Generation failed. Please try again.")
    await done(provider, job(tmp_path, "after"))
    assert pid_of(provider) == pid


async def test_as_many_pipelines_are_kept_as_the_operator_says(pipelines: Path, tmp_path: Path):
    async with engine(tmp_path, pipelines, keep=2) as own:
        (device,) = own.desk.engines
        kept = []
        for number, name in enumerate(("image", "video", "image", "audio", "video")):
            order = {"image": ORDER, "video": CLIP, "audio": SOUND}[name]
            await done(own, job(tmp_path, str(number), order, name))
            kept.append(sorted(Path(loading.directory).name for loading in device.loaded))
    assert kept == [
        ["image"],
        ["image", "video"],
        ["image", "video"],
        ["audio", "image"],
        ["audio", "video"],
    ]


async def test_each_device_works_and_one_that_cannot_is_left_alone(pipelines: Path, tmp_path: Path):
    directories = {"image": pipelines / "image"}
    devices = ("cuda:77", "cpu")
    async with engine(tmp_path, pipelines, devices=devices, directories=directories) as own:
        jobs = [job(tmp_path, str(number)) for number in range(3)]
        for asked in jobs:
            assert isinstance(await own.submit(asked), Accepted)
        for asked in jobs:
            status, _ = await ended(own, asked)
            assert not isinstance(status, Failed | Lost)
        condition = await own.check()
        assert not condition.works


async def test_without_a_device_others_are_asked(pipelines: Path, tmp_path: Path):
    async with engine(tmp_path, pipelines, devices=("cuda:77",)) as own:
        asked = job(tmp_path, "first")
        await own.submit(asked)
        async with asyncio.timeout(60):
            while own.desk.trouble is None:
                await own.status("first", asked)
        assert isinstance(await own.status("first", asked), Waiting)
        refused = await own.submit(job(tmp_path, "second"))
        assert isinstance(refused, Refused)
        assert refused.kind is Kind.TEMPORARY


async def test_a_check_says_what_there_is(pipelines: Path, tmp_path: Path):
    directories = {"image": pipelines / "image", "video": pipelines / "video"}
    async with engine(tmp_path, pipelines, directories=directories) as own:
        condition = await own.check()
        assert condition.works, condition.says
        assert condition.says == "2 pipelines on cpu"
    async with engine(tmp_path, pipelines) as own:
        condition = await own.check()
        assert not condition.works
        assert "can run programs" in condition.says


def test_the_library_too_refuses_weights_that_can_run_programs(pipelines: Path):
    """Our own look at the directory left out: the second lock holds by itself."""
    program = f"""
from kinetoscope.providers.diffusers import loading
from kinetoscope.providers.diffusers.making import Loading
loading.class_name_of = lambda directory: ""
asked = Loading(directory={str(pipelines / "pickled")!r}, dtype="", variant="", offload="none",
                class_name="StableDiffusionPipeline", tiling=False)
try:
    loading.load(asked, "cpu")
except loading.PipelineRefused as error:
    print("refused", error)
"""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment
    )
    assert done.stdout.startswith(b"refused")
    assert not (pipelines / "pickled" / "executed").exists()


async def test_a_process_ends_with_its_worker(pipelines: Path, tmp_path: Path):
    program = f"""
import asyncio
from pathlib import Path
from tests.engines.diffusion import engine, job, until_working
async def main():
    async with engine(Path({str(tmp_path)!r}), Path({str(pipelines)!r})) as own:
        asked = job(Path({str(tmp_path)!r}), "long", options={{"steps": 900}})
        print(await own.submit(asked), flush=True)
        await until_working(own, asked)
        print("pid", own.desk.engines[0].process.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert worker.stdout is not None
    pid = 0
    async with asyncio.timeout(60):
        while not pid:
            line = await worker.stdout.readline()
            assert line
            if line.startswith(b"pid "):
                pid = int(line.split()[1])
    child = psutil.Process(pid)
    worker.kill()
    await worker.wait()
    await asyncio.to_thread(child.wait, 10)
