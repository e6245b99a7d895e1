"""Works for the renderer's tests, and looking at what came out."""

from pathlib import Path

import av
import numpy as np
from PIL import Image

from kinetoscope.kernel.order import MediaKind, Role, Size
from kinetoscope.providers.embedded.render import render
from kinetoscope.providers.embedded.work import Picture, Rendered, Work


def work(prompt: str = "a sunset over the ocean", **changes: object) -> Work:
    values: dict[str, object] = {
        "kind": MediaKind.VIDEO,
        "prompt": prompt,
        "seed": 7,
        "size": Size(width=320, height=180),
        "duration_s": 2.0,
        "count": 1,
        "audio": False,
        "file_format": "mp4",
        "last_frame": False,
        "transparent": False,
        "pictures": (),
    }
    if changes.get("kind") is MediaKind.IMAGE:
        values |= {"file_format": "png", "duration_s": 0.0}
    return Work(**(values | changes))  # type: ignore[arg-type]


def image(prompt: str = "a sunset over the ocean", **changes: object) -> Work:
    return work(prompt, kind=MediaKind.IMAGE, **changes)


def made(asked: Work, folder: Path) -> tuple[Rendered, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    return render(asked, folder, lambda _share: None)


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def given(path: Path, role: Role, kind: MediaKind = MediaKind.IMAGE) -> Picture:
    return Picture(kind=kind, role=role, path=path)


def closeness_db(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR outside the corner mark."""
    height, width = one.shape[:2]
    difference = one.astype(np.float64) - other.astype(np.float64)
    difference[int(height * 0.9) :, int(width * 0.6) :] = 0
    return float(10 * np.log10(255**2 / max((difference**2).mean(), 1e-9)))
