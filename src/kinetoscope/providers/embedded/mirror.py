"""Still water and wet streets: what is above shows again below, broken by small waves."""

from collections.abc import Callable

import numpy as np

from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.stage import Moment, Stage
from kinetoscope.providers.embedded.tone import mix
from kinetoscope.providers.embedded.water import STILL, Swell, slope_painter


def mirror(
    stage: Stage, rows: int, swell: Swell = STILL, strength: float = 0.82
) -> Callable[[Moment, Planes], None]:
    """Fills the lowest `rows` of the planes with the reflection of what is painted above them."""
    top = stage.height - rows
    slopes = slope_painter(stage, swell, rows)
    below = (np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5)) / stage.height
    row_wanted = np.arange(rows, dtype=np.float32)[:, None]
    column_wanted = np.arange(stage.width, dtype=np.float32)[None, :]
    reach = np.float32(stage.height) * (0.25 + below * 1.6)
    glance = np.float32(strength) * np.exp(-below * 0.9)
    deep = mix(stage.palette.water, stage.palette.ground, 0.4)
    sheen = np.exp(-below * 40) * np.float32(0.4)

    def paint(moment: Moment, planes: Planes) -> None:
        across, along, _ = slopes(moment)
        row = top - 1 - np.clip(row_wanted + along * reach * 2, 0, top - 1).astype(np.int32)
        column = np.clip(column_wanted + across * reach, 0, stage.width - 1).astype(np.int32)
        index = row * stage.width + column
        share = np.clip(glance - along * np.float32(1.2), 0, 1)
        for channel in range(3):
            seen = np.ascontiguousarray(planes[channel, :top]).ravel().take(index)
            seen -= deep[channel]
            seen *= share
            seen += deep[channel]
            seen += (stage.palette.haze[channel] - seen) * sheen
            planes[channel, top:] = seen

    return paint
