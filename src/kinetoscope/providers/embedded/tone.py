"""From light to picture: the film curve, and its inverse, to name light by the colour it shows."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.noise import Plane, Planes

Colour = NDArray[np.float32]
"""Red, green and blue, linear light."""

_GREY_WEIGHTS = (0.2126, 0.7152, 0.0722)
_BRIGHTEST = 0.92
"""Named colours stop short of white: light that strong would drown whatever it is mixed with."""


def film(light: Planes, out: Planes, spare: Plane) -> None:
    """A filmic curve with display gamma built in (after Hejl and Burgess-Dawson).

    Written as few in-place steps on purpose: it runs on every pixel of every frame.
    """
    for source, target in zip(light, out, strict=True):
        np.multiply(source, np.float32(6.2), out=spare)
        np.add(spare, np.float32(0.5), out=target)
        np.multiply(target, source, out=target)
        np.add(spare, np.float32(1.7), out=spare)
        np.multiply(spare, source, out=spare)
        np.add(spare, np.float32(0.06), out=spare)
        np.divide(target, spare, out=target)


@cache
def _inverse() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    light = np.concatenate([np.zeros(1), np.geomspace(1e-4, 40, 4096)])
    return light * (6.2 * light + 0.5) / (light * (6.2 * light + 1.7) + 0.06), light


def unfilm(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light that the film curve shows as these values (0 to 1)."""
    curve, light = _inverse()
    return np.asarray(np.interp(shown * _BRIGHTEST, curve, light), dtype=np.float32)


def light(name: str, gain: float = 1.0) -> Colour:
    """The light that shows as a "#rrggbb" colour, times a gain."""
    digits = name.removeprefix("#")
    shown = np.array([int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)])
    return np.asarray(unfilm(shown.astype(np.float32)) * np.float32(gain), dtype=np.float32)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A straight blend of two lights."""
    return np.asarray(first + (second - first) * np.float32(share), dtype=np.float32)


def grey(planes: Planes) -> Plane:
    """Luminance."""
    red, green, blue = _GREY_WEIGHTS
    return np.asarray(planes[0] * red + planes[1] * green + planes[2] * blue, dtype=np.float32)


def spread(colour: Colour) -> Planes:
    """A colour shaped to multiply a plane: 3 by 1 by 1."""
    return colour[:, None, None]
