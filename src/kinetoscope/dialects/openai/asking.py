"""Reading what OpenAI's clients ask for: JSON or forms, files that come along, and references."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from starlette.datastructures import UploadFile

from kinetoscope.accounts import opening
from kinetoscope.api.body import invalid, issue
from kinetoscope.api.intake import Intake
from kinetoscope.catalog.model import Model
from kinetoscope.dialects import files
from kinetoscope.dialects.door import Client
from kinetoscope.dialects.forms import Form, read_form
from kinetoscope.dialects.inputs import refused
from kinetoscope.dialects.names import Names, find
from kinetoscope.kernel.errors import DatabaseUnavailable, KinetoscopeError, NotFound
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import own_uploads
from kinetoscope.media.files import MediaFile
from kinetoscope.media.inspect import MEDIA_KINDS
from kinetoscope.media.store import media_type_of
from kinetoscope.wiring import Runtime

log = structlog.get_logger(__name__)

MADE = {MediaKind.VIDEO: "videos", MediaKind.IMAGE: "images", MediaKind.AUDIO: "sound"}

CHUNK_BYTES = 1024 * 1024

ELSEWHERE = "/openai"
"""What stands before a path at the second place where the dialect is spoken."""

SCOPE = "uploads:write"
"""What a key needs besides where files come along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the dialect's routes need; one for a process."""

    runtime: Runtime
    intake: Intake
    names: Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that makes something: what it says, and a hash of all of it, files included.

    Values of a form are texts; `is_form` says that they are to be read as what a model wants.
    `kept` are the names of uploads that were made of its files so far.
    """

    values: Mapping[str, Any]
    files: Mapping[str, list[UploadFile]]
    is_form: bool
    digest: bytes
    kept: list[str] = field(default_factory=list)


@asynccontextmanager
async def asked(parts: Parts, client: Client) -> AsyncIterator[Asked]:
    """Read a request; its files are there as long as the context is. Raises what `read_form` does.

    `null` counts as not given. A request that is refused leaves no upload behind.
    """
    async with read_form(client.request, parts.intake, client.caller.account_id) as form:
        request = Asked(
            values={name: value for name, value in form.values.items() if value is not None},
            files=form.files,
            is_form=form.is_form,
            digest=await asyncio.to_thread(_digest, client, form),
        )
        try:
            yield request
        except KinetoscopeError as error:
            if not (isinstance(error, DatabaseUnavailable) and error.task_id is not None):
                await give_up(parts, client, request)
            raise


async def give_up(parts: Parts, client: Client, request: Asked) -> None:
    """Give up the uploads that were made of a request's files, as no task refers to them."""
    runtime, account_id = parts.runtime, client.caller.account_id
    while request.kept:
        name = request.kept.pop()
        try:
            await own_uploads.give_up(runtime.database, account_id, name, runtime.clock())
        except KinetoscopeError as error:
            # It goes within a day anyway, and what the client is told is something else.
            log.warning("openai.upload_left", name=name, error=str(error))


def _digest(client: Client, form: Form) -> bytes:
    """Hash what a request says, however its form is written."""
    digests = []
    for name, sent in form.files.items():
        for upload in sent:
            digest = hashlib.sha256()
            upload.file.seek(0)
            while chunk := upload.file.read(CHUNK_BYTES):
                digest.update(chunk)
            digests.append([name, digest.hexdigest()])
    # Both places of the dialect are one to an Idempotency-Key.
    path = client.request.url.path.removeprefix(ELSEWHERE)
    outcome = client.request.headers.get("x-test-outcome")
    try:
        said = orjson.dumps(
            [path, form.values, sorted(digests), outcome], option=orjson.OPT_SORT_KEYS
        )
    except orjson.JSONEncodeError:
        raise invalid(issue("too_big", "The body is nested too deeply")) from None
    return hashlib.sha256(said).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """Media that a client refers to, and its kind where that is known already."""

    url: str
    kind: MediaKind | None = None


async def brought(
    parts: Parts, client: Client, request: Asked, sent: UploadFile, name: str
) -> Referred:
    """Keep a file that came along, as an upload, which takes a key that may upload.

    Raises Forbidden for others, and what `files.keep` does.
    """
    opening.require(client.caller, SCOPE)
    kept = await files.keep(parts.intake, client.caller.account_id, sent, name)
    request.kept.append(kept.file.name)
    return Referred(url=kept.url, kind=kind_of_file(kept.file))


async def referred(parts: Parts, client: Client, stated: object, name: str) -> Referred:
    """Read a reference: `{"file_id"}`, `{"image_url"}`, a URL, or the id of a file.

    Raises InvalidRequest, or NotFound for files that are not the account's own.
    """
    runtime = parts.runtime
    if isinstance(stated, Mapping):
        image_url = stated.get("image_url")
        if isinstance(image_url, Mapping):
            image_url = image_url.get("url")
        if isinstance(image_url, str):
            return Referred(url=image_url, kind=MediaKind.IMAGE)
        stated = stated.get("file_id")
    elif isinstance(stated, str) and ":" in stated:
        return Referred(url=stated)
    if not isinstance(stated, str):
        raise invalid(issue("invalid_type", 'Expected {"file_id"} or {"image_url"}', name))
    now = runtime.clock()
    try:
        file = await own_uploads.find(runtime.database, client.caller.account_id, stated, now)
    except NotFound:
        raise NotFound("No such File object") from None
    return Referred(url=files.address(runtime.signer, file, now), kind=kind_of_file(file))


async def media_of(
    parts: Parts, client: Client, request: Asked, names: tuple[str, ...]
) -> list[Referred]:
    """Return the media that came under any of some names, in this order: files first."""
    found = []
    for name in names:
        found += [
            await brought(parts, client, request, sent, name)
            for sent in request.files.get(name, ())
        ]
        stated = request.values.get(name)
        listed = stated if isinstance(stated, list) else [] if stated is None else [stated]
        found += [await referred(parts, client, each, name) for each in listed]
    return found


def kind_of_file(file: MediaFile) -> MediaKind:
    """Return what kind of media an upload is."""
    return MEDIA_KINDS[media_type_of(file.name)]


def text_of(request: Asked, name: str, otherwise: str | None = None) -> str:
    """Return a text that was stated; raises InvalidRequest where it is missing or no text."""
    value = request.values.get(name, otherwise)
    if not isinstance(value, str) or not value:
        raise invalid(issue("invalid_type", "Expected a text", name))
    return value


def model_of(parts: Parts, stated: str, kind: MediaKind) -> Model:
    """Return the model that is meant; raises UnknownModel, or InvalidInputs for other media."""
    model = find(parts.names, stated, kind)
    if model.kind is not kind:
        raise refused("model", f"{model.id} makes no {MADE[kind]}, it makes {model.kind.value}")
    return model


def refuse_other_files(request: Asked, names: tuple[str, ...]) -> None:
    """Refuse files under names that nobody reads; raises InvalidRequest."""
    instead = f"; send {', '.join(names)}" if names else ""
    for name in request.files:
        if name not in names:
            raise invalid(issue("invalid_value", f"No file is read here{instead}", name))
