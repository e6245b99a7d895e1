"""What a worker and its rendering process say to each other, as lines of JSON."""

import json
from pathlib import Path
from typing import Any

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.work import Picture, Rendered, Work


def encode_work(work: Work, folder: Path) -> bytes:
    """Write a work down as one line."""
    return json.dumps(
        {
            "folder": str(folder),
            "kind": work.kind,
            "prompt": work.prompt,
            "seed": work.seed,
            "width": work.size.width,
            "height": work.size.height,
            "duration_s": work.duration_s,
            "count": work.count,
            "audio": work.audio,
            "file_format": work.file_format,
            "last_frame": work.last_frame,
            "transparent": work.transparent,
            "pictures": [[item.kind, item.role, str(item.path)] for item in work.pictures],
        }
    ).encode()


def decode_work(line: bytes) -> tuple[Work, Path]:
    """Read what `encode_work` wrote."""
    stated = json.loads(line)
    work = Work(
        kind=MediaKind(stated["kind"]),
        prompt=stated["prompt"],
        seed=stated["seed"],
        size=Size(width=stated["width"], height=stated["height"]),
        duration_s=stated["duration_s"],
        count=stated["count"],
        audio=stated["audio"],
        file_format=stated["file_format"],
        last_frame=stated["last_frame"],
        transparent=stated["transparent"],
        pictures=tuple(
            Picture(kind=MediaKind(kind), role=Role(role), path=Path(path))
            for kind, role, path in stated["pictures"]
        ),
    )
    return work, Path(stated["folder"])


def encode_rendered(rendered: Rendered) -> dict[str, Any]:
    """Write a finished file down."""
    return {
        "path": str(rendered.path),
        "media_type": rendered.media_type,
        "seed": rendered.seed,
        "last_frame": None if rendered.last_frame is None else str(rendered.last_frame),
    }


def decode_rendered(stated: dict[str, Any]) -> Rendered:
    """Read what `encode_rendered` wrote."""
    last_frame = stated["last_frame"]
    return Rendered(
        path=Path(stated["path"]),
        media_type=stated["media_type"],
        seed=stated["seed"],
        last_frame=None if last_frame is None else Path(last_frame),
    )
