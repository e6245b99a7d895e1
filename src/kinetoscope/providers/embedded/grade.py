"""Grades given pictures and clips by the prompt's hour and style."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.pictures import Yuv
from kinetoscope.providers.embedded.prompt import Reading


@dataclass(frozen=True, slots=True)
class Grade:
    """How a given picture is changed.

    Brightness is bent by `gamma`, then times `gain`; colour times `colour`, then shifted by
    `warm`, towards red and away from blue.
    """

    gain: float
    gamma: float
    colour: float
    warm: float


_HOURS = {
    "day": Grade(1.03, 1.0, 1.08, 0.0),
    "golden": Grade(1.02, 0.98, 1.08, 9.0),
    "sunset": Grade(0.92, 1.08, 1.12, 15.0),
    "sunrise": Grade(1.0, 0.97, 1.0, 8.0),
    "dusk": Grade(0.76, 1.12, 0.75, -5.0),
    "night": Grade(0.6, 1.3, 0.5, -9.0),
}
_STYLES = {
    "noir": Grade(0.95, 1.2, 0.0, 0.0),
    "vintage": Grade(0.98, 0.95, 0.55, 9.0),
    "watercolor": Grade(1.08, 0.85, 0.8, 2.0),
    "neon": Grade(0.8, 1.15, 1.35, -9.0),
}


def grade_of(reading: Reading) -> Grade:
    """A style outweighs the hour."""
    return _STYLES.get(reading.style, _HOURS[reading.time])


def grader(grade: Grade) -> Callable[[Yuv], None]:
    """Grades yuv420p planes in place, by table."""
    steps = np.arange(256, dtype=np.float32)
    share = np.clip((steps - 16) / 219, 0, 1)
    luma = 16 + 219 * np.clip(share**grade.gamma * grade.gain, 0, 1)
    blue = 128 + (steps - 128) * grade.colour - grade.warm
    red = 128 + (steps - 128) * grade.colour + grade.warm * 0.8
    tables = [np.clip(np.rint(table), 0, 255).astype(np.uint8) for table in (luma, blue, red)]

    def apply(planes: Yuv) -> None:
        for plane, table in zip(planes, tables, strict=True):
            plane[...] = table.take(plane)

    return apply


def graded_pixels(pixels: NDArray[np.float32], grade: Grade) -> NDArray[np.float32]:
    """The same for display values in red, green and blue planes, 0 to 1."""
    bent = np.clip(pixels, 0, 1) ** np.float32(grade.gamma) * np.float32(grade.gain)
    grey = bent[0] * 0.2126 + bent[1] * 0.7152 + bent[2] * 0.0722
    shown = grey + (bent - grey) * np.float32(grade.colour)
    warm = np.float32(grade.warm / 255)
    shown[0] += warm * np.float32(1.25) * (0.35 + grey)
    shown[2] -= warm * np.float32(1.5) * (0.35 + grey)
    return np.asarray(np.clip(shown, 0, 1), dtype=np.float32)
