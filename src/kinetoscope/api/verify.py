"""Whether a file came from here: by its digest, or by the file itself, which is not kept."""

import asyncio
import hashlib
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.body import invalid, issue
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.intake import arriving
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.media.provenance import digital_source_type
from kinetoscope.tasks.verify import Origin, origin

FILE_BYTES_MAX = 1024 * 1024 * 1024
"""Nothing longer is ever made here."""
PIECE_BYTES = 1024 * 1024
"""What is hashed at a time, in a thread: the loop has others to answer."""

SHA256 = re.compile(r"[0-9a-fA-F]{64}")

ANSWER: dict[str, Any] = {
    "type": "object",
    "description": "All but `known` is absent for a file that is not known",
    "required": ["known"],
    "properties": {
        "known": {"type": "boolean", "description": "Whether exactly these bytes came from here"},
        "mediaType": {"type": "string", "examples": ["video/mp4"]},
        "createdAt": {"type": "integer", "description": "Unix time in milliseconds"},
        "model": {"type": "string"},
        "aiGenerated": {"type": "boolean", "description": "Whether a trained model made it"},
        "preview": {
            "type": "boolean",
            "description": "Whether the embedded renderer drew it in the model's place",
        },
        "digitalSourceType": {
            "type": "string",
            "format": "uri",
            "description": "https://cv.iptc.org/newscodes/digitalsourcetype/",
        },
    },
}

BY_DIGEST = Operation(
    summary="Find out by its SHA-256 whether a file was made here",
    tag="provenance",
    description="Needs no key and names no owner. A file that was changed is not known, and none "
    "is once its task is forgotten (KINETOSCOPE_TASK_LIFETIME).",
    parameters=(
        {
            "name": "sha256",
            "in": "query",
            "required": True,
            "description": "Of the whole file, in hexadecimal digits",
            "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
        },
    ),
    answer=ANSWER,
    answers={
        400: "sha256 is not 64 hexadecimal digits",
        429: "Too many requests from this address",
        503: "The database is away",
    },
)

BY_FILE = Operation(
    summary="Find out whether a file was made here",
    tag="provenance",
    description="Send the file itself as the body. It is read once and not kept.",
    body={"type": "string", "format": "binary", "minLength": 1},
    body_type="application/octet-stream",
    answer=ANSWER,
    answers={
        400: "The body is empty, or a form",
        408: "The body came too slowly",
        413: "The file is longer than anything that is made here",
        429: "Too many requests from this address",
        503: "The database is away",
    },
)


def mount(doors: Doors) -> None:
    """Add the routes under /api/v1/verify."""
    runtime = doors.runtime

    async def known(sha256: bytes) -> Response:
        return answer(origin_json(await origin(runtime.database, sha256, runtime.clock())))

    async def by_digest(request: Request) -> Response:
        """Say what is known of a digest."""
        text = request.query_params.get("sha256", "")
        if SHA256.fullmatch(text) is None:
            raise invalid(issue("invalid_format", "Expected 64 hexadecimal digits", "sha256"))
        return await known(bytes.fromhex(text))

    async def by_file(request: Request) -> Response:
        """Say what is known of the bytes in the body."""
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise invalid(issue("invalid_type", "The body must be the file itself, not a form"))
        return await known(await digest_of(request))

    doors.open("GET", "/api/v1/verify", by_digest, BY_DIGEST, paced=True)
    doors.open("POST", "/api/v1/verify", by_file, BY_FILE, paced=True)


async def digest_of(request: Request) -> bytes:
    """Hash a body as it comes in; raises what `arriving` does, and InvalidRequest if empty."""
    digest = hashlib.sha256()
    piece = bytearray()
    is_empty = True
    async for chunk in arriving(request, FILE_BYTES_MAX):
        is_empty = False
        piece += chunk
        if len(piece) >= PIECE_BYTES:
            await asyncio.to_thread(digest.update, piece)
            piece = bytearray()
    if is_empty:
        raise invalid(issue("invalid_type", "The body must be the file itself; it is empty"))
    await asyncio.to_thread(digest.update, piece)
    return digest.digest()


def origin_json(found: Origin | None) -> dict[str, Any]:
    """Return what anybody may know of a file."""
    if found is None:
        return {"known": False}
    return {
        "known": True,
        "mediaType": found.media_type,
        "createdAt": unix_ms(found.created_at),
        "model": found.model,
        "aiGenerated": found.ai_generated,
        "preview": found.preview,
        "digitalSourceType": digital_source_type(ai_generated=found.ai_generated),
    }
