"""The embedded renderer as a provider: jobs by task id, so that submitting twice makes one."""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import structlog

from kinetoscope.kernel.order import MediaKind, Order, Role, Size, Usage
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Condition,
    Done,
    Failed,
    FetchedReference,
    FindOutcome,
    Idempotency,
    Job,
    Kind,
    Lost,
    OutputFile,
    Refused,
    Status,
    SubmitOutcome,
    Waiting,
    Working,
)
from kinetoscope.providers.embedded.process import ProcessPool, RenderingBroke, RenderingRefused
from kinetoscope.providers.embedded.work import Picture, Rendered, Work
from kinetoscope.providers.local import OnThisMachine

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 2
UNCLAIMED_S_MAX = 600

NEWS_TIMEOUT_S = 0.5

SOURCE_DURATION_S_MAX = 30
DURATION_S_DEFAULT = 5

TOKENS_PER_MEGAPIXEL = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6240, "max": 8320}
"""Image tokens of a 1024x1024 output; ours beyond `high`.
https://platform.openai.com/docs/guides/image-generation#cost-and-latency"""
PIXELS_PER_MEGAPIXEL = 1024 * 1024
CHARACTERS_PER_TOKEN = 4

ROUNDING_SLACK_MS = 100
"""Honest clips run over by a few frames; that is not another second to pay for."""


@dataclass(slots=True, kw_only=True)
class Rendering:
    """A job in this process: what is asked, how far it is, and how it ended."""

    work: Work
    folder: Path
    pool: ProcessPool
    news: asyncio.Event = field(default_factory=asyncio.Event)
    started: bool = False
    progress: float = 0.0
    ended: tuple[Rendered, ...] | Failed | None = None
    ended_s: float | None = None
    runner: asyncio.Task[None] | None = None


class EmbeddedProvider(OnThisMachine):
    """Renders on this machine. Jobs live and die with this process; the task row outlives both."""

    name = "embedded"
    idempotency = Idempotency.CLIENT_TOKEN
    polling = None

    def __init__(self, *, processes: int, folder: Path) -> None:
        self.pool = ProcessPool(processes)
        self.spare_pool = ProcessPool(1, spare_time=True)
        self.folder = folder
        self.renderings: dict[str, Rendering] = {}

    async def start(self) -> None:
        """Start the rendering processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.pool.start()

    async def stop(self) -> None:
        """End every rendering and its process."""
        for task_id in list(self.renderings):
            await self._end(task_id)
        await self.pool.stop()
        await self.spare_pool.stop()

    async def submit(self, job: Job) -> SubmitOutcome:
        """Begin a rendering, or join the one under way for this task."""
        if job.task_id in self.renderings:
            return Accepted(upstream_id=job.task_id)
        self._forget_unclaimed()
        folder = self.folder / job.task_id
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            rendering = Rendering(
                work=work_of(job, _keep(job, folder)),
                folder=folder,
                pool=self.spare_pool if job.may_wait else self.pool,
            )
        except OSError as error:
            return Refused(code="500", message=str(error), kind=Kind.TEMPORARY)
        self.renderings[job.task_id] = rendering
        rendering.runner = asyncio.create_task(self._run(rendering), name=f"render {job.task_id}")
        return Accepted(upstream_id=job.task_id)

    async def status(self, upstream_id: str, job: Job) -> Status:
        """Say how a rendering goes; finished files move into the job's own folder."""
        rendering = self.renderings.get(upstream_id)
        if rendering is None:
            return Lost()
        try:
            async with asyncio.timeout(NEWS_TIMEOUT_S):
                await rendering.news.wait()
        except TimeoutError:
            pass
        rendering.news.clear()
        match rendering.ended:
            case None:
                progress = rendering.progress
                return Working(progress=progress) if rendering.started else Waiting()
            case Failed() as failed:
                self._forget(upstream_id)
                return failed
            case tuple() as files:
                done = Done(
                    files=tuple(_hand_over(file, job) for file in files),
                    usage=usage_of(job.order, rendering.work, job.references),
                    preview=True,
                    ai_generated=False,
                )
                self._forget(upstream_id)
                return done
            case _:
                assert_never(rendering.ended)

    async def find(self, job: Job) -> FindOutcome:
        """Say whether this process has the job."""
        return Accepted(upstream_id=job.task_id) if job.task_id in self.renderings else Absent()

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """End a rendering and its process."""
        del job
        await self._end(upstream_id)
        return CancelOutcome.STOPPED

    async def check(self) -> Condition:
        """Always fine: it needs nothing but this machine."""
        return Condition(works=True, says="renders on this machine")

    async def _end(self, upstream_id: str) -> None:
        rendering = self.renderings.get(upstream_id)
        if rendering is None:
            return
        if rendering.runner is not None:
            rendering.runner.cancel()
            await asyncio.wait([rendering.runner])
        self._forget(upstream_id)

    async def _run(self, rendering: Rendering) -> None:
        def on_start() -> None:
            rendering.started = True
            rendering.news.set()

        def on_progress(share: float) -> None:
            rendering.progress = share

        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                rendering.ended = await rendering.pool.render(
                    rendering.work, rendering.folder, on_start, on_progress
                )
                break
            except RenderingRefused as error:
                rendering.ended = Failed(code="InvalidParameter", message=str(error))
                break
            except RenderingBroke as error:
                log.warning("rendering.broke", attempt=attempt, error=str(error))
            except Exception:
                # Whatever it was, the rendering must end, or its task would wait for it.
                log.exception("rendering.bug", attempt=attempt)
        if rendering.ended is None:
            rendering.ended = Failed(code="500", message="Generation failed. Please try again.")
        rendering.ended_s = asyncio.get_running_loop().time()
        rendering.news.set()

    def _forget_unclaimed(self) -> None:
        """Let go of results that nobody came for, as when another worker took the task over."""
        oldest_s = asyncio.get_running_loop().time() - UNCLAIMED_S_MAX
        for task_id, rendering in list(self.renderings.items()):
            if rendering.ended_s is not None and rendering.ended_s < oldest_s:
                self._forget(task_id)

    def _forget(self, task_id: str) -> None:
        rendering = self.renderings.pop(task_id)
        shutil.rmtree(rendering.folder, ignore_errors=True)


def _keep(job: Job, folder: Path) -> tuple[Picture, ...]:
    """Take the references along: the job's folder may go while the rendering goes on."""
    pictures = []
    for number, fetched in enumerate(job.references):
        path = folder / f"reference-{number}"
        try:
            path.hardlink_to(fetched.path)
        except OSError:
            shutil.copyfile(fetched.path, path)
        reference = fetched.reference
        pictures.append(Picture(kind=reference.kind, role=reference.role, path=path))
    return tuple(pictures)


def _hand_over(file: Rendered, job: Job) -> OutputFile:
    kept = file.path.rename(job.folder / file.path.name)
    last_frame = file.last_frame
    if last_frame is not None:
        last_frame = last_frame.rename(job.folder / last_frame.name)
    return OutputFile(
        path=kept,
        kind=job.order.kind,
        media_type=file.media_type,
        seed=file.seed,
        last_frame=last_frame,
    )


def work_of(job: Job, pictures: tuple[Picture, ...]) -> Work:
    """Translate an order into a rendering."""
    order = job.order
    return Work(
        kind=order.kind,
        prompt=order.prompt,
        seed=job.seed,
        size=size_of(order, job.references),
        duration_s=duration_s_of(order, job.references),
        count=order.count,
        audio=order.audio,
        file_format=order.file_format,
        last_frame=order.last_frame,
        transparent=order.inputs.get("background") == "transparent",
        pictures=pictures,
    )


def size_of(order: Order, references: tuple[FetchedReference, ...]) -> Size:
    """Return the ordered size, or of the sizes on offer the one shaped most like the reference."""
    if order.size is not None:
        return order.size
    shaped = [fetched for fetched in references if fetched.width and fetched.height]
    if not order.sizes:
        return Size(width=0, height=0)
    if not shaped:
        return order.sizes[0]
    # Cross-multiplied integers, so that ties fall the same way on every machine.
    wanted = shaped[0]

    def distance(size: Size) -> int:
        return abs(size.width * wanted.height - size.height * wanted.width) // size.height

    return min(order.sizes, key=distance)


def duration_s_of(order: Order, references: tuple[FetchedReference, ...]) -> float:
    """Return the ordered length in seconds; an edit is as long as the clip it edits."""
    if order.kind is MediaKind.IMAGE or order.duration_s > 0:
        return float(order.duration_s)
    sources = [fetched for fetched in references if fetched.reference.role is Role.SOURCE]
    if not sources:
        return float(DURATION_S_DEFAULT)
    return min(sources[0].duration_ms / 1000, float(SOURCE_DURATION_S_MAX))


def usage_of(order: Order, work: Work, references: tuple[FetchedReference, ...]) -> Usage:
    """Estimate what an upstream would have counted."""
    video_ms = sum(
        fetched.duration_ms for fetched in references if fetched.reference.kind is MediaKind.VIDEO
    )
    images = [fetched for fetched in references if fetched.reference.kind is MediaKind.IMAGE]
    return Usage(
        reference_video_s=max(0, -(-(video_ms - ROUNDING_SLACK_MS) // 1000)),
        tokens_text_in=-(-len(order.prompt) // CHARACTERS_PER_TOKEN),
        tokens_image_in=sum(
            _tokens(fetched.width * fetched.height, "medium") for fetched in images
        ),
        tokens_image_out=_tokens(work.size.width * work.size.height, order.quality) * order.count,
    )


def _tokens(pixels: int, quality: str) -> int:
    rate = TOKENS_PER_MEGAPIXEL.get(quality, TOKENS_PER_MEGAPIXEL["medium"])
    return -(-pixels * rate // PIXELS_PER_MEGAPIXEL)
