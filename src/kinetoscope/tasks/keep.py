"""Keep: take finished files in, each known to the database before the store has it."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import structlog

from kinetoscope.kernel.errors import LeaseLost
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.media import provenance
from kinetoscope.media.files import FileKind
from kinetoscope.media.inspect import Inspected, InspectLimits, MediaRefused, inspect
from kinetoscope.media.provenance import Marked, Statement
from kinetoscope.media.store import ENDINGS, StoreFailed, media_type_of
from kinetoscope.providers.contract import Done, OutputFile
from kinetoscope.tasks import ending, store
from kinetoscope.tasks.task import StoredOutput, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

STORE_DELAYS_S = (1, 2, 4, 8, 16, 30, 60, 60, 60, 60)
"""Five minutes of trouble with the store cost nobody a rendering. The last is repeated."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a kept file's bytes come to. `signed` is None where nothing signs."""

    bytes_size: int
    sha256: bytes
    signed: bool | None


async def keep(tools: Tools, task: Task, done: Done, count: int) -> list[JSON]:
    """Inspect every file, then store them all: what is reported is what is in the file.

    Fewer files than were ordered are none: clients pay for what they ordered. Names follow from
    the task, so storing twice after a crash gives one file, not two. Raises MediaRefused.
    """
    made = done.files
    if len(made) < max(1, count):
        raise MediaRefused(len(made), "is missing")
    frames = [file.last_frame for file in made if file.last_frame is not None]
    stills = all(file.kind is MediaKind.IMAGE for file in made)
    paths = [*(file.path for file in made), *frames]
    inspected = await inspect(paths, InspectLimits(), stills=stills)
    statement = Statement(task.model, done.ai_generated, done.preview)
    outputs: list[JSON] = []
    for number, (file, found) in enumerate(zip(made, inspected, strict=False), start=1):
        name = f"{task.media_name}-{number}.{_ending(file, found)}"
        digest = await _keep_one(tools, task, statement, name, FileKind.OUTPUT, file.path)
        last_frame_name = None
        if file.last_frame is not None:
            last_frame_name = f"{task.media_name}-{number}-last.png"
            await _keep_one(
                tools, task, statement, last_frame_name, FileKind.LAST_FRAME, file.last_frame
            )
        outputs.append(
            StoredOutput(
                name=name,
                width=found.width,
                height=found.height,
                media_type=found.media_type,
                seed=file.seed,
                duration_ms=found.duration_ms,
                bytes_size=digest.bytes_size,
                has_audio=found.has_audio,
                last_frame_name=last_frame_name,
                signed=digest.signed,
            ).as_json()
        )
    return outputs


async def _keep_one(
    tools: Tools,
    task: Task,
    statement: Statement,
    name: str,
    kind: FileKind,
    path: Path,
) -> Digest:
    """Mark, register, put."""
    marked = await provenance.mark(path, media_type_of(name), statement, tools.credentials)
    digest = await asyncio.to_thread(_digest, marked)
    await _register(tools, task, name, kind, digest)
    await _put(tools, task, name, marked.path)
    return digest


async def _register(tools: Tools, task: Task, name: str, kind: FileKind, digest: Digest) -> None:
    """Make a file known right before it is put, while the task is ours. Raises LeaseLost.

    The task's end decides on the expiry; this one bounds neglect.
    """
    now = tools.clock()
    registered = await tools.database.execute(
        f"""
        insert into media_file
          (name, account_id, task_id, kind, media_type, bytes_size, sha256, created_at, expires_at)
        select %(name)s, account_id, id, %(kind)s, %(media_type)s, %(bytes_size)s, %(sha256)s,
               %(now)s, %(expires_at)s
        from task where {store.FENCE}
        on conflict (name) do update
        set media_type = excluded.media_type, bytes_size = excluded.bytes_size,
            sha256 = excluded.sha256, deleted_at = null, confirmed_at = null
        """,
        {
            "name": name,
            "kind": kind,
            "media_type": media_type_of(name),
            "bytes_size": digest.bytes_size,
            "sha256": digest.sha256,
            "now": now,
            "expires_at": now + tools.lifetimes.media,
            "id": task.id,
            "epoch": task.epoch,
        },
    )
    if registered != 1:
        raise LeaseLost(task.id)


async def _put(tools: Tools, task: Task, name: str, path: Path) -> None:
    """Store one file, patiently: it is here now, and making it again would cost far more.

    What no upstream can be asked for again is lost with this folder, so that it is tried for as
    long as a task may take. But not for whoever has lost the task: its files may have been handed
    out. Raises LeaseLost, and StoreFailed in the end.
    """
    delays_s = iter(STORE_DELAYS_S)
    while True:
        try:
            await tools.store.put(name, path)
        except StoreFailed as error:
            delay_s = next(delays_s, None)
            if delay_s is None and not await _is_only_here(tools, task):
                raise
            delay_s = delay_s or STORE_DELAYS_S[-1]
            log.warning("media.store_failed", name=name, error=str(error), retry_in_s=delay_s)
            await tools.wakes.pause(task.id, delay_s)
            await store.require_lease(tools.database, task)
        else:
            return


async def _is_only_here(tools: Tools, task: Task) -> bool:
    """Whether a result came with the answer to its submit, and its task still has time."""
    if ending.is_hopeless(tools, task):
        return False
    return not await store.has_upstream_id(tools.database, task)


def _digest(marked: Marked) -> Digest:
    with marked.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").digest()
        return Digest(file.tell(), sha256, marked.signed)


def _ending(file: OutputFile, found: Inspected) -> str:
    if found.kind is not file.kind or found.media_type not in ENDINGS:
        raise MediaRefused(0, f"expected {file.kind}, found {found.media_type}")
    return ENDINGS[found.media_type]
