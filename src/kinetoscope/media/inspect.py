"""What a file really is, found out in a confined child, because its bytes may be hostile."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import MediaKind

MEDIA_KINDS = {
    "video/mp4": MediaKind.VIDEO,
    "video/quicktime": MediaKind.VIDEO,
    "video/webm": MediaKind.VIDEO,
    "image/png": MediaKind.IMAGE,
    "image/jpeg": MediaKind.IMAGE,
    "image/webp": MediaKind.IMAGE,
    "image/gif": MediaKind.IMAGE,
    "audio/wav": MediaKind.AUDIO,
    "audio/mpeg": MediaKind.AUDIO,
    "audio/mp4": MediaKind.AUDIO,
    "audio/aac": MediaKind.AUDIO,
    "audio/ogg": MediaKind.AUDIO,
    "audio/flac": MediaKind.AUDIO,
}
"""Every media type an inspection can name."""

# The child sees this process's import path and nothing else: no environment, no user or site
# folder, no .pth files, no current folder.
_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from kinetoscope.media.probe import main; main()"
_REPLY_BYTES_MAX = 256 * 1024


class MediaRefused(KinetoscopeError):
    """One of the files is not what we accept: `index` says which, `reason` why, safe to show."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"File {index + 1} {reason}")
        self.index = index
        self.reason = reason


class InspectionFailed(KinetoscopeError):
    """The child could not start: this machine's fault, not the file's. Trying again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLimits:
    """What one inspection may take, over all its files together, and what a file may be.

    A WebP may have three fifths of `image_pixels_max`, for the memory its decoder takes.
    """

    total_timeout_s: float = 10.0
    cpu_s_max: int = 10
    memory_bytes_max: int = 1024 * 1024 * 1024
    image_pixels_max: int = 50_000_000
    video_pixels_max: int = 36_000_000
    packets_max: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a file really is.

    `width` and `height` are pixels as a viewer sees them: after EXIF orientation or the display
    matrix, before the sample aspect ratio; 0 for sound. `duration_ms` is that of the picture
    where there is one, counted from packets; 0 for images. `frames` counts coded frames: 1 for
    images (animated or not), 0 for sound.
    """

    kind: MediaKind
    media_type: str
    width: int
    height: int
    duration_ms: int
    frames: int
    has_audio: bool
    bytes_size: int


async def inspect(paths: Sequence[Path], limits: InspectLimits) -> tuple[Inspected, ...]:
    """Open every file in one child process and say what each is, in the same order.

    Raises MediaRefused for the first file that is not acceptable, which includes one that kills
    the child or outlasts `total_timeout_s`, and InspectionFailed where no child could start.
    """
    if not paths:
        return ()
    lines, in_time = await _child_lines(_request(paths, limits), limits.total_timeout_s)
    if not lines:
        raise InspectionFailed("No inspection could be started")
    ending = "cannot be decoded" if in_time else "takes too long to open"
    return tuple(
        _inspected(index, lines[index + 1] if index + 1 < len(lines) else None, ending)
        for index in range(len(paths))
    )


def _request(paths: Sequence[Path], limits: InspectLimits) -> bytes:
    request = {
        "parent": os.getpid(),
        "paths": [str(path.absolute()) for path in paths],
        "limits": asdict(limits),
    }
    return json.dumps(request).encode()


def _command() -> tuple[str, ...]:
    import_path = (str(Path(entry).absolute()) for entry in sys.path if entry)
    return (sys.executable, "-I", "-S", "-X", "utf8", "-c", _CHILD, *import_path)


async def _child_lines(request: bytes, timeout_s: float) -> tuple[list[bytes], bool]:
    """Return the whole lines the child wrote, and whether it ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *_command(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    reply = bytearray()
    in_time = False
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await _converse(process, request, reply)
                in_time = True
    finally:
        # Also when the caller was cancelled: no child outlives its question.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.communicate()
    return [line for line in bytes(reply).split(b"\n")[:-1] if line], in_time


async def _converse(process: asyncio.subprocess.Process, request: bytes, reply: bytearray) -> None:
    if process.stdin is None or process.stdout is None:
        raise InspectionFailed("No inspection could be started")
    # A child that died early breaks the pipe; its silence says so soon enough.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(request)
        await process.stdin.drain()
    process.stdin.close()
    while len(reply) < _REPLY_BYTES_MAX and (piece := await process.stdout.read(_REPLY_BYTES_MAX)):
        reply += piece
    await process.wait()


def _inspected(index: int, line: bytes | None, ending: str) -> Inspected:
    if line is None:
        raise MediaRefused(index, ending)
    # The child has read hostile bytes: its answer is checked like anybody's.
    try:
        answer = json.loads(line)
        if "reason" in answer:
            raise MediaRefused(index, str(answer["reason"])[:200])
        return Inspected(
            kind=MEDIA_KINDS[answer["media_type"]],
            media_type=str(answer["media_type"]),
            width=int(answer["width"]),
            height=int(answer["height"]),
            duration_ms=int(answer["duration_ms"]),
            frames=int(answer["frames"]),
            has_audio=answer["has_audio"] is True,
            bytes_size=int(answer["bytes_size"]),
        )
    except (KeyError, TypeError, ValueError):
        raise MediaRefused(index, "cannot be decoded") from None
