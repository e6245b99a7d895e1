"""A provider that does what a test tells it to, real small media files, and a worker's tools."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from tests.conftest import Person, World
from typing_extensions import override

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import MediaKind, Usage
from kinetoscope.kernel.outbound import Egress
from kinetoscope.media.store import MediaStore
from kinetoscope.postgres.listening import Listener
from kinetoscope.providers.breaker import Breakers
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    CancelOutcome,
    Condition,
    Done,
    FindOutcome,
    Idempotency,
    Job,
    OutputFile,
    Polling,
    Prepared,
    Refused,
    Status,
    SubmitOutcome,
)
from kinetoscope.tasks import intents
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.cancellations import Cancellations
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.served import Served
from kinetoscope.tasks.tools import Tools
from kinetoscope.tasks.wakes import WAKE_CHANNEL, Wakes
from kinetoscope.wiring import lifetimes_of

PATH_CREATE = "/api/v1/jobs/createTask"
PATH_RECORD = "/api/v1/jobs/recordInfo"

VIDEO = {"model": "seedance-20", "inputs": {"prompt": "a sunset"}}
"""200 credits."""
PICTURE = {"model": "gpt-image-2", "inputs": {"prompt": "a sunset"}}
"""2.17 credits."""
TOKENS = {"model": "gpt-image-2.5-flare", "inputs": {"prompt": "a sunset"}}
"""1.75 credits are held; the tokens used decide."""
FOUR = {"model": "midjourney-v8", "inputs": {"prompt": "a sunset"}}
"""12 credits, four pictures."""


class Killed(BaseException):
    """What a killed process looks like to the code that was running: nothing after it happens."""


SubmitStep = SubmitOutcome | BaseException | Callable[[Job], SubmitOutcome]
PrepareStep = Prepared | Refused | BaseException
StatusStep = Status | BaseException | Callable[[Job], Status]

INTENT = intents.Intent(provider="embedded", upstream_model="", reference_video_s=0)
"""What a worker writes down before it submits to the scripted provider."""

Meanwhile = Callable[[], Awaitable[object]]

ACCEPTED = Accepted(upstream_id="upstream-1")


class ScriptedProvider:
    """Plays a list of outcomes, one per call, and remembers what it was asked.

    A call beyond the end of its list fails the test: nothing may be asked once too often.
    """

    def __init__(
        self,
        submits: Iterable[SubmitStep] = (ACCEPTED,),
        statuses: Iterable[StatusStep] = (),
        *,
        idempotency: Idempotency = Idempotency.CLIENT_TOKEN,
        finds: Iterable[FindOutcome] = (),
        cancels: Iterable[CancelOutcome] = (),
        polling: Polling | None = None,
    ) -> None:
        self.name = "embedded"
        self.submit_timeout_s = 30.0
        self.at_once = False
        self.to_prepare: deque[PrepareStep] = deque()
        self.jobs: list[Job] = []
        self.polling = polling
        self.idempotency = idempotency
        self.to_find = deque(finds)
        self.to_cancel = deque(cancels)
        self.sought: list[str] = []
        self.to_submit = deque(submits)
        self.to_tell = deque(statuses)
        self.submitted: list[str] = []
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    def answers_at_once(self, job: Job) -> bool:
        del job
        return self.at_once

    async def prepare(self, job: Job) -> Prepared | Refused:
        """Prepare nothing, unless the script says otherwise."""
        del job
        step = self.to_prepare.popleft() if self.to_prepare else Prepared()
        if isinstance(step, BaseException):
            raise step
        return step

    async def submit(self, job: Job) -> SubmitOutcome:
        self.submitted.append(job.task_id)
        self.jobs.append(job)
        assert self.to_submit, "submitted once too often"
        step = self.to_submit.popleft()
        if isinstance(step, BaseException):
            raise step
        return step(job) if callable(step) else step

    async def status(self, upstream_id: str, job: Job) -> Status:
        self.asked.append(upstream_id)
        assert self.to_tell, "asked once too often"
        step = self.to_tell.popleft()
        if isinstance(step, BaseException):
            raise step
        return step(job) if callable(step) else step

    async def find(self, job: Job) -> FindOutcome:
        self.sought.append(job.task_id)
        return self.to_find.popleft() if self.to_find else Absent()

    async def cancel(self, upstream_id: str, job: Job) -> CancelOutcome:
        """Stop, unless the script says otherwise."""
        del job
        self.cancelled.append(upstream_id)
        return self.to_cancel.popleft() if self.to_cancel else CancelOutcome.STOPPED

    async def check(self) -> Condition:
        return Condition(works=True, says="plays a script")

    async def start(self) -> None:
        """Nothing to warm up."""

    async def stop(self) -> None:
        """Nothing to let go of."""


class MovedWakes(Wakes):
    """Pauses that take no time: the world's clock is moved instead, and a test may step in."""

    def __init__(self, world: World, meanwhile: Meanwhile | None) -> None:
        super().__init__(Listener(world.runtime.database.conninfo, WAKE_CHANNEL))
        self.clock = world.clock
        self.meanwhile = meanwhile
        self.pauses_s: list[float] = []

    @override
    async def pause(self, task_id: str, delay_s: float) -> None:
        self.pauses_s.append(delay_s)
        if self.meanwhile is not None:
            await self.meanwhile()
        self.clock.move(timedelta(seconds=delay_s))
        await asyncio.sleep(0)


class DyingStore(MediaStore):
    """A store whose process is killed in front of the put of this number, counted from 1."""

    def __init__(self, url: str, dies_at: int) -> None:
        super().__init__(url)
        self.puts_left = dies_at - 1

    @override
    async def put(self, name: str, path: Path) -> None:
        if self.puts_left == 0:
            raise Killed
        self.puts_left -= 1
        await super().put(name, path)


def tools_for(
    world: World,
    *providers: ScriptedProvider,
    store: MediaStore | None = None,
    task_deadline: timedelta = timedelta(minutes=60),
    routes: tuple[Route, ...] = (),
    queues: frozenset[str] | None = None,
    meanwhile: Meanwhile | None = None,
) -> Tools:
    """Give a worker's tools with these providers in place of the embedded renderer."""
    runtime = world.runtime
    wakes = MovedWakes(world, meanwhile)
    all_routes = runtime.routes
    if routes:
        by_model = dict.fromkeys(runtime.routes.by_model, routes)
        all_routes = replace(all_routes, by_model=by_model)
    return Tools(
        database=runtime.database,
        catalog=runtime.catalog,
        providers={provider.name: provider for provider in providers},
        store=store or runtime.store,
        signer=runtime.signer,
        egress=Egress(),
        clock=world.clock,
        folder=runtime.settings.work_dir / "scripted",
        routes=all_routes,
        queues=queues,
        breakers=Breakers(),
        wakes=wakes,
        cancellations=Cancellations(runtime.database, wakes),
        served=Served(runtime.database, queues or frozenset(all_routes.queues.values())),
        task_deadline=task_deadline,
        unknown_deadline=timedelta(minutes=30),
        lifetimes=lifetimes_of(runtime.settings),
    )


def paint(path: Path, width: int = 32, height: int = 16) -> Path:
    """Write a small PNG."""
    Image.new("RGB", (width, height), (200, 90, 30)).save(path)
    return path


def film(path: Path, width: int = 64, height: int = 48, *, frames: int = 12) -> Path:
    """Write a small MP4: H.264, 24 frames a second, no sound."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, 24)
        for number in range(frames):
            shade = np.full((height, width, 3), 10 * number % 256, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def done_video(job: Job) -> Done:
    """Finish with a clip of half a second and its last frame."""
    clip = OutputFile(
        path=film(job.folder / "clip.mp4"),
        kind=MediaKind.VIDEO,
        media_type="video/mp4",
        seed=job.seed,
        last_frame=paint(job.folder / "last.png", 64, 48),
    )
    return Done(files=(clip,), usage=Usage(), preview=False)


def done_pictures(job: Job) -> Done:
    """Finish with as many pictures as were ordered, each a little wider than the one before."""
    files = tuple(
        OutputFile(
            path=paint(job.folder / f"{number}.png", 30 + number, 20),
            kind=MediaKind.IMAGE,
            media_type="image/png",
            seed=job.seed,
        )
        for number in range(1, job.order.count + 1)
    )
    return Done(files=files, usage=Usage(), preview=False)


def done_with_usage(usage: Usage) -> Callable[[Job], Done]:
    """Finish with pictures and a bill."""
    return lambda job: replace(done_pictures(job), usage=usage)


async def create(world: World, person: Person, order: object) -> TaskId:
    """Create a task over HTTP."""
    response = await world.client.post(PATH_CREATE, json=order, headers=person.headers)
    assert response.status_code == 200, response.text
    return TaskId(response.json()["taskId"])


async def record(world: World, person: Person, task_id: str) -> dict[str, Any]:
    """Read a task over HTTP."""
    response = await world.client.get(
        PATH_RECORD, params={"taskId": task_id}, headers=person.headers
    )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def stored_names(world: World) -> set[str]:
    """List what lies in the store."""
    folder = world.runtime.settings.data_dir / "media"
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def assert_in_order(world: World, *, ended: int) -> None:
    """See that the books agree, and that no scratch space is left."""
    assert await audit(world.runtime.database) == []
    assert await world.count("ledger_entry where kind in ('capture', 'release')") == ended
    scratch = world.runtime.settings.work_dir / "scripted"
    assert not scratch.exists() or list(scratch.iterdir()) == []
