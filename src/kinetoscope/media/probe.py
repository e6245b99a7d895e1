"""The child process that opens files nobody vouches for, after giving up what it could abuse.

Run with `python -m kinetoscope.media.probe`: one JSON object on stdin, then one line of JSON per
file on stdout, after a line that says the child is ready. `media/inspect.py` is its only caller.
"""

import ctypes
import json
import os
import resource
import signal
import stat
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from kinetoscope.media.formats import Signature, Unacceptable, read_signature

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

Opener = Callable[[BinaryIO], Mapping[str, object]]
"""Opens a file and tells what is to be told of it."""


def main() -> None:
    """Do what the request on stdin says."""
    inspect_all(json.load(sys.stdin))


def inspect_all(request: dict[str, Any]) -> None:
    """Open every file, confine this process, and only then look inside.

    Where the request bounds a `thumbnail`, small pictures are told of them instead of findings.
    """
    limits: dict[str, int] = request["limits"]
    thumbnail: dict[str, int] | None = request.get("thumbnail")
    _die_with(request["parent"])
    openers = [_prepared(path, limits, thumbnail) for path in request["paths"]]
    _confine(limits["memory_bytes_max"], limits["cpu_s_max"])
    _say({"ready": True})
    for prepared in openers:
        _say(prepared())


def _prepared(
    path: str, limits: dict[str, int], thumbnail: dict[str, int] | None
) -> Callable[[], dict[str, object]]:
    try:
        file, bytes_size = _opened(path)
        opener = _opener(file, limits, thumbnail)
    except Unacceptable as refusal:
        reason = str(refusal)
        return lambda: {"reason": reason}
    return lambda: _answer(opener, file, bytes_size)


def _opened(path: str) -> tuple[BinaryIO, int]:
    # Without O_NONBLOCK a pipe would hold us here; a link could lead anywhere.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise Unacceptable("cannot be read") from None
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        raise Unacceptable("is not a file")
    if state.st_size == 0:
        os.close(descriptor)
        raise Unacceptable("is empty")
    return os.fdopen(descriptor, "rb"), state.st_size


def _opener(file: BinaryIO, limits: dict[str, int], thumbnail: dict[str, int] | None) -> Opener:
    signature = read_signature(file)
    if signature is None:
        raise Unacceptable("is not in a media format that is accepted")
    if thumbnail is not None:
        return _thumbnail_opener(signature, limits, thumbnail)
    return (
        _image_opener(signature, limits)
        if not signature.demuxer
        else _stream_opener(signature, limits)
    )


def _image_opener(signature: Signature, limits: dict[str, int]) -> Opener:
    from kinetoscope.media.probe_image import open_image  # noqa: PLC0415 - each costs 50 ms

    pixels_max = limits["image_pixels_max"]
    return lambda file: open_image(file, signature.media_type, pixels_max)._asdict()


def _stream_opener(signature: Signature, limits: dict[str, int]) -> Opener:
    from kinetoscope.media.probe_stream import open_stream  # noqa: PLC0415 - each costs 50 ms

    pixels_max, packets_max = limits["video_pixels_max"], limits["packets_max"]
    return lambda file: open_stream(file, signature, pixels_max, packets_max)._asdict()


def _thumbnail_opener(
    signature: Signature, limits: dict[str, int], bounds: dict[str, int]
) -> Opener:
    if not signature.demuxer:
        from kinetoscope.media.probe_thumbnail import image_thumbnail  # noqa: PLC0415

        return lambda file: image_thumbnail(file, signature, limits, bounds)
    from kinetoscope.media.probe_frame import video_thumbnail  # noqa: PLC0415

    return lambda file: video_thumbnail(file, signature, limits, bounds)


def _answer(opener: Opener, file: BinaryIO, bytes_size: int) -> dict[str, object]:
    try:
        file.seek(0)
        return {**opener(file), "bytes_size": bytes_size}
    except Unacceptable as refusal:
        return {"reason": str(refusal)}
    except MemoryError:
        return {"reason": "needs too much memory to open"}
    except Exception:  # noqa: BLE001 - whatever a decoder throws at bad bytes means the same
        return {"reason": "cannot be decoded"}


def _die_with(parent: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # It died before the line above; nobody will ever read our answer.
        sys.exit(1)


def _confine(memory_bytes_max: int, cpu_s_max: int) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, cpu_s_max)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes_max)
    # No new descriptor: not another file, not a socket, whatever a decoder is talked into.
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(what: int, most: int) -> None:
    try:
        resource.setrlimit(what, (most, most))
    except (OSError, ValueError):
        # macOS knows RLIMIT_AS but does not take it.
        if sys.platform == "linux":
            raise


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
