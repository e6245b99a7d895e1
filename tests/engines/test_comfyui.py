"""ComfyUI as an own engine, against a fake made from its protocol."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.engines.comfy import BIND, GRAPH, FakeComfy, comfy, with_text
from tests.providers.case import submitted
from tests.providers.upstream import ACCEPTED_THEN_DROPPED, DROPPED, Fault, media_of

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.adapter import Site
from kinetoscope.providers.comfyui.files import without_texts
from kinetoscope.providers.comfyui.provider import ComfyUIProvider, prompt_id_of
from kinetoscope.providers.comfyui.workflow import FIELDS, WorkflowInvalid, load
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Done,
    Failed,
    FetchedReference,
    Job,
    Kind,
    Lost,
    Refused,
    Silent,
    Unfetched,
    Unknown,
    Waiting,
    Working,
)
from kinetoscope.providers.results import RESULTS_AT_ONCE

pytestmark = pytest.mark.anyio

TASK = "task_comfy"
GENERATION_FAILED = "Generation failed. Please try again."
INPUTS = {"prompt": "A fox in the snow"}
WITH_IMAGE = {"prompt": "Add snow", "imageUrls": ["https://example.com/fox.png"]}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def written(folder: Path, graph: object = GRAPH) -> Path:
    path = folder / "flux.json"
    path.write_text(json.dumps(graph))
    return path


@asynccontextmanager
async def engine(folder: Path, key: str = "") -> AsyncIterator[tuple[ComfyUIProvider, FakeComfy]]:
    caller = Caller()
    workflow = load(written(folder), {"bind": BIND})
    async with comfy() as fake:
        provider = ComfyUIProvider(
            name="comfy",
            site=lambda: Site(base_url=f"http://127.0.0.1:{fake.port}", key=key),
            workflows={"flux.json": workflow},
            caller=caller,
        )
        try:
            yield provider, fake
        finally:
            await provider.stop()
            await caller.close()


def job(folder: Path, inputs: dict[str, Any] | None = None, model: str = "gpt-image-2") -> Job:
    order = check.check(builtin().find(model), inputs or INPUTS, auto_fix=False)
    references = []
    for reference in order.references:
        path = folder / "reference.png"
        path.write_bytes(media_of(MediaKind.IMAGE)[1])
        references.append(
            FetchedReference(
                reference=reference,
                path=path,
                media_type="image/png",
                width=32,
                height=16,
                duration_ms=0,
            )
        )
    outputs = folder / "outputs"
    outputs.mkdir(exist_ok=True)
    return Job(
        task_id=TASK,
        order=order,
        seed=7,
        references=tuple(references),
        folder=outputs,
        upstream_model="flux.json",
    )


async def test_a_job_waits_tells_its_progress_and_is_done(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        outcome = await provider.submit(asked)
        assert outcome == Accepted(upstream_id=prompt_id_of(TASK))
        upstream_id = prompt_id_of(TASK)
        assert await provider.status(upstream_id, asked) == Waiting()
        running = fake.begin()
        assert await provider.status(upstream_id, asked) == Working(progress=None)
        seen: list[float | None] = []
        for step in (1, 2, 3):
            await fake.tell_progress(step, 4)
            while (told := await provider.status(upstream_id, asked)) == Working(
                progress=seen[-1] if seen else None
            ):
                pass
            assert isinstance(told, Working)
            seen.append(told.progress)
        assert seen == [0.25, 0.5, 0.75]
        fake.end()
        done = await provider.status(upstream_id, asked)
        assert isinstance(done, Done), done
        assert [file.kind for file in done.files] == [MediaKind.IMAGE]
        graph = running.graph
        assert graph["6"]["inputs"]["text"] == "A fox in the snow"
        assert graph["3"]["inputs"] == {"seed": 7, "steps": 4, "positive": ["6", 0]}
        assert graph["9"]["inputs"]["filename_prefix"] == f"kinetoscope/{TASK}"
        assert provider.watching == {}


async def test_the_workflow_inside_a_picture_is_not_published(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        fake.begin()
        fake.end()
        done = await provider.status(prompt_id_of(TASK), asked)
        assert isinstance(done, Done)
        content = done.files[0].path.read_bytes()
        assert b"the whole workflow" not in content
        assert content == media_of(MediaKind.IMAGE)[1], "and nothing else is changed"


async def test_a_reference_is_uploaded_and_named_in_the_graph(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        await submitted(provider, job(tmp_path, WITH_IMAGE))
        ((name, content),) = fake.uploads.items()
        assert content == media_of(MediaKind.IMAGE)[1]
        assert fake.queued[0].graph["12"]["inputs"]["image"] == name
        assert name == f"kinetoscope/{TASK}/image1.png"


async def test_a_video_is_found_among_the_images(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        fake.kind = MediaKind.VIDEO
        asked = job(tmp_path, {"prompt": "It runs", "duration": 5}, "seedance-20")
        await provider.submit(asked)
        fake.begin()
        fake.end()
        done = await provider.status(prompt_id_of(TASK), asked)
        assert isinstance(done, Done)
        assert done.files[0].path.suffix == ".mp4"


async def test_a_lost_answer_is_looked_up_and_makes_no_second_job(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        fake.faults["/prompt"] = ACCEPTED_THEN_DROPPED
        assert isinstance(await provider.submit(asked), Unknown)
        assert await provider.find(asked) == Accepted(upstream_id=prompt_id_of(TASK))
        fake.begin()
        assert await provider.find(asked) == Accepted(upstream_id=prompt_id_of(TASK))
        fake.end()
        assert await provider.find(asked) == Accepted(upstream_id=prompt_id_of(TASK))
        assert len(fake.queued) == 1


async def test_what_never_arrived_is_absent_and_silence_is_no_absence(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        fake.faults["/prompt"] = DROPPED
        assert isinstance(await provider.submit(asked), Unknown)
        assert isinstance(await provider.find(asked), Absent)
        fake.faults["/queue"] = Fault(status=500, body={})
        assert isinstance(await provider.find(asked), Unknown)
        assert fake.queued == []


async def test_an_engine_that_is_away_has_refused(tmp_path: Path):
    async with engine(tmp_path) as (provider, _):
        away = Site(base_url="http://127.0.0.1:9", key="")
        provider.server = replace(provider.server, site=lambda: away)
        outcome = await provider.submit(job(tmp_path))
        assert isinstance(outcome, Refused)
        assert outcome.kind is Kind.TEMPORARY


async def test_a_refusal_names_the_node_to_the_operator_only(tmp_path: Path):
    async with engine(tmp_path) as (provider, _):
        with capture_logs() as logs:
            outcome = await provider.submit(job(tmp_path, {"prompt": "too long"}))
        assert isinstance(outcome, Refused)
        assert outcome.kind is Kind.PERMANENT
        assert outcome.message == "The provider refused the request."
        (told,) = logs
        assert (told["event"], told["task"]) == ("comfyui.refused", TASK)
        assert told["said"] == "Node 6 (CLIPTextEncode): text, 77 tokens"


async def test_a_key_that_is_refused_in_front_of_it_is_this_accounts_trouble(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        fake.faults["/prompt"] = Fault(status=401, body={"error": {"message": "who are you"}})
        outcome = await provider.submit(job(tmp_path))
        assert isinstance(outcome, Refused)
        assert outcome.kind is Kind.ACCOUNT
        assert "who" not in outcome.message


@pytest.mark.parametrize("begins_at_once", [False, True])
async def test_one_that_calls_jobs_what_it_likes_is_too_old_and_left_with_none(
    tmp_path: Path, *, begins_at_once: bool
):
    async with engine(tmp_path) as (provider, fake):
        fake.is_old, fake.begins_at_once = True, begins_at_once
        outcome = await provider.submit(job(tmp_path))
        assert isinstance(outcome, Refused)
        assert outcome.kind is Kind.UNSUPPORTED, "another route may do; another try may not"
        assert outcome.message == "This ComfyUI is too old: it calls jobs what it likes."
        assert len(fake.queued) == 1
        assert (fake.pending, fake.running) == ([], None)


@pytest.mark.parametrize("begins_at_once", [False, True])
async def test_what_others_have_there_goes_on_when_it_is_too_old(
    tmp_path: Path, *, begins_at_once: bool
):
    async with engine(tmp_path) as (provider, fake):
        await provider.submit(replace(job(tmp_path), task_id="task_other"))
        if begins_at_once:
            fake.begin()
        fake.is_old = True
        assert isinstance(await provider.submit(job(tmp_path)), Refused)
        others = [*fake.pending, *filter(None, [fake.running])]
        assert [prompt.id for prompt in others] == [prompt_id_of("task_other")]
        assert fake.interrupted == []


@pytest.mark.parametrize(
    ("version", "works"),
    [
        ("0.3.44", False),
        ("v0.2.7", False),
        ("0.3.45", True),
        ("0.3.100", True),
        ("1.0.0", True),
        ("", True),
        ("nightly", True),
    ],
)
async def test_a_check_tells_a_version_that_is_too_old(
    tmp_path: Path, version: str, *, works: bool
):
    async with engine(tmp_path) as (provider, fake):
        fake.version = version
        condition = await provider.check()
        assert condition.works is works
        if not works:
            assert condition.says == f"ComfyUI {version} is too old"


async def test_a_model_file_that_is_not_there_is_the_engines_trouble(tmp_path: Path):
    async with engine(tmp_path) as (provider, _):
        graph = GRAPH | {"4": {"class_type": "CheckpointLoader", "inputs": {"ckpt_name": "x"}}}
        workflow = load(written(tmp_path, graph), {"bind": BIND})
        provider.workflows = {"flux.json": workflow}
        outcome = await provider.submit(job(tmp_path))
        assert isinstance(outcome, Refused)
        assert outcome.kind is Kind.UNSUPPORTED
        assert not (await provider.check()).works


@pytest.mark.parametrize(
    ("message", "kind", "text", "said"),
    [
        (["execution_interrupted", {}], Kind.TEMPORARY, "The engine was interrupted.", ""),
        (
            ["execution_error", {"exception_message": "CUDA out of memory.", "node_type": "VAE"}],
            Kind.TEMPORARY,
            GENERATION_FAILED,
            "VAE: CUDA out of memory.",
        ),
        (
            ["execution_error", {"exception_message": "no /srv/x.pt\n", "node_type": "KSampler"}],
            Kind.PERMANENT,
            GENERATION_FAILED,
            "KSampler: no /srv/x.pt",
        ),
        (None, Kind.PERMANENT, GENERATION_FAILED, ""),
    ],
)
async def test_an_error_is_told_from_an_interruption(
    tmp_path: Path, message: object, kind: Kind, text: str, said: str
):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        fake.begin()
        fake.end("error", message)
        with capture_logs() as logs:
            status = await provider.status(prompt_id_of(TASK), asked)
        assert status == Failed(code="500", message=text, kind=kind)
        (told,) = logs
        assert (told["event"], told["task"], told["said"]) == ("comfyui.failed", TASK, said)


async def test_a_pending_job_leaves_the_queue(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        outcome = await provider.cancel(prompt_id_of(TASK), asked)
        assert outcome is CancelOutcome.STOPPED
        assert fake.pending == []
        assert fake.interrupted == []


async def test_a_running_job_is_interrupted_and_no_other(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        fake.begin()
        await provider.submit(replace(asked, task_id="task_other"))
        outcome = await provider.cancel(prompt_id_of("task_other"), asked)
        assert outcome is CancelOutcome.STOPPED
        assert fake.interrupted == [], "another job runs"
        assert await provider.cancel(prompt_id_of(TASK), asked) is CancelOutcome.STOPPED
        assert fake.interrupted == [prompt_id_of(TASK)]


async def test_a_finished_job_cannot_be_cancelled(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        fake.begin()
        fake.end()
        assert await provider.cancel(prompt_id_of(TASK), asked) is CancelOutcome.GOES_ON


async def test_after_a_restart_of_the_engine_the_job_is_lost(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        fake.restart()
        assert await provider.status(prompt_id_of(TASK), asked) == Lost()


async def test_trouble_while_following_tells_nothing(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        asked = job(tmp_path)
        await provider.submit(asked)
        fake.begin()
        fake.faults[f"/history/{prompt_id_of(TASK)}"] = Fault(status=502, body={})
        assert isinstance(await provider.status(prompt_id_of(TASK), asked), Silent)
        fake.end()
        fake.faults["/view"] = Fault(status=404, body={})
        assert isinstance(await provider.status(prompt_id_of(TASK), asked), Unfetched)
        assert isinstance(await provider.status(prompt_id_of(TASK), asked), Done)


async def test_only_so_many_jobs_bring_their_files_at_once(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        fake.showing = asyncio.Event()
        jobs = [replace(job(tmp_path), task_id=f"task_{number}") for number in range(20)]
        for number, each in enumerate(jobs):
            await provider.submit(each)
            fake.begin()
            fake.end()
            folder = tmp_path / str(number)
            folder.mkdir()
            jobs[number] = replace(each, folder=folder)
        bringing = [
            asyncio.create_task(provider.status(prompt_id_of(each.task_id), each)) for each in jobs
        ]
        await asyncio.sleep(0.5)
        assert fake.views == RESULTS_AT_ONCE
        fake.showing.set()
        assert all(isinstance(status, Done) for status in await asyncio.gather(*bringing))


def test_of_what_is_no_picture_the_first_bytes_are_read_only(tmp_path: Path):
    path = tmp_path / "clip.mp4"
    with path.open("wb") as file:
        file.write(b"\0\0\0 ftypisom")
        file.truncate(64 * 1024 * 1024)
    before = path.stat()
    assert peak_of(without_texts, path) < 1024 * 1024
    assert path.stat().st_ino == before.st_ino
    assert list(tmp_path.iterdir()) == [path]


def test_a_large_picture_loses_its_texts_piece_by_piece(tmp_path: Path):
    picture = media_of(MediaKind.IMAGE)[1]
    with_texts = with_text(picture, b"workflow\0" + bytes(8 * 1024 * 1024))
    path = tmp_path / "large.png"
    path.write_bytes(with_texts)
    assert peak_of(without_texts, path) < 1024 * 1024
    assert path.read_bytes() == picture
    cut = picture[:-20]
    path.write_bytes(cut)
    without_texts(path)
    assert cut.startswith(path.read_bytes()), "what is broken stays so, and is told elsewhere"
    assert list(tmp_path.iterdir()) == [path]


def peak_of(work: Callable[[Path], None], path: Path) -> int:
    """Return how much memory something took."""
    tracemalloc.start()
    work(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak_bytes


async def test_a_key_in_front_of_it_goes_along(tmp_path: Path):
    async with engine(tmp_path, key="in-front") as (provider, fake):
        await provider.submit(job(tmp_path))
        assert fake.authorization == "Bearer in-front"


async def test_a_check_tells_the_version(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        condition = await provider.check()
        assert condition.works
        assert condition.says == "ComfyUI 0.36.0 has every node"
        assert fake.queued == []


async def test_a_reference_without_a_place_is_not_dropped_silently(tmp_path: Path):
    async with engine(tmp_path) as (provider, fake):
        two = {"prompt": "x", "imageUrls": ["https://example.com/a.png"] * 2}
        outcome = await provider.submit(job(tmp_path, two))
        assert isinstance(outcome, Refused)
        assert outcome.message == "The workflow has no place for image2."
        assert fake.queued == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "options.bind must say at least where the prompt goes"),
        ({"bind": {"seed": "3.seed"}}, "options.bind must say at least where the prompt goes"),
        ({"bind": {"prompt": "77.text"}}, "bind.prompt: there is no node '77'"),
        (
            {"bind": {"prompt": "6.words"}},
            "bind.prompt: node 6 (CLIPTextEncode) has no input 'words'",
        ),
        (
            {"bind": {"prompt": "6.text", "colour": "6.text"}},
            f"bind.colour: there is no such field; there are {', '.join(FIELDS)}",
        ),
        ({"bind": BIND, "fps": "many"}, "fps must be a whole number"),
    ],
)
def test_a_bad_binding_is_refused_with_the_reason(
    tmp_path: Path, options: dict[str, Any], reason: str
):
    with pytest.raises(WorkflowInvalid) as caught:
        load(written(tmp_path), options)
    assert str(caught.value) == reason


@pytest.mark.parametrize("graph", [[], {}, {"nodes": [], "links": []}, {"1": {"inputs": {}}}])
def test_a_workflow_that_was_not_exported_for_the_api_is_refused(tmp_path: Path, graph: object):
    with pytest.raises(WorkflowInvalid, match="no workflow in API format"):
        load(written(tmp_path, graph), {"bind": BIND})


def test_one_wish_may_go_to_several_places(tmp_path: Path):
    workflow = load(written(tmp_path), {"bind": BIND | {"seed": ["3.seed", "5.width"]}})
    assert workflow.bindings["seed"] == (("3", "seed"), ("5", "width"))
