"""Uploads: a place for a file, the file itself without a key, or a file fetched from an address."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.accounts.opening import Caller
from kinetoscope.api.body import invalid, issue, read_object
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.envelope import answer
from kinetoscope.api.intake import Intake, arriving, scratch
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import BodyTooLarge, Forbidden, InvalidRequest, NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.kernel.order import MediaKind
from kinetoscope.kernel.outbound import (
    FetchLimits,
    OutboundError,
    fetch,
)
from kinetoscope.media import files, uploads
from kinetoscope.media.inspect import MEDIA_KINDS
from kinetoscope.media.uploads import BYTES_MAX, PUT_LIFETIME
from kinetoscope.wiring import Runtime

SCOPE = "uploads:write"

FETCH_TIMEOUT_S = 30
UPLOAD = {
    "type": "object",
    "required": ["url", "contentType", "expiresAt"],
    "properties": {
        "uploadUrl": {"type": "string", "format": "uri", "description": "PUT the bytes here"},
        "url": {"type": "string", "format": "uri", "description": "Use this in a task's inputs"},
        "fileName": {"type": "string"},
        "contentType": {"type": "string"},
        "bytesMax": {"type": "integer"},
        "bytes": {"type": "integer"},
        "expiresAt": {"type": "integer", "description": "Unix time in milliseconds"},
    },
}

CREATE = Operation(
    summary="Make a place for a file, or fetch one",
    tag="uploads",
    description=(
        "With `fileName`: answers where to PUT the bytes (no key needed there, Content-Type as "
        "answered, within an hour). With `fileUrl`: fetches the file from there; `fileName` may "
        "then say which kind of media it must be. Either way `url` is good in inputs for 24 hours."
    ),
    body={
        "type": "object",
        "properties": {
            "fileName": {"type": "string", "minLength": 3, "maxLength": 256},
            "fileUrl": {"type": "string", "format": "uri"},
        },
    },
    answer=UPLOAD,
    answers={
        400: "The name, the address, or what was found there is not acceptable",
        413: "The body is too large",
    },
)

PUT = Operation(
    summary="Put an upload's bytes",
    tag="uploads",
    description="The address is the permission. The same bytes may be put again.",
    parameters=(
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "expires", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "signature", "in": "query", "required": True, "schema": {"type": "string"}},
    ),
    body={"type": "string", "format": "binary"},
    body_type="*/*",
    answer=UPLOAD,
    answers={
        400: "The bytes are no media of the promised kind",
        403: "The address is not valid, or has expired",
        404: "There is no such upload, or no more",
        408: "The bytes came too slowly",
        409: "Other bytes were put here before",
        413: "The file is too large",
        429: "Too many requests from this address",
        503: "Too many files come in just now, or the service is unavailable for a moment",
    },
)


def mount(doors: Doors) -> None:
    """Add the routes under /api/v1/uploads."""
    intake = doors.intake

    async def create(request: Request, caller: Caller) -> Response:
        """Make a place for a file, or fetch one."""
        file_name, file_url = read_request(await read_object(request))
        if file_url is not None:
            return answer(await fetched(intake, caller.account_id, file_url, file_name))
        return answer(await promised(intake.runtime, caller.account_id, str(file_name)))

    async def put(request: Request) -> Response:
        """Take a file in."""
        return answer(await taken_in(intake, request))

    doors.guarded("POST", "/api/v1/uploads", SCOPE, create, CREATE)
    doors.open("PUT", "/api/v1/uploads/{name}", put, PUT, paced=True)


async def promised(
    runtime: Runtime, account_id: AccountId, file_name: str, *, at_store: bool = True
) -> dict[str, object]:
    """Make a place for a file; return where to put it, and where it will be.

    Where that may be a place `at_store`, and the store lends one, the bytes go there directly.
    """
    now = runtime.clock()
    place = await _place(runtime, account_id, uploads.media_type_for(file_name))
    lent = await runtime.store.sign_put(place.name, PUT_LIFETIME) if at_store else None
    return {
        "uploadUrl": lent or runtime.signer.upload_url(place.name, now + PUT_LIFETIME),
        "url": runtime.signer.url(place.name, place.expires_at),
        "fileName": file_name,
        "contentType": place.media_type,
        "bytesMax": place.bytes_max,
        "expiresAt": unix_ms(place.expires_at),
    }


async def fetched(
    intake: Intake, account_id: AccountId, url: str, file_name: str | None
) -> dict[str, object]:
    """Fetch a file and take it in; raises InvalidRequest or BodyTooLarge.

    Its content says what it is; a name, where one is given, must stand for the same kind.
    """
    kind = None if file_name is None else MEDIA_KINDS[uploads.media_type_for(file_name)]
    async with intake.places.place(account_id):
        with scratch(intake.folder) as path:
            try:
                await _bring(intake, url, path)
            except (OutboundError, Forbidden, NotFound) as error:
                raise invalid(issue("invalid_value", str(error), "fileUrl")) from None
            named = {} if file_name is None else {"fileName": file_name}
            return await brought(intake, account_id, path, kind, "fileUrl") | named


async def brought(
    intake: Intake, account_id: AccountId, path: Path, kind: MediaKind | None, field: str
) -> dict[str, object]:
    """Take in a file that is here already; its content says what it is, of a `kind` if any.

    Raises InvalidRequest, which names the `field` it came by, BodyTooLarge or TooManyUploads.
    """
    async with intake.inspecting:
        media_type = await uploads.require_kind(path, kind, field)
    bytes_max = BYTES_MAX[MEDIA_KINDS[media_type]]
    if _bytes_size(path) > bytes_max:
        raise BodyTooLarge(bytes_max)
    place = await _place(intake.runtime, account_id, media_type)
    return await kept(intake, place.name, path)


async def _bring(intake: Intake, url: str, path: Path) -> None:
    """Bring a file here: media of our own from the store, anything else through egress."""
    runtime, now = intake.runtime, intake.runtime.clock()
    bytes_max = max(BYTES_MAX.values())
    own_name = runtime.signer.own_name(url, now)
    if own_name is None:
        limits = FetchLimits(bytes_max=bytes_max, total_timeout_s=FETCH_TIMEOUT_S)
        await fetch(intake.egress, url, path, limits)
        return
    await files.require_readable(runtime.database, own_name, now)
    stored = await uploads.look_up(runtime.store, own_name)
    too_long = await uploads.remove_oversize(runtime.database, runtime.store, stored, now)
    if too_long or stored.bytes_size > bytes_max:
        raise BodyTooLarge(bytes_max)
    await uploads.download(runtime.store, own_name, path)


async def _place(runtime: Runtime, account_id: AccountId, media_type: str) -> uploads.Promised:
    settings = runtime.settings
    return await uploads.promise(
        runtime.database,
        account_id,
        media_type,
        uploads.Bounds(lifetime=settings.upload_lifetime, live_max=settings.uploads_max),
        runtime.clock(),
    )


async def taken_in(intake: Intake, request: Request) -> dict[str, object]:
    """Take in what is put to an upload's address."""
    runtime = intake.runtime
    name, query = request.path_params["name"], request.query_params
    now = runtime.clock()
    runtime.signer.check_upload(name, query.get("expires", ""), query.get("signature", ""), now)
    file = await uploads.promised(runtime.database, name, now)
    place = uploads.place_of(file)
    require_type(request.headers.get("content-type"), place.media_type)
    async with intake.places.place(file.account_id):
        with scratch(intake.folder) as path:
            await receive(request, path, place.bytes_max)
            return await kept(intake, name, path)


async def kept(intake: Intake, name: str, path: Path) -> dict[str, object]:
    """Keep a file in its place; return where it is."""
    runtime = intake.runtime
    file = await uploads.promised(runtime.database, name, runtime.clock())
    async with intake.inspecting:
        await uploads.keep(runtime.database, runtime.store, file, path)
    place = uploads.place_of(file)
    return {
        "url": runtime.signer.url(name, place.expires_at),
        "contentType": place.media_type,
        "bytes": _bytes_size(path),
        "expiresAt": unix_ms(place.expires_at),
    }


def _bytes_size(path: Path) -> int:
    return path.stat().st_size


def read_request(stated: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the file name and the address that were stated; raises InvalidRequest."""
    file_name, file_url = stated.get("fileName"), stated.get("fileUrl")
    if file_url is not None and not isinstance(file_url, str):
        raise invalid(issue("invalid_type", "Expected an http or https URL", "fileUrl"))
    if file_url is None and not isinstance(file_name, str):
        raise invalid(issue("invalid_type", "Expected the name of a file", "fileName"))
    if file_name is not None and not isinstance(file_name, str):
        raise invalid(issue("invalid_type", "Expected the name of a file", "fileName"))
    return file_name, file_url


def require_type(stated: str | None, media_type: str) -> None:
    """Refuse a Content-Type other than the one that was answered; raises InvalidRequest."""
    plain = (stated or media_type).partition(";")[0].strip().lower()
    if plain != media_type:
        raise invalid(issue("invalid_value", f"Expected {media_type}", "Content-Type"))


async def receive(request: Request, path: Path, bytes_max: int) -> None:
    """Write a request's body to a file as it comes; raises what `arriving` does, or if empty."""
    with path.open("wb") as file:
        async for chunk in arriving(request, bytes_max):
            # On the loop on purpose: a chunk into the page cache is quicker than a thread.
            file.write(chunk)
    if _bytes_size(path) == 0:
        raise InvalidRequest("The body is empty; it must be the file's bytes")
