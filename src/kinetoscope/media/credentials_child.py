"""The child process that signs one file: the only place that knows the C2PA library.

One JSON object on stdin, one on stdout. `media/credentials.py` is its only caller. The file comes
from a provider, and the library reads all of it, so nothing else is left within its reach.
"""

import json
import resource
import signal
import sys
from typing import Any, BinaryIO

import c2pa  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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
    """Open both files, confine this process and sign."""
    request: dict[str, Any] = json.load(sys.stdin)
    end_with_parent(request["parent"], signal.SIGKILL)
    with open(request["source"], "rb") as source, open(request["target"], "w+b") as target:  # noqa: PTH123
        _confine(request)
        try:
            _sign(request, source, target)
            target.flush()
        except Exception as error:  # noqa: BLE001 - whatever the library throws means the same
            _say({"reason": str(error) or type(error).__name__})
            return
    _say({"signed": True})


def _sign(request: dict[str, Any], source: BinaryIO, target: BinaryIO) -> None:
    media_type: str = request["media_type"]
    manifest: dict[str, Any] = request["manifest"]
    key: bytes = request["key"].encode()
    info = c2pa.C2paSignerInfo(_algorithm(key), request["certificate"].encode(), key, None)
    with c2pa.Context(c2pa.Settings.from_dict(SETTINGS)) as context:
        sealed = c2pa.Reader.try_create(media_type, source, context=context)
        source.seek(0)
        if sealed is not None:
            sealed.close()
            # How it was made is its maker's to say, and said; we only passed it on.
            manifest = {**manifest, "assertions": []}
        with c2pa.Builder(manifest, context=context) as builder:
            if sealed is not None:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            with c2pa.Signer.from_info(info) as signer:
                builder.sign(signer, media_type, source, target)


def _algorithm(pem: bytes) -> str:
    """Return the one algorithm that a key is for, or the usual one of several.

    https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html#_digital_signatures
    """
    key = load_pem_private_key(pem, None)
    match key:
        case EllipticCurvePrivateKey():
            return {256: "es256", 384: "es384", 521: "es512"}[key.curve.key_size]
        case Ed25519PrivateKey():
            return "ed25519"
        case RSAPrivateKey():
            return "ps256"
        case _:
            raise ValueError("The key is of a kind that signs no credentials")


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
