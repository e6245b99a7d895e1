"""A worker in this process for answers that come with a task's end, and a stranger's files."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import World
from tests.scripted import ScriptedProvider, StatusStep, done_pictures, done_video, tools_for
from tests.unit.made_media import sound

from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import MediaKind, Usage
from kinetoscope.providers.contract import Done, Job, OutputFile
from kinetoscope.tasks.advance import advance

LOOK_DELAY_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task that nobody has begun."""

    id: TaskId


def done_sound(job: Job) -> Done:
    """Finish with two seconds of sound."""
    file = OutputFile(
        path=sound(Path(job.folder) / "sound.wav", "pcm_s16le"),
        kind=MediaKind.AUDIO,
        media_type="audio/wav",
        seed=job.seed,
    )
    return Done(files=(file,), usage=Usage(), preview=False)


def done(job: Job) -> Done:
    """Finish with what was ordered."""
    match job.order.kind:
        case MediaKind.VIDEO:
            return done_video(job)
        case MediaKind.IMAGE:
            return done_pictures(job)
        case MediaKind.AUDIO:
            return done_sound(job)


@asynccontextmanager
async def working(
    world: World, *, leaving: Collection[str] = (), ending: StatusStep = done
) -> AsyncIterator[None]:
    """Make whatever waits, but for tasks that are left alone, as long as the context is."""

    async def work() -> None:
        while True:
            found = await world.runtime.database.fetch_all(
                Waiting, "select id from task where status = 'waiting' order by created_at", {}
            )
            for waiting in found:
                if waiting.id not in leaving:
                    await advance(tools_for(world, ScriptedProvider(statuses=[ending])), waiting.id)
            await asyncio.sleep(LOOK_DELAY_S)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
