"""A task for an agent: its record, links to its files, and small pictures that it can look at."""

import base64
from pathlib import Path

import orjson
from mcp.types import Annotations, CallToolResult, ContentBlock, ImageContent, ResourceLink
from mcp.types import TextContent as Text

from kinetoscope.api.record import record_json
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.mcp.calls import Answer, plain
from kinetoscope.media.signing import Signer
from kinetoscope.media.store import MediaStore
from kinetoscope.media.thumbnail import thumbnail
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.task import StoredOutput
from kinetoscope.wiring import Runtime

THUMBNAILS_MAX = 4
"""Of a task with more files the first ones are shown; all are linked to."""

FOR_BOTH = Annotations(audience=["user", "assistant"])
FOR_AGENTS = Annotations(audience=["assistant"])


async def task_result(runtime: Runtime, record: Record, *, thumbnails: bool) -> CallToolResult:
    """Return what a tool says of a task: the contract's JSON, as text and structured.

    Beside it come links to the files of a task that succeeded, and a JPEG of each of the first
    ones, unless they have expired. A picture that cannot be made is left out.
    """
    body = plain(record_json(record, runtime.signer))
    content = [text(body)]
    if not record.is_expired:
        for number, stored in enumerate(record.output):
            content.append(_link(record, stored, runtime.signer))
            if thumbnails and number < THUMBNAILS_MAX:
                folder = runtime.settings.work_dir / "thumbnails"
                content += await _picture(runtime.store, folder, stored)
    return CallToolResult(content=content, structured_content=body)


def text(body: Answer) -> ContentBlock:
    """Return the contract's JSON as text, for clients that read nothing else."""
    return Text(type="text", text=orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())


def _link(record: Record, stored: StoredOutput, signer: Signer) -> ResourceLink:
    said = [stored.media_type]
    if stored.width:
        said.append(f"{stored.width} x {stored.height} pixels")
    if stored.duration_ms:
        said.append(f"{stored.duration_ms / 1000:g} s")
    return ResourceLink(
        type="resource_link",
        name=stored.name,
        uri=signer.url(stored.name, record.addresses_expire_at),
        description=", ".join(said),
        mime_type=stored.media_type,
        size=stored.bytes_size,
        annotations=FOR_BOTH,
    )


async def _picture(store: MediaStore, folder: Path, stored: StoredOutput) -> list[ContentBlock]:
    try:
        jpeg = await thumbnail(store, folder, stored.name)
    except KinetoscopeError:
        return []  # the record is worth more than a look at it
    if jpeg is None:
        return []
    data = base64.b64encode(jpeg).decode()
    return [ImageContent(type="image", data=data, mime_type="image/jpeg", annotations=FOR_AGENTS)]
