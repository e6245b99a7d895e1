"""Small pictures of stored media, for those who look before they download: made when asked for.

They are made in the confined child that inspects media, by the same rules, and kept in memory only.
"""

import asyncio
import base64
import binascii
import json
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from obstore.exceptions import BaseError

from kinetoscope.kernel.order import MediaKind
from kinetoscope.media import probing
from kinetoscope.media.inspect import (
    MEDIA_KINDS,
    InspectionFailed,
    InspectLimits,
    MediaRefused,
)
from kinetoscope.media.store import MediaStore, StoreFailed, media_type_of

SIDE_MAX = 512
"""The longest side of a thumbnail, in pixels."""
JPEG_BYTES_MAX = 60 * 1024
SOURCE_BYTES_MAX = 512 * 1024 * 1024
"""Of what is longer nobody makes a thumbnail."""
TOTAL_TIMEOUT_S = 20.0
"""How long one may take, with waiting for a turn and fetching the file."""
AT_ONCE = 2
CACHE_BYTES_MAX = 16 * 1024 * 1024
ENTRY_BYTES = 200
"""What an entry of the cache takes besides its JPEG."""

PREFIX = "thumbnail-"
STALE_S = 600.0

LIMITS = InspectLimits(cpu_s_max=8)


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of making one: a JPEG, or none (sound), or why the file was refused."""

    jpeg: bytes | None
    reason: str = ""


@dataclass(slots=True)
class _Cache:
    """The latest thumbnails of one store, by media name; stored files never change."""

    made: OrderedDict[str, _Made] = field(default_factory=OrderedDict)
    bytes_held: int = 0

    def get(self, name: str) -> _Made | None:
        found = self.made.get(name)
        if found is not None:
            self.made.move_to_end(name)
        return found

    def put(self, name: str, made: _Made) -> None:
        self._let_go(name)
        self.made[name] = made
        self.bytes_held += _bytes_of(made)
        while self.bytes_held > CACHE_BYTES_MAX:
            self._let_go(next(iter(self.made)))

    def _let_go(self, name: str) -> None:
        gone = self.made.pop(name, None)
        self.bytes_held -= 0 if gone is None else _bytes_of(gone)


_caches: WeakKeyDictionary[MediaStore, _Cache] = WeakKeyDictionary()
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def thumbnail(store: MediaStore, folder: Path, name: str) -> bytes | None:
    """Return a small JPEG of a stored image or video; None for sound.

    An image is scaled so that no side is longer than `SIDE_MAX`; of a video it is the first frame
    that is not black. Transparent places are white. The JPEG has at most `JPEG_BYTES_MAX` bytes.
    `folder` is where the file is put meanwhile if the store is elsewhere. Whether the file may be
    seen at all is for the caller to ask first (`files.require_readable`, or the task's record).

    Raises NotFound where the store has no such file, MediaRefused where an inspection would refuse
    it or it is too long, StoreFailed, and InspectionFailed where this machine is too busy.
    """
    if MEDIA_KINDS[media_type_of(name)] is MediaKind.AUDIO:
        return None
    cache = _caches.setdefault(store, _Cache())
    made = cache.get(name)
    if made is None:
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_S), _turn():
                # Somebody else may have asked for the same one while we waited.
                made = cache.get(name) or await _make(store, folder, name)
                cache.put(name, made)
        except TimeoutError:
            raise InspectionFailed("No thumbnail could be made in time") from None
        except (OSError, BaseError) as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error
    if made.reason:
        raise MediaRefused(0, made.reason)
    return made.jpeg


def _turn() -> asyncio.Semaphore:
    """Return what bounds how many this loop makes at once."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


def _bytes_of(made: _Made) -> int:
    return ENTRY_BYTES + len(made.jpeg or b"") + len(made.reason)


async def _make(store: MediaStore, folder: Path, name: str) -> _Made:
    stored = await store.stat(name)
    if stored.bytes_size > SOURCE_BYTES_MAX:
        return _Made(None, f"is longer than {SOURCE_BYTES_MAX} bytes")
    stills = MEDIA_KINDS[media_type_of(name)] is MediaKind.IMAGE
    async with _here(store, folder, name) as path:
        request: dict[str, object] = {
            "parent": os.getpid(),
            "paths": [str(path.absolute())],
            "limits": asdict(LIMITS),
            "thumbnail": {"side_max": SIDE_MAX, "bytes_max": JPEG_BYTES_MAX},
        }
        lines, in_time = await probing.answers(request, LIMITS.total_timeout_s, stills=stills)
    if not lines or not in_time:
        # Slowness may be this machine's: it is not held against the file.
        raise InspectionFailed("No thumbnail could be made")
    return _read(lines[1] if len(lines) > 1 else b"")


@asynccontextmanager
async def _here(store: MediaStore, folder: Path, name: str) -> AsyncIterator[Path]:
    """Lend a path to a stored file: where it lies, or a copy that does not stay."""
    path = store.path_of(name)
    if path is not None:
        yield path
        return
    await asyncio.to_thread(_tidy, folder)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX) as copy:
        await store.download(name, Path(copy.name))
        yield Path(copy.name)


def _tidy(folder: Path) -> None:
    """Make the folder, and remove copies in it whose process was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):
            age_s = time.time() - path.stat().st_mtime  # noqa: TID251 - files bear the machine's time
            if age_s > STALE_S:
                path.unlink()


def _read(line: bytes) -> _Made:
    # The child has read hostile bytes: its answer is checked like anybody's.
    try:
        answer = json.loads(line)
        if "reason" in answer:
            return _Made(None, str(answer["reason"])[:200])
        jpeg = base64.b64decode(answer["jpeg"], validate=True)
        is_sound = not jpeg and MEDIA_KINDS[answer["media_type"]] is MediaKind.AUDIO
    except (KeyError, TypeError, ValueError, binascii.Error):
        return _Made(None, "cannot be decoded")
    if is_sound:
        return _Made(None)
    if not jpeg.startswith(b"\xff\xd8\xff") or len(jpeg) > JPEG_BYTES_MAX:
        return _Made(None, "cannot be decoded")
    return _Made(jpeg)
