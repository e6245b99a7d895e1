"""Uploads as kie.ai has them: a file in a form, an address to fetch it from, or base64 in JSON.

https://docs.kie.ai/file-upload-api/quickstart. There they have a host of their own, and no
version in their paths; some clients write one. `fileName` and `uploadPath` are shown again but
name nothing here: every upload has an address of its own, and none overwrites another.
"""

import asyncio
import base64
import binascii
import re
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from kinetoscope.api.body import invalid, issue, read_object
from kinetoscope.api.envelope import answer
from kinetoscope.api.intake import scratch
from kinetoscope.api.uploads import SCOPE, brought, fetched
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.files import keep
from kinetoscope.dialects.forms import read_form
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import InvalidRequest

DATA_URI = re.compile(r"data:[a-z0-9.+-]+/[a-z0-9.+-]+;base64,", re.IGNORECASE)
BLANKS = b" \t\r\n\f\v"
MESSAGE = "File uploaded successfully"
TEXT_LENGTH_MAX = 500


def mount(speech: Speech) -> None:
    """Add all three."""
    doors = speech.doors
    intake, runtime = doors.intake, doors.runtime
    bytes_max = runtime.settings.body_bytes_max

    async def stream(client: Client) -> Response:
        """Keep the form's `file`."""
        account_id = client.caller.account_id
        async with read_form(client.request, intake, account_id) as form:
            sent = next(iter(form.files.get("file", ())), None)
            if sent is None:
                raise invalid(issue("invalid_type", "Expected a file, in a form", "file"))
            kept = await keep(intake, account_id, sent, "file")
            told = {
                "url": kept.url,
                "contentType": kept.file.media_type,
                "bytes": kept.file.bytes_size,
                "expiresAt": kept.file.expires_at and unix_ms(kept.file.expires_at),
            }
            return _told(runtime.clock().isoformat(), told, form.values, _file_name(sent))

    async def from_url(client: Client) -> Response:
        """Fetch a file from `fileUrl`, within 30 seconds, and keep it."""
        stated = await read_object(client.request)
        url = stated.get("fileUrl")
        if not isinstance(url, str):
            raise invalid(issue("invalid_type", "Expected an http or https URL", "fileUrl"))
        told = await fetched(intake, client.caller.account_id, url, None)
        return _told(runtime.clock().isoformat(), told, stated)

    async def from_base64(client: Client) -> Response:
        """Keep what `base64Data` holds, a data URI or bare; a body may be as long as any."""
        account_id = client.caller.account_id
        async with intake.places.place(account_id):
            stated = await read_object(client.request, bytes_max)
            with scratch(intake.folder) as path:
                await asyncio.to_thread(_decode, stated.pop("base64Data", None), path)
                told = await brought(intake, account_id, path, None, "base64Data")
        return _told(runtime.clock().isoformat(), told, stated)

    speech.route("POST", "/file-stream-upload", SCOPE, stream, "Keep a file")
    speech.route("POST", "/file-url-upload", SCOPE, from_url, "Fetch a file and keep it")
    speech.route("POST", "/file-base64-upload", SCOPE, from_base64, "Keep a file of base64")


def _decode(text: object, path: Path) -> None:
    """Write to `path` what a text holds; raises InvalidRequest."""
    if not isinstance(text, str) or not text:
        raise invalid(issue("invalid_type", "Expected base64 or a data URI", "base64Data"))
    head = DATA_URI.match(text)
    try:
        packed = text[head.end() if head else 0 :].encode("ascii").translate(None, BLANKS)
        content = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(issue("invalid_value", "This is no base64", "base64Data")) from None
    if not content:
        raise InvalidRequest("The file is empty")
    path.write_bytes(content)


def _file_name(sent: UploadFile) -> str:
    return sent.filename or ""


def _told(now: str, kept: dict[str, Any], stated: dict[str, Any], known_as: str = "") -> Response:
    """Answer with where the file is; `downloadUrl` and `fileUrl` are the same.

    kie.ai's pages disagree on some names: this is what both of them have.
    """
    name = str(kept["url"]).partition("?")[0].rpartition("/")[2]
    shown = _text(stated.get("fileName")) or known_as or name
    folder = _text(stated.get("uploadPath")).strip("/")
    data = {
        "fileId": name,
        "fileName": shown,
        "filePath": f"{folder}/{shown}" if folder else shown,
        "downloadUrl": kept["url"],
        "fileUrl": kept["url"],
        "fileSize": kept["bytes"],
        "mimeType": kept["contentType"],
        "uploadedAt": now,
        "expiresAt": kept["expiresAt"],
    }
    return answer({"success": True, "code": 200, "msg": MESSAGE, "message": MESSAGE, "data": data})


def _text(value: object) -> str:
    return value[:TEXT_LENGTH_MAX] if isinstance(value, str) else ""
