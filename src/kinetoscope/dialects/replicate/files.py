"""Files that clients bring along: our uploads, under Replicate's names.

https://replicate.com/docs/reference/http#files.create. A file's id is its name here. `urls.get` is
an address that may stand in inputs and needs no key: clients put it there. What metadata they
give is not kept, and neither is the file's own name.
"""

from typing import Any

from starlette.responses import RedirectResponse, Response

from kinetoscope.api.body import invalid, issue
from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.files import address, keep
from kinetoscope.dialects.forms import read_form
from kinetoscope.dialects.replicate.shape import PREFIX, moment
from kinetoscope.kernel.clock import Clock
from kinetoscope.media import own_uploads
from kinetoscope.media.files import MediaFile
from kinetoscope.media.signing import Signer

SCOPE = "uploads:write"

PAGE_SIZE = 100

TRAIL_MAX = 40
"""Of how many pages a cursor remembers the way back."""


def mount(speech: Speech) -> None:
    """Add the routes."""
    _mount_all(speech)
    _mount_one(speech)


def _mount_all(speech: Speech) -> None:
    runtime, intake = speech.doors.runtime, speech.doors.intake
    database, signer, clock = runtime.database, runtime.signer, runtime.clock

    async def create(client: Client) -> Response:
        """Keep a file."""
        account_id = client.caller.account_id
        async with read_form(client.request, intake, account_id) as form:
            sent = form.files.get("content", [])
            if len(sent) != 1:
                raise invalid(issue("required", "content is required: a file in a form", "content"))
            kept = await keep(intake, account_id, sent[0], "content")
        return answer(file_json(signer, clock, kept.file), 201)

    async def listing(client: Client) -> Response:
        """List files, newest first."""
        account_id, cursor = client.caller.account_id, client.request.query_params.get("cursor")
        # The files behind which the pages so far began, so that one can turn back.
        trail = cursor.split(",") if cursor else []
        place = await own_uploads.place_of(database, account_id, trail[-1]) if trail else None
        files = await own_uploads.page(database, account_id, place, PAGE_SIZE + 1, clock())
        shown = files[:PAGE_SIZE]
        following = [*trail, shown[-1].name] if len(files) > PAGE_SIZE else None
        public_url = runtime.settings.public_url
        return answer(
            {
                "next": None if following is None else _page_url(public_url, following),
                "previous": _page_url(public_url, trail[:-1]) if trail else None,
                "results": [file_json(signer, clock, file) for file in shown],
            }
        )

    speech.route("POST", "/files", SCOPE, create, "Keep a file")
    speech.route("GET", "/files", SCOPE, listing, "List files")


def _page_url(public_url: str, trail: list[str]) -> str:
    cursor = f"?cursor={','.join(trail[-TRAIL_MAX:])}" if trail else ""
    return f"{public_url}{PREFIX}/files{cursor}"


def _mount_one(speech: Speech) -> None:
    runtime = speech.doors.runtime
    database, signer, clock = runtime.database, runtime.signer, runtime.clock

    async def find(client: Client) -> MediaFile:
        name = client.request.path_params["id"]
        return await own_uploads.find(database, client.caller.account_id, name, clock())

    async def show(client: Client) -> Response:
        """Show a file."""
        return answer(file_json(signer, clock, await find(client)))

    async def download(client: Client) -> Response:
        """Send the client to where a file's bytes are."""
        return RedirectResponse(address(signer, await find(client), clock()), 302)

    async def delete(client: Client) -> Response:
        """Give a file up."""
        name = client.request.path_params["id"]
        await own_uploads.give_up(database, client.caller.account_id, name, clock())
        return Response(status_code=204)

    speech.route("GET", "/files/{id}", SCOPE, show, "Show a file")
    speech.route("DELETE", "/files/{id}", SCOPE, delete, "Delete a file")
    speech.route("GET", "/files/{id}/download", SCOPE, download, "Download a file")


def file_json(signer: Signer, clock: Clock, file: MediaFile) -> dict[str, Any]:
    """Return a file as Replicate shows one; `size` is in bytes."""
    sha256 = "" if file.sha256 is None else file.sha256.hex()
    return {
        "id": file.name,
        "name": file.name,
        "content_type": file.media_type,
        "size": file.bytes_size,
        "etag": sha256,
        "checksums": {"sha256": sha256},
        "metadata": {},
        "created_at": moment(file.created_at),
        "expires_at": None if file.expires_at is None else moment(file.expires_at),
        "urls": {"get": address(signer, file, clock())},
    }
