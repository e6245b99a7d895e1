"""Own storage for finished media: a folder, or S3, GCS, Azure by one setting (obstore)."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from kinetoscope.kernel.errors import KinetoscopeError, NotFound

CHUNK_BYTES = 256 * 1024

MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
}
"""The only types that are ever stored or served, by the ending of the name."""

ENDINGS = {media_type: ending for ending, media_type in MEDIA_TYPES.items()}


def media_type_of(name: str) -> str:
    """Return the content type of a media name; raises NotFound for endings that we never store."""
    try:
        return MEDIA_TYPES[name.rpartition(".")[2]]
    except KeyError:
        raise NotFound("Media not found") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is known of a stored file without reading it."""

    name: str
    bytes_size: int
    tag: str


class StoreFailed(KinetoscopeError):
    """The store did not take a file; trying again may help."""


class MediaStore:
    """Puts files under names and reads them back; a name's first letters are its folder."""

    def __init__(self, url: str) -> None:
        self.folder = Path(url.removeprefix("file://")) if url.startswith("file://") else None
        if self.folder is not None:
            # Addresses are what permits reading media, so other users' eyes stay out.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store = _open(url)

    async def put(self, name: str, path: Path) -> None:
        """Store a file whole or not at all; storing the same name again replaces it.

        When this returns the file survives a power cut. Raises StoreFailed.
        """
        try:
            if self.folder is None:
                await obstore.put_async(self.store, _key(name), path)
            else:
                await asyncio.to_thread(_put_durably, self.folder / _key(name), path)
        except (OSError, BaseError) as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error

    @property
    def takes_puts(self) -> bool:
        """Whether clients put files straight into it, at addresses that it signs."""
        return isinstance(self.store, S3Store | GCSStore | AzureStore)

    async def sign_put(self, name: str, lifetime: timedelta) -> str | None:
        """Return an address at the store itself where a file may be put; None for a folder.

        https://developmentseed.org/obstore/latest/api/sign/
        """
        if not isinstance(self.store, S3Store | GCSStore | AzureStore):
            return None
        return await obstore.sign_async(self.store, "PUT", _key(name), lifetime)

    async def stat(self, name: str) -> Stored:
        """Look a file up; raises NotFound, and StoreFailed where the store does not say."""
        try:
            meta = await obstore.head_async(self.store, _key(name))
        except FileNotFoundError:
            raise NotFound("Media not found") from None
        except (OSError, BaseError) as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error
        tag = (meta["e_tag"] or f"{meta['size']:x}").strip('"')
        return Stored(name=name, bytes_size=meta["size"], tag=tag)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` up to, not including, `end`."""
        if start >= end:
            return
        result = await obstore.get_async(self.store, _key(name), options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def download(self, name: str, path: Path) -> None:
        """Copy a stored file to this machine; raises NotFound or StoreFailed."""
        stored = await self.stat(name)
        with path.open("wb") as file:
            try:
                async for chunk in self.read(name, 0, stored.bytes_size):
                    file.write(chunk)
            except BaseError as error:
                raise StoreFailed(f"{type(error).__name__}: {error}") from error

    def path_of(self, name: str) -> Path | None:
        """Return where a file lies on this machine, if it is there; None for stores elsewhere."""
        return None if self.folder is None else self.folder / _key(name)

    async def delete(self, names: list[str]) -> None:
        """Remove files; names that are not there are no error. Raises StoreFailed."""
        for name in names:
            try:
                await obstore.delete_async(self.store, _key(name))
            except FileNotFoundError:
                continue
            except (OSError, BaseError) as error:
                raise StoreFailed(f"{type(error).__name__}: {error}") from error

    async def sweep_drafts(self, before: datetime) -> int:
        """Remove what puts that were killed left in a folder before a time; return how many."""
        if self.folder is None:
            return 0
        return await asyncio.to_thread(_sweep_drafts, self.folder, before.timestamp())


def _put_durably(target: Path, path: Path) -> None:
    """Copy beside the target, flush to disk, then rename: obstore does not flush."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # A draft of its own: two puts of one name at once must not write into each other's.
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with path.open("rb") as source, draft.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sweep_drafts(folder: Path, before_s: float) -> int:
    swept = 0
    for draft in folder.glob("*/.*.part"):
        # Somebody may be finishing or sweeping it in this moment.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before_s:
                draft.unlink()
                swept += 1
    return swept


def _open(url: str) -> ObjectStore:
    if url.startswith("file://"):
        return LocalStore(url.removeprefix("file://"), mkdir=True)
    return from_url(url)


def _key(name: str) -> str:
    return f"{name[:2]}/{name}"
