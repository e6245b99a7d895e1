"""The child process that signs one file: the only place that knows the C2PA library.

One JSON object on stdin, one on stdout. `media/credentials.py` is its only caller. The file comes
from a provider, and the library reads all of it, so nothing else is left within its reach.
"""

import json
import resource
import signal
import sys
from typing import Any, BinaryIO

from kinetoscope.kernel.lifeline import end_with_parent

SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {
        "verify_after_sign": True,
        # Whom a reader trusts is the reader's business; an operator's own authority will do.
        "verify_trust": False,
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
    },
}
"""Everything is in the file: nothing is fetched, no picture is repeated."""


def main() -> None:
    """Open both files, confine this process, load the library's settings and sign."""
    request: dict[str, Any] = json.load(sys.stdin)
    end_with_parent(request["parent"], signal.SIGKILL)
    try:
        import c2pa  # noqa: F401, PLC0415 - loaded before this process may open nothing more
    except ImportError:
        _say({"reason": "The extra `provenance` is not installed"})
        return
    with open(request["source"], "rb") as source, open(request["target"], "w+b") as target:  # noqa: PTH123
        _confine(request)
        try:
            _sign(request, source, target)
            target.flush()
        except Exception as error:  # noqa: BLE001 - whatever the library throws means the same
            _say({"reason": f"{type(error).__name__}: {error}"})
            return
    _say({"signed": True})


def _sign(request: dict[str, Any], source: BinaryIO, target: BinaryIO) -> None:
    import c2pa  # noqa: PLC0415

    media_type: str = request["media_type"]
    manifest: dict[str, Any] = request["manifest"]
    info = c2pa.C2paSignerInfo(
        request["algorithm"], request["certificate"].encode(), request["key"].encode(), None
    )
    with c2pa.Context(c2pa.Settings.from_dict(SETTINGS)) as context:
        is_sealed = _carries_manifest(media_type, source, context)
        if is_sealed:
            # How it was made is its maker's to say, and said; we only passed it on.
            manifest = {**manifest, "assertions": []}
        with c2pa.Builder(manifest, context=context) as builder:
            if is_sealed:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            with c2pa.Signer.from_info(info) as signer:
                builder.sign(signer, media_type, source, target)


def _carries_manifest(media_type: str, source: BinaryIO, context: Any) -> bool:
    import c2pa  # noqa: PLC0415

    reader = c2pa.Reader.try_create(media_type, source, context=context)
    source.seek(0)
    if reader is None:
        return False
    reader.close()
    return True


def _confine(request: dict[str, Any]) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, request["cpu_s_max"]),
        (resource.RLIMIT_FSIZE, request["file_bytes_max"]),
        (resource.RLIMIT_AS, request["memory_bytes_max"]),
        # No new descriptor: not another file, not a socket.
        (resource.RLIMIT_NOFILE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):
            # macOS knows RLIMIT_AS but does not take it.
            if sys.platform == "linux":
                raise


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
