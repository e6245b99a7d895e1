"""Makes single pictures: painted at full size, since there is only one frame to pay for."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kinetoscope.kernel.order import MediaKind, Size
from kinetoscope.providers.embedded.cards import lay_prints, prints
from kinetoscope.providers.embedded.chance import chance, derived_seed
from kinetoscope.providers.embedded.compose import scene_of, set_stage
from kinetoscope.providers.embedded.finish import finisher
from kinetoscope.providers.embedded.mark import COMMENT, mark_for, mark_pixels
from kinetoscope.providers.embedded.pictures import opened
from kinetoscope.providers.embedded.prompt import read
from kinetoscope.providers.embedded.relight import relit
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.transparency import cutaway, spotlight
from kinetoscope.providers.embedded.work import Progress, Rendered, Work

_MOST_PAINTED_PIXELS = 2_300_000
_EXIF_DESCRIPTION = 0x010E


def make_stills(work: Work, folder: Path, progress: Progress) -> tuple[Rendered, ...]:
    """`count` different compositions of one prompt."""
    made = []
    for index in range(work.count):
        seed = derived_seed(work.seed, index)
        path = folder / f"image-{index + 1}.{work.file_format}"
        pixels = picture_of(work, seed)
        mark_pixels(pixels, mark_for(work.size.width, work.size.height))
        _save(pixels, path, work.file_format)
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


def picture_of(work: Work, seed: int) -> NDArray[np.uint8]:
    """One composition as pixels: red, green, blue and, where asked for, alpha; without the mark."""
    scale = min(1.0, (_MOST_PAINTED_PIXELS / (work.size.width * work.size.height)) ** 0.5)
    paint = Size(
        width=max(2, round(work.size.width * scale)), height=max(2, round(work.size.height * scale))
    )
    stage = set_stage(read(work.prompt), work.prompt, seed, paint, None)
    images = given_images(work)
    light = np.empty((3, paint.height, paint.width), dtype=np.float32)
    if len(images) == 1:
        relit(stage, opened(images[0]), light)
    else:
        scene_of(stage).paint(stage.moment_at(0), light)
    alpha = _alpha(stage, work, light) if work.transparent else None
    shown = finisher(stage, (paint.height, paint.width))(light, 0)
    pixels = _eight_bits(_sized(shown, work.size), seed)
    if len(images) > 1:
        planes = tuple(pixels[..., channel] for channel in range(3))
        lay_prints(planes, prints(work, seed, colour_planes=True), 0.0, 0.0)
    if alpha is None:
        return pixels
    sized = _sized(alpha[None], work.size)[0]
    cover = np.clip(sized * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.dstack([pixels, cover])


def given_images(work: Work) -> list[Path]:
    """Every image the work refers to, whatever its role."""
    return [picture.path for picture in work.pictures if picture.kind is MediaKind.IMAGE]


def _alpha(stage: Stage, work: Work, light: NDArray[np.float32]) -> NDArray[np.float32]:
    """What stays: the things in the scene and, softly, its ground; the sky goes."""
    if given_images(work):
        return spotlight(stage)
    return cutaway(stage, light)


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
