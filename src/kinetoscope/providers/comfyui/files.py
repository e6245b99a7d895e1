"""Bringing here what a ComfyUI made, without the workflow that it writes into pictures."""

import asyncio
import os
import struct
from pathlib import Path
from typing import BinaryIO

from kinetoscope.kernel.calling import Call, CallFailed, NotWritten
from kinetoscope.kernel.order import Usage
from kinetoscope.providers.comfyui.outputs import Made
from kinetoscope.providers.comfyui.server import Server
from kinetoscope.providers.contract import Done, Job, OutputFile, Unfetched
from kinetoscope.providers.results import OK, RESULT_BYTES_MAX, RESULT_TIMEOUT_S

PNG = b"\x89PNG\r\n\x1a\n"
CHUNK_HEAD = struct.Struct(">I4s")
"""Length and kind: https://www.w3.org/TR/png-3/#5Chunk-layout."""
CHECKSUM_BYTES = 4
TEXT_CHUNKS = frozenset({b"tEXt", b"iTXt", b"zTXt"})
PIECE_BYTES = 256 * 1024


async def bring(server: Server, made: tuple[Made, ...], job: Job) -> Done | Unfetched:
    """Bring every file of a finished job into its folder; `Unfetched` where one does not come."""
    files = []
    for number, file in enumerate(made, start=1):
        path = job.folder / f"result-{number}{file.ending}"
        call = Call(
            method="GET",
            url=server.url("view"),
            headers=server.headers(),
            query=(
                ("filename", file.filename),
                ("subfolder", file.subfolder),
                ("type", file.folder),
            ),
            timeout_s=RESULT_TIMEOUT_S,
            bytes_max=RESULT_BYTES_MAX,
        )
        try:
            answer = await server.caller.download(call, path)
            if answer.status != OK:
                return Unfetched(reason=f"status {answer.status} for a result")
            await asyncio.to_thread(without_texts, path)
        except (CallFailed, NotWritten, OSError) as error:
            return Unfetched(reason=str(error), is_ours=not isinstance(error, CallFailed))
        media_type = answer.headers.get("content-type", "application/octet-stream")
        files.append(
            OutputFile(path=path, kind=job.order.kind, media_type=media_type, seed=job.seed)
        )
    return Done(files=tuple(files), usage=Usage(), preview=False)


def without_texts(path: Path) -> None:
    """Take the texts out of a PNG: there the engine writes the whole workflow, prompt included.

    Of any other file the first bytes are read only.
    """
    with path.open("rb") as file:
        if file.read(len(PNG)) != PNG:
            return
        kept = path.with_name(f"{path.name}-kept")
        with kept.open("wb") as copy:
            copy.write(PNG)
            while len(head := file.read(CHUNK_HEAD.size)) == CHUNK_HEAD.size:
                length, kind = CHUNK_HEAD.unpack(head)
                if kind in TEXT_CHUNKS:
                    file.seek(length + CHECKSUM_BYTES, os.SEEK_CUR)
                    continue
                copy.write(head)
                _copy(file, copy, length + CHECKSUM_BYTES)
    kept.replace(path)


def _copy(file: BinaryIO, copy: BinaryIO, count: int) -> None:
    while count > 0 and (piece := file.read(min(count, PIECE_BYTES))):
        copy.write(piece)
        count -= len(piece)
