"""What ComfyUI says of a job: why not, how far it is, what it made. Pure."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import orjson

from kinetoscope.kernel.calling import Answer, Malformed
from kinetoscope.kernel.order import JSON, MediaKind
from kinetoscope.providers.adapter import at, failed, items_at, refusal_by_status, text_at
from kinetoscope.providers.contract import Failed, Kind, Refused

ENDINGS = {
    MediaKind.IMAGE: frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"}),
    MediaKind.VIDEO: frozenset({".mp4", ".mov", ".webm", ".mkv"}),
    MediaKind.AUDIO: frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"}),
}
"""Nodes list videos under `images` and `gifs`: only the name tells what a file is."""
MEMORY_WORDS = ("out of memory", "OutOfMemory", "allocate")
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
NAMES_TAKEN_SINCE = (0, 3, 45)
"""Merged in July 2025, after 0.3.44: https://github.com/Acly/krita-ai-diffusion/pull/1894."""
MISSING_MODEL = "value_not_in_list"
"""A node wants a file that this ComfyUI does not have: its own trouble, not the client's."""


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
    name, data = _last_message(entry)
    if name == "execution_interrupted":
        return failed("The engine was interrupted.", Kind.TEMPORARY)
    said = text_at(data, "exception_message")
    short = any(word in said for word in MEMORY_WORDS)
    return failed(kind=Kind.TEMPORARY if short else Kind.PERMANENT)


def said_of(entry: JSON) -> str:
    """Return what the engine says of a failure, which is for the operator: it names files."""
    _, data = _last_message(entry)
    said = f"{text_at(data, 'node_type')}: {text_at(data, 'exception_message').strip()}"
    return said.strip(": ")


def _last_message(entry: JSON) -> tuple[str, JSON]:
    for message in reversed(items_at(entry, "status", "messages")):
        if not isinstance(message, list) or len(message) != 2:  # noqa: PLR2004 - name, data
            continue
        name, data = message
        if name in {"execution_interrupted", "execution_error"}:
            return str(name), data
    return "", None


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


def refusal_of(answer: Answer) -> tuple[Refused, str]:
    """Return the refusal, and what the engine said: its nodes and files are no client's affair.

    `{"error": {"type", "message"}, "node_errors": {id: {"errors": [{"type", "details"}]}}}`
    """
    try:
        table = answer.table()
    except Malformed:
        return refusal_by_status(answer), ""
    said, kind = text_at(table, "error", "message"), None
    nodes = at(table, "node_errors")
    for node_id, node in nodes.items() if isinstance(nodes, dict) else ():
        for error in items_at(node, "errors"):
            details = text_at(error, "details") or text_at(error, "message")
            said = f"Node {node_id} ({text_at(node, 'class_type')}): {details}"
            if text_at(error, "type") == MISSING_MODEL:
                kind = Kind.UNSUPPORTED
    # Why another route is taken is shown to the operator only.
    return refusal_by_status(answer, said if kind is Kind.UNSUPPORTED else "", kind), said


def is_too_old(version: str) -> bool:
    """Whether it is known not to take the names that we give to jobs."""
    found = VERSION.match(version)
    return found is not None and tuple(map(int, found.groups())) < NAMES_TAKEN_SINCE
