"""How the inspecting child opens a still image; imported only where one is at hand."""

import copy
import warnings
from fractions import Fraction
from typing import BinaryIO

from PIL import (
    ExifTags,
    Image,
    ImagePalette,
    MpoImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from kinetoscope.media.formats import Finding, Unacceptable

# Pillow loads these only when a file asks for them, and by then the child opens no files at all.
Image.preinit()
LOADED_EARLY = (copy, ImagePalette, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin)

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")

# Pillow holds a WebP four times over while decoding; 30 of 50 million pixels stay under 512 MiB.
_WEBP_SHARE = Fraction(3, 5)

# EXIF orientations that lay the image on its side (CIPA DC-008, tag 0x0112).
_SIDEWAYS = frozenset({5, 6, 7, 8})


def open_image(file: BinaryIO, media_type: str, pixels_max: int) -> Finding:
    """Decode an image's first frame; raise whatever Pillow raises where it is damaged.

    Width and height are those a viewer sees, after EXIF orientation.
    """
    image = decoded_image(file, media_type, pixels_max)
    sideways = orientation(image) in _SIDEWAYS
    width, height = (image.height, image.width) if sideways else (image.width, image.height)
    return Finding(media_type, width, height, duration_ms=0, frames=1, has_audio=False)


def orientation(image: Image.Image) -> int:
    """Return how EXIF says an image lies, 1 to 8; 1 is upright."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stated = image.getexif().get(ExifTags.Base.Orientation)
    return stated if isinstance(stated, int) else 1


def decoded_image(file: BinaryIO, media_type: str, pixels_max: int) -> Image.Image:
    """Decode an image's first frame, as it lies in the file; raises as `open_image` does."""
    if media_type == "image/webp":
        pixels_max = int(pixels_max * _WEBP_SHARE)
    Image.MAX_IMAGE_PIXELS = pixels_max
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow only warns between the limit and twice the limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=_FORMATS)
            image.load()
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise Unacceptable(f"is larger than {pixels_max} pixels") from None
    return image
