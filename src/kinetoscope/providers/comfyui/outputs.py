"""What ComfyUI says of a job: how far it is, and what it made. Pure, but for one file."""

import struct
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import orjson

from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.adapter import at, failed, items_at, text_at
from kinetoscope.providers.contract import Failed, Kind

ENDINGS = {
    MediaKind.IMAGE: frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"}),
    MediaKind.VIDEO: frozenset({".mp4", ".mov", ".webm", ".mkv"}),
    MediaKind.AUDIO: frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"}),
}
"""Nodes list videos under `images` and `gifs`: only the name tells what a file is."""
MEMORY_WORDS = ("out of memory", "OutOfMemory", "allocate")
PNG = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = frozenset({b"tEXt", b"iTXt", b"zTXt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One file there. `folder` is its type: output or temp."""

    filename: str
    subfolder: str
    folder: str

    @property
    def ending(self) -> str:
        """How its name ends."""
        return PurePosixPath(self.filename).suffix.lower()


def made_of(entry: JSON, kind: MediaKind) -> tuple[Made, ...] | Failed:
    """Return the files of the kind that was ordered, or why there are none."""
    if text_at(entry, "status", "status_str") != "success":
        return _failure(entry)
    outputs = at(entry, "outputs")
    listed = [
        Made(
            filename=text_at(item, "filename"),
            subfolder=text_at(item, "subfolder"),
            folder=text_at(item, "type") or "output",
        )
        for node in (outputs.values() if isinstance(outputs, dict) else ())
        for items in (node.values() if isinstance(node, dict) else ())
        for item in (items if isinstance(items, list) else ())
        if text_at(item, "filename")
    ]
    fitting = [made for made in listed if made.ending in ENDINGS[kind]]
    kept = [made for made in fitting if made.folder != "temp"] or fitting
    return tuple(kept) or failed("The workflow made no file of this kind.")


def _failure(entry: JSON) -> Failed:
    """An interruption is an error there too; the last message tells them apart."""
    for message in reversed(items_at(entry, "status", "messages")):
        if not isinstance(message, list) or len(message) != 2:  # noqa: PLR2004 - name, data
            continue
        name, data = message
        if name == "execution_interrupted":
            return failed("The engine was interrupted.", Kind.TEMPORARY)
        if name == "execution_error":
            said = text_at(data, "exception_message").strip()
            node = text_at(data, "node_type")
            short = any(word in said for word in MEMORY_WORDS)
            kind = Kind.TEMPORARY if short else Kind.PERMANENT
            return failed(f"{node}: {said}".removeprefix(": "), kind)
    return failed()


def progress_of(text: str) -> float | None:
    """Read a progress message: the share of the node at work."""
    try:
        message: JSON = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if text_at(message, "type") != "progress":
        return None
    value, most = at(message, "data", "value"), at(message, "data", "max")
    if isinstance(value, int | float) and isinstance(most, int | float) and most > 0:
        return min(max(value / most, 0.0), 1.0)
    return None


def without_texts(path: Path) -> None:
    """Take the texts out of a PNG: there the engine writes the whole workflow, prompt included."""
    content = path.read_bytes()
    if not content.startswith(PNG):
        return
    kept, place = bytearray(PNG), len(PNG)
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        end = place + 12 + length
        if content[place + 4 : place + 8] not in TEXT_CHUNKS:
            kept += content[place:end]
        place = end
    path.write_bytes(bytes(kept))
