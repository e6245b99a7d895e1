"""What every painter of a scene is given: the canvas, the light, and repeatable chance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.chance import chance
from kinetoscope.providers.embedded.noise import Plane, Planes
from kinetoscope.providers.embedded.palette import Palette
from kinetoscope.providers.embedded.prompt import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant of a clip.

    `pan` is how far the camera has slid right, in picture heights at
    the foreground; `dolly` how far it has gone forward, in camera heights above the ground.
    """

    frame: int
    time_s: float
    pan: float
    dolly: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The part of the painting that is seen: its middle (0 to 1) and how far it is zoomed in."""

    x: float
    y: float
    zoom: float


WHOLE = View(x=0.5, y=0.5, zoom=1.0)

Painter = Callable[[Moment, Planes], None]
"""Paints (or paints over) the linear light of one moment into the given planes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A finished composition.

    Where `lens` is true the camera's push in is a lens move over the
    whole painting; otherwise the scene goes forward by itself, in depth, which looks better.
    """

    paint: Painter
    lens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """One way to frame a scene.

    `side` (-1 or 1) and `aside` (in widths from the middle) are where the subject stands, `size`
    how large it is; `horizon` runs from 0, the highest the scene allows, to 1, the lowest.
    """

    side: int
    aside: float
    size: float
    horizon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One composition.

    `horizon` counts from the top, in picture heights; `sun_x` is the sun's
    place from the middle, in picture heights. `moving` is false for single pictures. `moment_at`
    tells any frame's moment, for what is painted ahead. `plain_sky` replaces the sky by an even
    light, to find out where it shows.
    """

    width: int
    height: int
    reading: Reading
    palette: Palette
    seed: int
    prompt: str
    horizon: float
    sun_x: float
    moving: bool
    moment_at: Callable[[int], Moment]
    framing: Framing = Framing(side=1, aside=0.18, size=1.0, horizon=0.5)
    plain_sky: float | None = None

    def chance(self, *labels: str) -> np.random.Generator:
        """The stream of chance for one decision of this composition."""
        return chance(self.seed, self.prompt.lower(), *labels)

    def across(self) -> NDArray[np.float32]:
        """Every column's place from the middle, in picture heights: 1 by width."""
        columns = np.arange(self.width, dtype=np.float32) + np.float32(0.5)
        return ((columns - np.float32(self.width / 2)) / np.float32(self.height))[None, :]

    def down(self) -> NDArray[np.float32]:
        """Every row's place from the top, in picture heights: height by 1."""
        rows = np.arange(self.height, dtype=np.float32) + np.float32(0.5)
        return (rows / np.float32(self.height))[:, None]

    def rhythm(self, calm_frames: int) -> int:
        """Every how many frames a slow plate is painted.

        Pans more often, for a cross-fade may not bridge more than about a pixel.
        """
        if not self.moving:
            return 1
        return 3 if self.moment_at(0).pan else calm_frames

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    @property
    def horizon_row(self) -> int:
        """The first row of the ground or the water."""
        return round(self.horizon * self.height)


def lay(planes: Planes, colour: NDArray[np.float32], cover: Plane) -> None:
    """Paints a colour (three numbers or planes) over `planes` where `cover` is above 0."""
    for channel in range(planes.shape[0]):
        planes[channel] += (colour[channel] - planes[channel]) * cover


_NOTHING: Planes = np.empty(0, dtype=np.float32)


class SlowPlate:
    """A picture that changes slowly: painted every few frames, cross-faded in between.

    This is what makes rich skies affordable: the eye does not see the difference.
    """

    def __init__(self, paint: Callable[[int], Planes], every_frames: int) -> None:
        self._paint = paint
        self._every = every_frames
        self._key = -1
        self._first: Planes = _NOTHING
        self._second: Planes = _NOTHING
        self._change: Planes = _NOTHING

    def show(self, frame: int, out: Planes) -> None:
        """Writes the picture of one frame; frames are asked for in order."""
        if self._every == 1:
            out[...] = self._paint(frame)
            return
        key, rest = divmod(frame, self._every)
        if self._second is _NOTHING or key != self._key:
            follows = self._second is not _NOTHING and key == self._key + 1
            self._first = self._second if follows else self._paint(key * self._every)
            self._second = self._paint((key + 1) * self._every)
            self._change = (self._second - self._first) / np.float32(self._every)
            self._key = key
        np.multiply(self._change, np.float32(rest), out=out)
        out += self._first
