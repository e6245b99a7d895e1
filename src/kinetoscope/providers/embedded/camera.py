"""Camera moves: where the camera is at each moment, and cutting the view out of the painting."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.stage import WHOLE, Moment, View
from kinetoscope.providers.embedded.work import FRAMES_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A camera move over a whole clip, from the words of the prompt."""

    view: Callable[[float], View]
    slide: float
    """Picture heights the camera slides right in all: near things pass faster than far ones."""
    travel: float
    """Camera heights the camera goes forward in all."""

    def moment(self, frame: int, frames: int) -> Moment:
        """The instant of one frame."""
        share = frame / max(frames - 1, 1)
        return Moment(
            frame=frame,
            time_s=frame / FRAMES_PER_S,
            pan=self.slide * (share - 0.5),
            dolly=self.travel * share,
        )


_BILINEAR = Image.Resampling.BILINEAR
_REACH = 0.055
"""How far a pan or a tilt goes to each side, as a share of the painting."""


def move_of(reading: Reading, duration_s: float) -> Move:
    """The words decide; without any, a slow push in. Longer clips go further, never faster."""
    words = reading.camera
    length = min(duration_s / 5, 3)
    if "still" in words:
        return Move(view=lambda _share: WHOLE, slide=0, travel=0)
    side = ("right" in words or "orbit" in words) - ("left" in words)
    rise = ("down" in words) - ("up" in words)
    back = "out" in words
    panning = bool(side or rise)
    near, far = (1.13, 1.13) if panning and "in" not in words else (1.0, 1.0 + 0.06 * length**0.6)
    if panning and "in" in words:
        near, far = 1.12, 1.18
    if back:
        near, far = 1.0 + 0.09 * length**0.6, 1.0
    if "aerial" in words:
        return _flight(reading, duration_s)
    shake = 0.0035 if "handheld" in words else 0.0

    def view(share: float) -> View:
        eased = share * share * (3 - 2 * share) * 0.5 + share * 0.5
        seconds = share * duration_s
        zoom = near + (far - near) * eased + shake * 6
        return View(
            x=0.5 + _REACH * side * (2 * eased - 1) + shake * _sway(seconds, 0.0),
            y=0.5 + _REACH * rise * (2 * eased - 1) + shake * _sway(seconds, 2.1),
            zoom=zoom,
        )

    slide = 0.5 * side * length * (1.6 if "orbit" in words else 1)
    forward = -1.4 if back else 1.6 if "in" in words else 0.9
    return Move(view=view, slide=slide, travel=0.0 if panning else forward * length)


def _flight(reading: Reading, duration_s: float) -> Move:
    """From a drone: forward and aside at once, rising a little; as far as there is time for."""
    length = min(duration_s / 5, 3)
    side = -1 if "left" in reading.camera else 1
    back = "out" in reading.camera
    span = 0.075 * min(length, 2)

    def view(share: float) -> View:
        eased = share * share * (3 - 2 * share) * 0.35 + share * 0.65
        gone = 1 - eased if back else eased
        return View(
            x=0.5 + 0.03 * side * (2 * eased - 1),
            y=0.5 + 0.035 * (1 - 2 * gone),
            zoom=1.09 + 2 * span * gone,
        )

    travel = (-2.2 if back else 3.0) * length
    return Move(view=view, slide=0.42 * side * length, travel=travel)


def needs_lens(reading: Reading) -> bool:
    """Whether the words ask for a move that only the whole painting can make."""
    return bool(reading.camera - {"still", "in"}) or "zoom" in reading.words


def cut(planes: Planes, view: View, out: Planes) -> None:
    """Cuts the view out of the painting, to fractions of a pixel so that slow moves stay smooth."""
    height, width = planes.shape[1:]
    wide, tall = width / view.zoom, height / view.zoom
    left = min(max(view.x * width - wide / 2, 0), width - wide)
    top = min(max(view.y * height - tall / 2, 0), height - tall)
    place = np.arange(height, dtype=np.float32) + np.float32(0.5)
    place = np.clip(place * np.float32(tall / height) + np.float32(top - 0.5), 0, height - 1)
    row = np.minimum(place.astype(np.intp), height - 2)
    share = (place - row).astype(np.float32)[:, None]
    # rows in numpy, columns in Pillow: each is twice as fast at its own half as the other
    rows, below = planes[:, row], planes[:, row + 1]
    below -= rows
    below *= share
    rows += below
    box = (left, 0, left + wide, height)
    for source, target in zip(rows, out, strict=True):
        picture = Image.fromarray(source).resize((width, height), _BILINEAR, box=box)
        np.copyto(target, np.asarray(picture))


def _sway(seconds: float, offset: float) -> float:
    """A hand's unrest: a few slow swings that never quite repeat."""
    return (
        math.sin(seconds * 2.1 + offset)
        + 0.6 * math.sin(seconds * 4.7 + offset * 2.3)
        + 0.25 * math.sin(seconds * 9.3 + offset * 3.1)
    )
