"""A given image in the prompt's light: graded, lit from the sun's side, with its weather."""

import numpy as np
from PIL import Image

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded.grade import grade_of, graded_pixels
from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.pictures import fitted
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.tone import spread, unfilm
from kinetoscope.providers.embedded.weather import weather_of


def relit(stage: Stage, picture: Image.Image, light: Planes) -> None:
    """Writes the picture's light into `light`, ready for the film curve."""
    sheet = fitted(picture, Size(width=stage.width, height=stage.height))
    shown = np.ascontiguousarray(
        np.asarray(sheet, dtype=np.float32).transpose(2, 0, 1)
    ) / np.float32(255)
    light[...] = unfilm(graded_pixels(shown, grade_of(stage.reading)))
    palette = stage.palette
    side = stage.across() - np.float32(np.sign(stage.sun_x) * stage.aspect * 0.5)
    above = stage.down() + np.float32(0.1)
    reach = np.exp(-(side * side * 0.9 + above * above * 1.1))
    tint = palette.glow / np.float32(max(float(palette.glow.max()), 0.1))
    light *= 1 + spread(tint - np.float32(0.75)) * (reach * np.float32(0.8))
    light += spread(palette.glow) * (reach * np.float32(0.1 * (1 - 0.6 * palette.night)))
    for painter in weather_of(stage):
        painter(stage.moment_at(0), light)
