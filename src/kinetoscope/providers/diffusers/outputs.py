"""What pipelines return, as files: pictures, clips and sounds in the shapes they come in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinetoscope.kernel.order import MediaKind
from kinetoscope.providers.diffusers import encode
from kinetoscope.providers.diffusers.making import Made, Making

Pixels = NDArray[np.uint8]

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
CLIPS = {"mp4": "video/mp4", "mov": "video/quicktime"}
CHANNELS_MAX = 2
STACK = 4
"""Dimensions of several pictures: number, rows, columns, colours."""

RATE_PLACES = (
    ("vocoder", ("output_sampling_rate", "sampling_rate")),
    ("vae", ("sampling_rate", "sample_rate")),
    ("audio_vae", ("sampling_rate", "sample_rate")),
)
"""Where pipelines say how many samples a second has, likeliest first."""


class NothingMade(Exception):
    """The pipeline returned nothing that could be shown, such as numbers that are none."""


def write(
    path: Path,
    making: Making,
    arguments: dict[str, Any],
    output: Any,  # noqa: ANN401 - each pipeline has its own
    source: tuple[Any, int],
) -> Made:
    """Write one result beside `path`, with its ending; `source` is the pipeline and the seed."""
    pipeline, seed = source
    if making.kind is MediaKind.AUDIO:
        file = path.with_suffix(".wav")
        encode.write_sound(file, sound_of(output.audios), rate_of(pipeline))
        return Made(path=file, media_type="audio/wav", seed=seed, last_frame=None)
    cut = {name: getattr(making, name) if name in arguments else 0 for name in ("width", "height")}
    if making.kind is MediaKind.IMAGE:
        word = making.file_format if making.file_format in FORMATS else "png"
        file = path.with_suffix(f".{word}")
        first = next(iter(pictures_of(output.images)), None)
        if first is None:
            raise NothingMade("the pipeline returned no picture")
        encode.write_picture(file, cropped(first, **cut), word)
        return Made(path=file, media_type=FORMATS[word], seed=seed, last_frame=None)
    return _clip(path, making, cut, output, source)


def _clip(
    path: Path,
    making: Making,
    cut: dict[str, int],
    output: Any,  # noqa: ANN401
    source: tuple[Any, int],
) -> Made:
    pipeline, seed = source
    word = making.file_format if making.file_format in CLIPS else "mp4"
    file = path.with_suffix(f".{word}")
    last: list[Pixels] = []

    def frames() -> Iterator[Pixels]:
        for frame in pictures_of(output.frames):
            shown = even(cropped(frame, **cut))
            last[:] = [shown]
            yield shown

    heard = getattr(output, "audio", None) if making.audio else None
    sound = None if heard is None else (sound_of(heard), rate_of(pipeline))
    encode.write_clip(file, frames(), making.fps, sound)
    if not last:
        raise NothingMade("the pipeline returned no frames")
    still = None
    if making.last_frame:
        still = path.with_name(f"{path.name}-last.png")
        encode.write_picture(still, last[0], "png")
    return Made(path=file, media_type=CLIPS[word], seed=seed, last_frame=still)


def pictures_of(value: Any) -> Iterator[Pixels]:  # noqa: ANN401 - as pipelines return it
    """Walk through the pictures of the first result: of an image one, of a clip its frames."""
    while isinstance(value, list | tuple) and value and _holds_many(value[0]):
        value = value[0]
    if isinstance(value, Image.Image):
        value = [value]
    if not isinstance(value, list | tuple):
        value = _array(value)
        while value.ndim > STACK:
            value = value[0]
        value = value if value.ndim == STACK else value[None]
    for item in value:
        if isinstance(item, Image.Image):
            yield np.asarray(item.convert("RGB"))
        else:
            yield _bytes(_array(item))


def _holds_many(item: Any) -> bool:  # noqa: ANN401
    return isinstance(item, list | tuple) or getattr(item, "ndim", 0) >= STACK


def _array(value: Any) -> NDArray[Any]:  # noqa: ANN401
    """Bring an array here, wherever it is."""
    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()
    return np.asarray(value)


def _bytes(picture: NDArray[Any]) -> Pixels:
    """Return a picture of shares between 0 and 1 as bytes; what is none is no picture."""
    if picture.dtype == np.uint8:
        return picture
    if not np.isfinite(picture).all():
        raise NothingMade("the picture's numbers are not numbers; another dtype may help")
    if picture.shape[-1] == 1:
        picture = np.repeat(picture, 3, axis=-1)
    scaled = np.clip(picture, 0, 1) * 255
    return np.ascontiguousarray(np.rint(scaled).astype(np.uint8)[..., :3])


def cropped(picture: Pixels, *, width: int, height: int) -> Pixels:
    """Cut what is too much off around the middle; sides of 0 stay."""
    rows, columns = picture.shape[:2]
    if height and rows > height:
        top = (rows - height) // 2
        picture = picture[top : top + height]
    if width and columns > width:
        left = (columns - width) // 2
        picture = picture[:, left : left + width]
    return np.ascontiguousarray(picture)


def even(picture: Pixels) -> Pixels:
    """Cut an odd row and column off: half as many colours are stored as pixels."""
    rows, columns = picture.shape[:2]
    return np.ascontiguousarray(picture[: rows - rows % 2, : columns - columns % 2])


def sound_of(value: Any) -> NDArray[np.float32]:  # noqa: ANN401 - as pipelines return it
    """Return a sound as channels by samples, at most two, between -1 and 1."""
    array = _array(value).astype(np.float32)
    while array.ndim > 2:  # noqa: PLR2004 - a batch
        array = array[0]
    if array.ndim == 1:
        array = array[None]
    if array.shape[0] > CHANNELS_MAX:
        array = array.T if array.shape[1] <= CHANNELS_MAX else array[:1]
    if not array.size or not np.isfinite(array).all():
        raise NothingMade("the sound's numbers are not numbers")
    return np.ascontiguousarray(np.clip(array, -1, 1))


def rate_of(pipeline: Any) -> int:  # noqa: ANN401
    """Return how many samples a second has."""
    for part, names in RATE_PLACES:
        found = getattr(pipeline, part, None)
        for holder in (getattr(found, "config", None), found):
            for name in names:
                value = getattr(holder, name, None)
                if isinstance(value, int | float) and value > 0:
                    return int(value)
    stated = getattr(pipeline, "sample_rate", None)
    if isinstance(stated, int | float):
        return int(stated)
    raise NothingMade("the pipeline does not say how fast its samples are")
