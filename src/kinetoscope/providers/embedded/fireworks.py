"""Fireworks: a few gentle bursts over the horizon, each a sphere of sparks that falls and fades."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.stage import Moment, Painter, Stage
from kinetoscope.providers.embedded.tone import unfilm

_INKS = ((255, 206, 120), (255, 96, 84), (120, 190, 255), (190, 130, 255), (140, 240, 170))
_BURSTS = 5
_SPARKS = 84
_LIFE_S = 2.4
_TRAIL_S = 0.16
_STILL_S = (0.55, 0.85, 1.2)


@dataclass(frozen=True, slots=True)
class _Burst:
    middle: tuple[float, float]
    reach: float
    ink: tuple[int, int, int]
    ways: NDArray[np.float64]
    starts_s: float


def fireworks(stage: Stage) -> Painter:
    """Bursts in turn, as long as the clip lasts; three at once in a single picture."""
    rng = stage.chance("fireworks")
    bursts = [_burst(stage, rng, number) for number in range(_BURSTS)]
    every_s = _BURSTS * 0.62

    def paint(moment: Moment, planes: Planes) -> None:
        if not stage.moving:
            for burst, age_s in zip(bursts, _STILL_S, strict=False):
                _show(stage, burst, age_s, planes)
            return
        for burst in bursts:
            age_s = (moment.time_s + 1.2 - burst.starts_s) % every_s
            if age_s < _LIFE_S:
                _show(stage, burst, age_s, planes)

    return paint


def _burst(stage: Stage, rng: np.random.Generator, number: int) -> _Burst:
    way = rng.normal(0, 1, (_SPARKS, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    way *= rng.uniform(0.85, 1.0, (_SPARKS, 1))
    place = ((number * 2) % _BURSTS + 0.5) / _BURSTS - 0.5
    return _Burst(
        middle=(
            (place * 0.8 + float(rng.uniform(-0.05, 0.05))) * stage.aspect,
            stage.horizon * float(rng.uniform(0.2, 0.42)),
        ),
        reach=float(rng.uniform(0.13, 0.2)) * min(1.0, stage.aspect),
        ink=_INKS[(number + int(rng.integers(2))) % len(_INKS)],
        ways=way[:, :2],
        starts_s=number * 0.62 + float(rng.uniform(-0.15, 0.15)),
    )


def _show(stage: Stage, burst: _Burst, age_s: float, planes: Planes) -> None:
    """Drawn on a sheet just large enough, with a soft bloom, and added as light."""
    unit = stage.height
    half = round((burst.reach * 1.25 + 0.04) * unit)
    sheet = Image.new("L", (2 * half, 2 * half), 0)
    draw = ImageDraw.Draw(sheet)
    ends = [_places(burst, time_s) * unit + half for time_s in (age_s, max(age_s - _TRAIL_S, 0))]
    for (x, y), (from_x, from_y) in zip(*ends, strict=True):
        draw.line((from_x, from_y, x, y), fill=190, width=max(1, round(unit / 420)))
        draw.point((x, y), fill=255)
    bright = float(np.exp(-1.15 * age_s) * np.clip((_LIFE_S - age_s) / 0.6, 0, 1))
    sharp = np.asarray(sheet.filter(ImageFilter.GaussianBlur(unit / 700)), dtype=np.float32)
    bloom = sheet.reduce(4).filter(ImageFilter.GaussianBlur(unit / 150))
    wide = np.asarray(bloom.resize(sheet.size, Image.Resampling.BILINEAR), dtype=np.float32)
    glow = (sharp * np.float32(3.2) + wide * np.float32(2.6)) * np.float32(bright / 255)
    colour = unfilm(np.array(burst.ink, dtype=np.float32) / np.float32(255))
    left = round((burst.middle[0] + stage.aspect / 2) * unit) - half
    top = round(burst.middle[1] * unit) - half
    y0, y1 = max(0, top), min(planes.shape[1], top + 2 * half)
    x0, x1 = max(0, left), min(planes.shape[2], left + 2 * half)
    if y0 < y1 and x0 < x1:
        part = glow[y0 - top : y1 - top, x0 - left : x1 - left]
        planes[:, y0:y1, x0:x1] += colour[:, None, None] * part


def _places(burst: _Burst, age_s: float) -> NDArray[np.float64]:
    """Fast at first, then held by the air, and falling."""
    places = burst.ways * burst.reach * (1 - np.exp(-2.6 * age_s))
    places[:, 1] += 0.018 * age_s**2
    return np.asarray(places)
