"""Gather: bring the media that a task refers to onto this machine, and check it first."""

import asyncio
from dataclasses import dataclass
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
from kinetoscope.providers.contract import FetchedReference
from kinetoscope.tasks.task import Failure
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

BYTES_MAX = {
    MediaKind.IMAGE: 30 * 1024 * 1024,
    MediaKind.AUDIO: 15 * 1024 * 1024,
    MediaKind.VIDEO: 200 * 1024 * 1024,
}
"""What the hosted services accept at most per reference."""

FETCH_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Folder:
    """One attempt's scratch space, gone when it ends."""

    references: Path
    outputs: Path


def folder_for(path: Path) -> Folder:
    """Make an empty scratch space."""
    folder = Folder(path / "references", path / "outputs")
    folder.references.mkdir(parents=True)
    folder.outputs.mkdir()
    return folder


async def gather(
    tools: Tools, order: Order, folder: Folder
) -> tuple[FetchedReference, ...] | Failure:
    """Fetch and inspect every reference, or say which one failed in the contract's words.

    https://github.com/kinovi-ai/kinovi-models documents `asset_review_failed` for references
    that cannot be fetched or are not what they should be.
    """
    fetched = []
    for reference in order.references:
        path = folder.references / f"{reference.kind}-{reference.number}"
        try:
            await _bring(tools, reference, path)
            (inspected,) = await inspect([path], InspectLimits())
        except (OutboundRefused, OutboundFailed, Forbidden, NotFound, MediaRefused) as error:
            log.info("reference.refused", kind=reference.kind, reason=str(error))
            return _review_failed(reference)
        if inspected.kind is not reference.kind:
            return _review_failed(reference)
        fetched.append(
            FetchedReference(
                reference=reference,
                path=path,
                width=inspected.width,
                height=inspected.height,
                duration_ms=inspected.duration_ms,
            )
        )
    return tuple(fetched)


async def _bring(tools: Tools, reference: Reference, path: Path) -> None:
    bytes_max = BYTES_MAX[reference.kind]
    if reference.url.startswith("data:"):
        await asyncio.to_thread(decode_data_uri, reference.url, path, bytes_max)
        return
    own_name = tools.signer.own_name(reference.url, tools.clock())
    if own_name is not None:
        await tools.store.download(own_name, path)
        return
    limits = FetchLimits(bytes_max=bytes_max, total_timeout_s=FETCH_TIMEOUT_S)
    await fetch(tools.egress, reference.url, path, limits)


def _review_failed(reference: Reference) -> Failure:
    return Failure(
        code="asset_review_failed",
        message=(
            f"Reference {reference.kind} {reference.number} failed review. Please replace it."
        ),
    )
