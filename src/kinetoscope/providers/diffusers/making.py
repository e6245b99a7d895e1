"""What a device's process is asked to make, and what it has made: plain values, as JSON lines."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinetoscope.kernel.order import JSON, MediaKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A pipeline as it is kept in memory; equal values share one."""

    directory: str
    class_name: str
    dtype: str
    variant: str
    offload: str
    tiling: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A reference on disk, and the argument of the call that it is for."""

    argument: str
    kind: MediaKind
    path: str
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """One job. Pixels of 0 leave the size to the pipeline; `call_as` is the class that is called.

    `arguments` are known to be in the call's signature; sizes and frames are rounded where the
    pipeline is loaded, which knows its factors.
    """

    task_id: str
    folder: str
    loading: Loading
    call_as: str
    kind: MediaKind
    arguments: Mapping[str, JSON]
    width: int
    height: int
    duration_s: float
    fps: float
    size_multiple: int | None
    count: int
    seed: int
    audio: bool
    last_frame: bool
    file_format: str
    media: tuple[Medium, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One file that came out. `last_frame` is the PNG of a video's last frame."""

    path: Path
    media_type: str
    seed: int
    last_frame: Path | None


def encode_making(making: Making) -> bytes:
    """Write down what is to be made, as one line."""
    return json.dumps({"make": asdict(making)}).encode() + b"\n"


def decode_making(stated: dict[str, Any]) -> Making:
    """Read what `encode_making` wrote under `make`."""
    media = tuple(
        Medium(**{**medium, "kind": MediaKind(medium["kind"])}) for medium in stated["media"]
    )
    given = {
        **stated,
        "loading": Loading(**stated["loading"]),
        "kind": MediaKind(stated["kind"]),
        "media": media,
    }
    return Making(**given)


def encode_made(made: Made) -> dict[str, Any]:
    """Write a finished file down."""
    return {
        "path": str(made.path),
        "media_type": made.media_type,
        "seed": made.seed,
        "last_frame": None if made.last_frame is None else str(made.last_frame),
    }


def decode_made(stated: dict[str, Any]) -> Made:
    """Read what `encode_made` wrote."""
    last_frame = stated["last_frame"]
    return Made(
        path=Path(stated["path"]),
        media_type=stated["media_type"],
        seed=stated["seed"],
        last_frame=None if last_frame is None else Path(last_frame),
    )
