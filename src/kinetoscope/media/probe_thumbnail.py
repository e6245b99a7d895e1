"""How the inspecting child makes a small JPEG of a picture; imported only where one is wanted."""

import base64
import io
from collections.abc import Mapping
from typing import BinaryIO

from PIL import Image, JpegImagePlugin

from kinetoscope.media.formats import Signature, Unacceptable
from kinetoscope.media.probe_image import decoded_image, orientation

# Pillow loads what writes only when it is asked to, and by then the child opens no files at all.
LOADED_EARLY = (JpegImagePlugin,)

_QUALITIES = (85, 75, 60, 45)
_SHRINK = 0.75
_ATTEMPTS = 6
_BEHIND = (255, 255, 255)
"""What is seen through transparent places."""

_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_DEEP_STEPS = 256
"""How many steps of a 16-bit picture are one of an 8-bit picture."""

# CIPA DC-008, tag 0x0112.
_TURNS: Mapping[int, tuple[Image.Transpose, ...]] = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}


def image_thumbnail(
    file: BinaryIO, signature: Signature, limits: Mapping[str, int], bounds: Mapping[str, int]
) -> dict[str, object]:
    """Decode an image's first frame and tell it small; raises as an inspection does."""
    image = decoded_image(file, signature.media_type, limits["image_pixels_max"])
    turns = _TURNS.get(orientation(image), ())
    small = _small(_upright_colours(image), bounds["side_max"])
    for turn in turns:
        small = small.transpose(turn)
    return told(signature.media_type, small, bounds)


def told(media_type: str, image: Image.Image, bounds: Mapping[str, int]) -> dict[str, object]:
    """Return the answer about a picture: a JPEG within `side_max` pixels and `bytes_max`."""
    small = _small(image, bounds["side_max"]).convert("RGB")
    for _ in range(_ATTEMPTS):
        for quality in _QUALITIES:
            jpeg = io.BytesIO()
            small.save(jpeg, "JPEG", quality=quality, optimize=True)
            if jpeg.tell() <= bounds["bytes_max"]:
                return {
                    "media_type": media_type,
                    "width": small.width,
                    "height": small.height,
                    "jpeg": base64.b64encode(jpeg.getvalue()).decode(),
                }
        small = _small(small, round(max(small.size) * _SHRINK))
    raise Unacceptable("gives no small picture")


def _upright_colours(image: Image.Image) -> Image.Image:
    """Return an image in colours that can be mixed: neither a palette nor 16 bits deep."""
    if image.mode in _DEEP:
        return image.convert("F").point(lambda step: step / _DEEP_STEPS).convert("L")
    if image.mode in {"RGB", "RGBA", "L", "LA"}:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _small(image: Image.Image, side_max: int) -> Image.Image:
    """Return an image without transparency, no longer or wider than so many pixels."""
    if max(image.size) > side_max:
        scale = side_max / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if image.mode in {"RGBA", "LA"}:
        shown = Image.new("RGB", image.size, _BEHIND)
        shown.paste(image, mask=image.getchannel("A"))
        return shown
    return image
