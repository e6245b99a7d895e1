"""Files: an account's uploads, by their names. They are gone after a day.

https://platform.openai.com/docs/api-reference/files
"""

from functools import partial

from starlette.responses import Response

from kinetoscope.api.body import invalid, issue
from kinetoscope.api.envelope import answer
from kinetoscope.api.media import sent
from kinetoscope.dialects import files
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.forms import read_form
from kinetoscope.dialects.openai.asking import Parts
from kinetoscope.dialects.openai.content import CACHE
from kinetoscope.dialects.openai.shapes import unix_s
from kinetoscope.dialects.openai.videos import limit_of, order_of, page_json
from kinetoscope.kernel.errors import NotFound, Unsupported
from kinetoscope.media import own_uploads
from kinetoscope.media.files import MediaFile

SCOPE = "uploads:write"

PURPOSE = "user_data"
"""What all files are for; what clients state is read, and means nothing here."""

LIMIT_MAX = 10_000
LIMIT_USUAL = 1000


def mount(speech: Speech, parts: Parts) -> None:
    """Add the routes."""
    path = "/files/{file_id}"
    speech.route("POST", "/files", SCOPE, partial(create, parts), "Upload a file")
    speech.route("GET", "/files", SCOPE, partial(listing, parts), "List files")
    speech.route("GET", path, SCOPE, partial(retrieve, parts), "Retrieve a file")
    speech.route("DELETE", path, SCOPE, partial(remove, parts), "Delete a file")
    speech.route("GET", f"{path}/content", SCOPE, partial(content, parts), "Download a file")


async def create(parts: Parts, client: Client) -> Response:
    """Upload a picture, a clip or a sound, to be referred to by its id."""
    account_id = client.caller.account_id
    async with read_form(client.request, parts.intake, account_id) as form:
        brought = form.files.get("file", [])
        if len(brought) != 1:
            raise invalid(issue("invalid_type", "Expected one file", "file"))
        kept = await files.keep(parts.intake, account_id, brought[0], "file")
    return answer(file_json(kept.file))


async def listing(parts: Parts, client: Client) -> Response:
    """List files, newest first."""
    runtime, query, account_id = (
        parts.runtime,
        client.request.query_params,
        client.caller.account_id,
    )
    if order_of(query.get("order")) != "desc":
        raise Unsupported("Files are listed newest first only: leave order out")
    if query.get("purpose", PURPOSE) != PURPOSE:
        return answer(page_json([], more=False))
    now, after = runtime.clock(), query.get("after")
    place = await own_uploads.place_of(runtime.database, account_id, after) if after else None
    limit = limit_of(query.get("limit"), LIMIT_USUAL, LIMIT_MAX)
    found = await own_uploads.page(runtime.database, account_id, place, limit + 1, now)
    data = [file_json(file) for file in found[:limit]]
    return answer(page_json(data, more=len(found) > limit))


async def retrieve(parts: Parts, client: Client) -> Response:
    """Tell of a file."""
    return answer(file_json(await _own(parts, client)))


async def remove(parts: Parts, client: Client) -> Response:
    """Delete a file. Tasks that refer to it and have not fetched it yet will not find it."""
    file, runtime = await _own(parts, client), parts.runtime
    account_id, now = client.caller.account_id, runtime.clock()
    await own_uploads.give_up(runtime.database, account_id, file.name, now)
    return answer({"id": file.name, "object": "file", "deleted": True})


async def content(parts: Parts, client: Client) -> Response:
    """Send a file's bytes, or a part of them by Range."""
    file = await _own(parts, client)
    return await sent(parts.runtime, client.request, file.name, cache=CACHE)


async def _own(parts: Parts, client: Client) -> MediaFile:
    runtime, file_id = parts.runtime, client.request.path_params["file_id"]
    account_id, now = client.caller.account_id, runtime.clock()
    try:
        return await own_uploads.find(runtime.database, account_id, file_id, now)
    except NotFound:
        raise NotFound("No such File object") from None


def file_json(file: MediaFile) -> dict[str, object]:
    """Return a file; its name here is its id too. Times are whole seconds since 1970."""
    return {
        "id": file.name,
        "object": "file",
        "bytes": file.bytes_size,
        "created_at": unix_s(file.created_at),
        "expires_at": unix_s(file.expires_at),
        "filename": file.name,
        "purpose": PURPOSE,
        "status": "processed",
    }
