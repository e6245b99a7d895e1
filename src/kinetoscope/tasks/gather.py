"""Gather: bring the media that a task refers to onto this machine, and check it first."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from kinetoscope.kernel.errors import Forbidden, NotFound
from kinetoscope.kernel.order import MediaKind, Order, Reference
from kinetoscope.kernel.outbound import (
    FetchLimits,
    OutboundFailed,
    OutboundRefused,
    decode_data_uri,
    fetch,
)
from kinetoscope.media.inspect import InspectLimits, MediaRefused, inspect
from kinetoscope.media.uploads import BYTES_MAX, remove_oversize
from kinetoscope.providers.contract import FetchedReference
from kinetoscope.tasks.task import Failure
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

FETCH_TIMEOUT_S = 60
GATHER_TIMEOUT_S = 180
LANES = 4
"""How many references of one task are on their way at once."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One attempt's scratch space, gone when it ends."""

    references: Path
    outputs: Path


def folder_for(path: Path) -> Folder:
    """Make an empty scratch space; room for references is made where there are any."""
    folder = Folder(path / "references", path / "outputs")
    folder.outputs.mkdir(parents=True)
    return folder


async def gather(
    tools: Tools, order: Order, folder: Folder, asked_at: datetime
) -> tuple[FetchedReference, ...] | Failure:
    """Fetch and inspect every reference, or say which one failed in the contract's words.

    Addresses of our own media must have been good at `asked_at`, when the task was created: an
    upload that expires while its task waits is still there for it. All of them together get
    `GATHER_TIMEOUT_S`. A dispensable reference that fails is left out.
    https://github.com/kinovi-ai/kinovi-models documents `asset_review_failed` for references
    that cannot be fetched or are not what they should be.
    """
    if not order.references:
        return ()
    folder.references.mkdir(exist_ok=True)
    lanes = asyncio.Semaphore(LANES)
    fetching = {
        reference: asyncio.create_task(_fetch_one(tools, reference, folder, lanes, asked_at))
        for reference in order.references
    }
    try:
        await asyncio.wait(fetching.values(), timeout=GATHER_TIMEOUT_S)
    finally:
        for task in fetching.values():
            task.cancel()
        await asyncio.wait(fetching.values())
    fetched = []
    for reference, task in fetching.items():
        found = "It took too long" if task.cancelled() else task.result()
        if isinstance(found, FetchedReference):
            fetched.append(found)
        elif not reference.dispensable:
            return _review_failed(reference, found)
    return tuple(fetched)


async def _fetch_one(
    tools: Tools,
    reference: Reference,
    folder: Folder,
    lanes: asyncio.Semaphore,
    asked_at: datetime,
) -> FetchedReference | str:
    """Return a reference with its bytes, or why there are none."""
    path = folder.references / f"{reference.kind}-{reference.number}"
    try:
        async with lanes:
            await _bring(tools, reference, path, asked_at)
            (inspected,) = await inspect(
                [path], InspectLimits(), stills=reference.kind is MediaKind.IMAGE
            )
    except (OutboundRefused, OutboundFailed, Forbidden, NotFound, MediaRefused) as error:
        log.info("reference.refused", kind=reference.kind, reason=str(error))
        return str(error)
    if inspected.kind is not reference.kind:
        return f"Expected {reference.kind}, found {inspected.media_type}"
    return FetchedReference(
        reference=reference,
        path=path,
        media_type=inspected.media_type,
        width=inspected.width,
        height=inspected.height,
        duration_ms=inspected.duration_ms,
    )


async def _bring(tools: Tools, reference: Reference, path: Path, asked_at: datetime) -> None:
    bytes_max = BYTES_MAX[reference.kind]
    if reference.url.startswith("data:"):
        await asyncio.to_thread(decode_data_uri, reference.url, path, bytes_max)
        return
    own_name = tools.signer.own_name(reference.url, asked_at)
    if own_name is not None:
        await _bring_own(tools, own_name, path, bytes_max)
        return
    limits = FetchLimits(bytes_max=bytes_max, total_timeout_s=FETCH_TIMEOUT_S)
    await fetch(tools.egress, reference.url, path, limits)


async def _bring_own(tools: Tools, name: str, path: Path, bytes_max: int) -> None:
    """Copy media of our own; what was put straight into the store may have any size."""
    stored = await tools.store.stat(name)
    too_long = await remove_oversize(tools.database, tools.store, stored, tools.clock())
    if too_long or stored.bytes_size > bytes_max:
        raise OutboundFailed(f"The file is larger than {bytes_max} bytes", temporary=False)
    await tools.store.download(name, path)


def _review_failed(reference: Reference, reason: str) -> Failure:
    return Failure(
        code="asset_review_failed",
        message=(
            f"Reference {reference.kind} {reference.number} failed review. Please replace it."
        ),
        detail=reason,
    )
