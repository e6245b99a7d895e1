"""Makes single pictures: painted at full size, since there is only one frame to pay for."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded.chance import chance, derived_seed
from kinetoscope.providers.embedded.compose import scene_of, set_stage
from kinetoscope.providers.embedded.finish import finisher
from kinetoscope.providers.embedded.mark import COMMENT, mark_for, mark_pixels
from kinetoscope.providers.embedded.prompt import read
from kinetoscope.providers.embedded.work import Progress, Rendered, Work

_MOST_PAINTED_PIXELS = 2_300_000
_EXIF_DESCRIPTION = 0x010E


def make_stills(work: Work, folder: Path, progress: Progress) -> tuple[Rendered, ...]:
    """`count` different compositions of one prompt."""
    made = []
    for index in range(work.count):
        seed = derived_seed(work.seed, index)
        path = folder / f"image-{index + 1}.{work.file_format}"
        _save(_picture(work, seed), path, work.file_format)
        made.append(
            Rendered(
                path=path,
                media_type=f"image/{work.file_format}",
                seed=seed,
                last_frame=None,
            )
        )
        progress((index + 1) / work.count)
    return tuple(made)


def _picture(work: Work, seed: int) -> NDArray[np.uint8]:
    scale = min(1.0, (_MOST_PAINTED_PIXELS / (work.size.width * work.size.height)) ** 0.5)
    paint = Size(
        width=max(2, round(work.size.width * scale)), height=max(2, round(work.size.height * scale))
    )
    stage = set_stage(read(work.prompt), work.prompt, seed, paint, None)
    light = np.empty((3, paint.height, paint.width), dtype=np.float32)
    scene_of(stage).paint(stage.moment_at(0), light)
    shown = finisher(stage, (paint.height, paint.width))(light, 0)
    pixels = _eight_bits(_sized(shown, work.size), seed)
    mark_pixels(pixels, mark_for(work.size.width, work.size.height))
    return pixels


def _sized(shown: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    if shown.shape[1:] == (size.height, size.width):
        return shown
    return np.stack(
        [
            np.asarray(
                Image.fromarray(plane).resize((size.width, size.height), Image.Resampling.LANCZOS)
            )
            for plane in shown
        ]
    )


def _eight_bits(shown: NDArray[np.float32], seed: int) -> NDArray[np.uint8]:
    """Rounds with half a step of chance, so that smooth light shows no bands."""
    rng = chance(seed, "dither")
    dither = rng.random(shown.shape[1:], dtype=np.float32)
    pixels = np.clip(shown * np.float32(255) + dither, 0, 255)
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))


def _save(pixels: NDArray[np.uint8], path: Path, file_format: str) -> None:
    """Every format says in its metadata what this is."""
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION] = COMMENT
    if file_format == "png":
        text = PngInfo()
        text.add_text("Comment", COMMENT)
        picture.save(path, "PNG", pnginfo=text, compress_level=4)
    elif file_format == "jpeg":
        picture.save(path, "JPEG", quality=92, subsampling=0, exif=exif, comment=COMMENT)
    else:
        picture.save(path, "WEBP", quality=90, method=3, exif=exif)
