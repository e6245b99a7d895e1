"""A planet's ring: a thin tilted disk, behind the globe above and before it below."""

from typing import Protocol

import numpy as np

from kinetoscope.providers.embedded.noise import Planes, fractal_line, smooth_step
from kinetoscope.providers.embedded.stage import Stage, lay
from kinetoscope.providers.embedded.tone import Colour, light, mix

_INNER, _OUTER = 1.28, 2.15
_TILT, _LEAN = 0.24, 0.22


class Ring(Protocol):
    """Lays one half of the ring over the planes."""

    def __call__(self, planes: Planes, *, front: bool) -> None:
        """The half before the globe, or the one behind it."""


def ring_of(
    stage: Stage, middle: tuple[float, float], radius: float, look: tuple[Colour, float]
) -> Ring:
    """Bands and gaps by distance; the globe's shadow falls on the half behind it."""
    colour, side = look
    across = stage.across() - np.float32(middle[0])
    down = stage.down() - np.float32(middle[1])
    lean = _LEAN * side
    along = (across * np.cos(lean) + down * np.sin(lean)) / radius
    beside = (down * np.cos(lean) - across * np.sin(lean)) / (radius * _TILT)
    distance = np.hypot(along, beside).astype(np.float32)
    line = fractal_line(stage.chance("ring"), 256, 0.7)
    place = np.clip((distance - _INNER) / (_OUTER - _INNER), 0, 1)
    band = line[(place * 255).astype(np.intp)]
    cover = smooth_step(_INNER, _INNER + 0.05, distance)
    cover *= 1 - smooth_step(_OUTER - 0.06, _OUTER, distance)
    cover *= np.clip(0.62 + 0.2 * band, 0.2, 0.92)
    cover *= 1 - 0.85 * np.exp(-(((place - 0.68) / 0.025) ** 2))
    shadow = np.exp(-((beside * _TILT / 0.9) ** 2)) * smooth_step(0.3, 0.9, along * side)
    dim = (1 - 0.8 * shadow * smooth_step(0.05, -0.3, beside)).astype(np.float32)
    tint = mix(colour, light("#f0dcb8"), 0.5) * np.float32(0.8)
    halves = {
        False: (cover * (beside < 0)).astype(np.float32),
        True: (cover * (beside >= 0)).astype(np.float32),
    }
    lit = tint[:, None, None] * dim

    def paint(planes: Planes, *, front: bool) -> None:
        lay(planes, lit, halves[front])

    return paint
