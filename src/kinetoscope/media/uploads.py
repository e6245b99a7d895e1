"""Uploads: files that clients bring along, to refer to them in tasks. Gone after a while.

A file is promised first, under a name of ours, and put afterwards: here, or straight into the
store where that can sign addresses of its own. What is put here is inspected before it is kept.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path

import structlog

from kinetoscope.kernel.errors import (
    Conflict,
    InputIssue,
    InvalidRequest,
    NotFound,
    StoreUnavailable,
    TooManyUploads,
)
from kinetoscope.kernel.ids import AccountId, new_media_name
from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import files
from kinetoscope.media.files import FileKind, MediaFile
from kinetoscope.media.inspect import (
    MEDIA_KINDS,
    InspectionFailed,
    InspectLimits,
    MediaRefused,
    inspect,
)
from kinetoscope.media.store import (
    ENDINGS,
    MEDIA_TYPES,
    MediaStore,
    Stored,
    StoreFailed,
    media_type_of,
)
from kinetoscope.postgres.pool import Database

log = structlog.get_logger(__name__)

PUT_LIFETIME = timedelta(hours=1)

SUFFIX = "-upload"
"""At the end of an upload's name, before its ending."""

BYTES_MAX = {
    MediaKind.IMAGE: 30 * 1024 * 1024,
    MediaKind.AUDIO: 15 * 1024 * 1024,
    MediaKind.VIDEO: 200 * 1024 * 1024,
}
"""What the hosted services accept at most per reference."""

UNAVAILABLE = "Service temporarily unavailable. Please try again later."

TAKEN = {ending: found for ending, found in MEDIA_TYPES.items() if ending != "gif"}
"""What may be uploaded; no model takes a GIF, though some make them."""

OTHER_ENDINGS = {"jpeg": "jpg", "m4v": "mp4", "oga": "ogg", "wave": "wav"}

FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,250}\.([A-Za-z0-9]{2,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long uploads are kept, and how many of one account there may be at once."""

    lifetime: timedelta
    live_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A place for a file: its name here, what it must be, how large, and until when it is kept."""

    name: str
    media_type: str
    bytes_max: int
    expires_at: datetime


def media_type_for(file_name: str) -> str:
    """Return the content type that a file's name stands for; raises InvalidRequest."""
    match = FILE_NAME.fullmatch(file_name)
    ending = "" if match is None else match[1].lower()
    media_type = TAKEN.get(OTHER_ENDINGS.get(ending, ending))
    if media_type is None:
        endings = ", ".join(sorted({*TAKEN, *OTHER_ENDINGS}))
        raise _invalid("fileName", f"Expected a file name that ends in one of {endings}")
    return media_type


async def promise(
    database: Database,
    account_id: AccountId,
    media_type: str,
    bounds: Bounds,
    now: datetime,
) -> Promised:
    """Make a place for a file; raises TooManyUploads.

    A place that nothing was put to counts for as long as that is possible, and no longer.
    """
    lifetime = bounds.lifetime
    live = await files.live_uploads(
        database, account_id, now, since=now - lifetime, put_lifetime=PUT_LIFETIME
    )
    if live.files >= bounds.live_max:
        free_at = live.free_at or now
        raise TooManyUploads(bounds.live_max, wait_s=max(1, ceil((free_at - now).total_seconds())))
    name = f"{new_media_name()}{SUFFIX}.{ENDINGS[media_type]}"
    expires_at = now + await _lifetime_of(database, account_id, lifetime)
    await files.promise(database, name, account_id, expires_at, now)
    return Promised(
        name=name,
        media_type=media_type,
        bytes_max=BYTES_MAX[MEDIA_KINDS[media_type]],
        expires_at=expires_at,
    )


async def _lifetime_of(database: Database, account_id: AccountId, longest: timedelta) -> timedelta:
    """Return how long an account's uploads are kept: it may ask for less than the deployment."""
    values = await database.fetch_values(
        "select upload_lifetime_s from account where id = %(id)s", {"id": account_id}
    )
    own_s = None if values is None else values[0]
    return longest if own_s is None else min(longest, timedelta(seconds=own_s))


async def promised(database: Database, name: str, now: datetime) -> MediaFile:
    """Return what is known of a place for a file; raises NotFound where there is none now."""
    found = await files.find(database, name)
    if found is None or found.kind != FileKind.UPLOAD or not found.is_there(now):
        raise NotFound("There is no such upload")
    return found


def place_of(file: MediaFile) -> Promised:
    """Return a place for a file as it was promised."""
    media_type = media_type_of(file.name)
    return Promised(
        name=file.name,
        media_type=media_type,
        bytes_max=BYTES_MAX[MEDIA_KINDS[media_type]],
        expires_at=file.expires_at or file.created_at,
    )


async def keep(database: Database, store: MediaStore, place: MediaFile, path: Path) -> None:
    """Take a file in, whole or not at all; the same bytes again change nothing.

    Raises InvalidRequest for what is no media of the promised kind, Conflict for other bytes than
    were put before, or are just being put, as a task may refer to those already, and
    StoreUnavailable where the same bytes may be put again later.
    """
    media_type = media_type_of(place.name)
    await require_kind(path, MEDIA_KINDS[media_type], "body")
    digest, bytes_size = await asyncio.to_thread(_measure, path)
    if not await files.claim(
        database, name=place.name, media_type=media_type, bytes_size=bytes_size, sha256=digest
    ):
        raise Conflict("Another file was put here before. Ask for a new upload.")
    try:
        await store.put(place.name, path)
    except StoreFailed as error:
        log.warning("upload.store_failed", name=place.name, error=str(error))
        raise StoreUnavailable(UNAVAILABLE) from None


async def look_up(store: MediaStore, name: str) -> Stored:
    """Look a stored file up for somebody; raises NotFound or StoreUnavailable."""
    try:
        return await store.stat(name)
    except StoreFailed as error:
        log.warning("media.store_failed", name=name, error=str(error))
        raise StoreUnavailable(UNAVAILABLE) from None


async def download(store: MediaStore, name: str, path: Path) -> None:
    """Copy a stored file to this machine for somebody; raises NotFound or StoreUnavailable."""
    try:
        await store.download(name, path)
    except StoreFailed as error:
        log.warning("media.store_failed", name=name, error=str(error))
        raise StoreUnavailable(UNAVAILABLE) from None


async def remove_oversize(
    database: Database, store: MediaStore, stored: Stored, now: datetime
) -> bool:
    """Remove an upload that is longer than it may be, and say whether it was; others are let be.

    Only what was put straight into the store can be: no store bounds what it is sent there.
    """
    if not stored.name.partition(".")[0].endswith(SUFFIX):
        return False
    if stored.bytes_size <= BYTES_MAX[MEDIA_KINDS[media_type_of(stored.name)]]:
        return False
    log.warning("upload.oversize", name=stored.name, bytes_size=stored.bytes_size)
    try:
        # The note comes second: who is killed in between does it once more.
        await store.delete([stored.name])
    except StoreFailed as error:
        log.warning("media.not_removed", name=stored.name, error=str(error))
    else:
        await files.note_removed(database, stored.name, now)
    return True


async def require_kind(path: Path, kind: MediaKind | None, field: str) -> str:
    """Inspect a file and return its media type; `field` is what it came by.

    Raises InvalidRequest for anything unacceptable, and StoreUnavailable where no inspection can be
    started.
    """
    try:
        (found,) = await inspect([path], InspectLimits())
    except MediaRefused as error:
        raise _invalid(field, f"The file {error.reason}") from None
    except (InspectionFailed, OSError) as error:
        log.warning("upload.not_inspected", error=str(error))
        raise StoreUnavailable(UNAVAILABLE) from None
    if kind is not None and found.kind is not kind:
        raise _invalid(field, f"Expected media of the kind {kind}, found {found.media_type}")
    if found.media_type not in TAKEN.values():
        raise _invalid(field, f"Expected one of {', '.join(TAKEN)}, found {found.media_type}")
    return found.media_type


def _measure(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), file.tell()


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(
        "Invalid request parameters", (InputIssue("invalid_value", message, (field,)),)
    )
