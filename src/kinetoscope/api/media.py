"""Downloads of finished media: the address is the permission, and ranges let players seek."""

import re

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kinetoscope.api.doors import Doors, Operation
from kinetoscope.kernel.errors import NotFound, RangeUnsatisfiable
from kinetoscope.media import files
from kinetoscope.media.store import media_type_of
from kinetoscope.media.uploads import look_up, remove_oversize
from kinetoscope.wiring import Runtime

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

HTTP_PARTIAL = 206


DOWNLOAD = Operation(
    summary="Download a file",
    tag="media",
    description="The address comes from a task's record; it carries its own permission.",
    parameters=(
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "expires", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "signature", "in": "query", "required": True, "schema": {"type": "string"}},
    ),
    answer={"type": "string", "format": "binary"},
    answer_type="*/*",
    answers={
        206: "The part of the file that Range named",
        304: "The file is the one that If-None-Match names",
        403: "The address is not valid, or has expired",
        404: "The file is gone",
        416: "The file has no such bytes",
        429: "Too many requests from this address",
        503: "The service is unavailable for a moment",
    },
)


def mount(doors: Doors) -> None:
    """Add the routes under /media."""
    runtime = doors.runtime

    async def download(request: Request) -> Response:
        """Send a file, or the part of it that was asked for."""
        name = request.path_params["name"]
        query = request.query_params
        now = runtime.clock()
        expires_at = runtime.signer.check(
            name, query.get("expires", ""), query.get("signature", ""), now
        )
        seconds_left = int((expires_at - now).total_seconds())
        return await sent(
            runtime, request, name, cache=f"private, max-age={seconds_left}, immutable"
        )

    # The router answers HEAD wherever there is a GET.
    doors.open("GET", "/media/{name}", download, DOWNLOAD, paced=True)


async def sent(runtime: Runtime, request: Request, name: str, *, cache: str) -> Response:
    """Send a stored file, or the part of it that was asked for; who may have it was settled before.

    `cache` is what its Cache-Control says. Raises NotFound, RangeUnsatisfiable or StoreUnavailable.
    """
    now = runtime.clock()
    media_type = media_type_of(name)
    await files.require_readable(runtime.database, name, now)
    stored = await look_up(runtime.store, name)
    if await remove_oversize(runtime.database, runtime.store, stored, now):
        raise NotFound("Media not found")
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": cache,
        "Content-Disposition": f'inline; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
        "ETag": f'"{stored.tag}"',
        "X-Content-Type-Options": "nosniff",
    }
    if is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    part = None
    if request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        part = parse_range(request.headers.get("range"), stored.bytes_size)
    start, end = part or (0, stored.bytes_size)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.bytes_size}"
    status = 200 if part is None else HTTP_PARTIAL
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(
        runtime.store.read(name, start, end), status, headers, media_type=media_type
    )


def is_known(header: str, tag: str) -> bool:
    """Whether If-None-Match names a tag; proxies make tags weak, RFC 9110 §13.1.2 compares so."""
    known = [text.strip().removeprefix("W/") for text in header.split(",")]
    return tag in known or known == ["*"]


def parse_range(header: str | None, bytes_size: int) -> tuple[int, int] | None:
    """Return the bytes asked for, as start and end; None for all of them.

    Forms we do not serve, such as several ranges at once, count as none, which RFC 9110 §14.2
    allows. Raises RangeUnsatisfiable where no byte of the file is meant.
    """
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if first == "":
        start, end = max(0, bytes_size - int(last)), bytes_size
    else:
        start = int(first)
        end = min(int(last) + 1, bytes_size) if last else bytes_size
        if last and int(last) < start:
            return None
    if start >= end:
        raise RangeUnsatisfiable(bytes_size)
    return start, end
