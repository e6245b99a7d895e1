"""Content Credentials (C2PA): signs files in a child process, where there is a key to sign with.

The library that does it is native and optional, so no process of ours ever loads it; the key is
handed to the child when there is something to sign.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON

# As for inspections: the child sees this process's import path and nothing else.
_CHILD = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from kinetoscope.media.credentials_child import main; main()"
)
_TIMEOUT_S = 60.0
_MEMORY_BYTES_MAX = 4 * 1024 * 1024 * 1024
_GROWTH_BYTES_MAX = 16 * 1024 * 1024
_REASON_LENGTH_MAX = 300


class SigningFailed(KinetoscopeError):
    """A file could not be signed; the text says why and holds nothing of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What signs: a private key and its certificates, the signing one first, all PEM."""

    key: str = field(repr=False)
    certificate: str

    async def sign(
        self, path: Path, media_type: str, manifest: dict[str, JSON], target: Path
    ) -> None:
        """Write a signed copy of a file. Raises SigningFailed; `target` then is of no use."""
        reply = await _ask(self._request(path, media_type, manifest, target))
        if reply != {"signed": True}:
            raise SigningFailed(str(reply.get("reason"))[:_REASON_LENGTH_MAX])

    def _request(
        self, path: Path, media_type: str, manifest: dict[str, JSON], target: Path
    ) -> bytes:
        request = {
            "parent": os.getpid(),
            "source": str(path.absolute()),
            "target": str(target.absolute()),
            "media_type": media_type,
            "manifest": manifest,
            "key": self.key,
            "certificate": self.certificate,
            "memory_bytes_max": _MEMORY_BYTES_MAX,
            "file_bytes_max": path.stat().st_size + _GROWTH_BYTES_MAX,
            "cpu_s_max": int(_TIMEOUT_S),
        }
        return json.dumps(request).encode()


def read_pem(text: str) -> str:
    """Return a key or certificates as they are; raises ValueError if they are something else."""
    # What it is instead is not repeated: it may be a key all the same.
    if not text.startswith("-----BEGIN "):
        raise ValueError("this is not PEM; to name a file, set the variable with _FILE")
    return text


async def _ask(request: bytes) -> dict[str, JSON]:
    process = await asyncio.create_subprocess_exec(
        *_command(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        start_new_session=True,  # Ctrl-C is for us, and we end it
    )
    reply = b""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S):
                reply, _ = await process.communicate(request)
    finally:
        # Also when the caller was cancelled: no child outlives its question.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer = json.loads(reply)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"reason": "The signing process broke"}


def _command() -> tuple[str, ...]:
    import_path = (str(Path(entry).absolute()) for entry in sys.path if entry)
    return (sys.executable, "-I", "-S", "-X", "utf8", "-c", _CHILD, *import_path)
