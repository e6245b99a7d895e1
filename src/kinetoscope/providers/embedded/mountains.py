"""Mountains behind mountains, with mist in the valleys; and the same seen in a lake."""

from collections.abc import Callable

import numpy as np

from kinetoscope.providers.embedded.mirror import mirror
from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.ridges import Ridge, ridge_painter
from kinetoscope.providers.embedded.sky import sky_at
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import light, mix

_BACKDROP_FRAMES = 8
_RANGES = 5


def scene(stage: Stage) -> Scene:
    """Ranges from the horizon to our feet."""
    plate = SlowPlate(
        backdrop(stage, stage.height, _ranges(stage, 1.0)), stage.rhythm(_BACKDROP_FRAMES)
    )

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)

    return Scene(paint=paint, lens=False)


def lake(stage: Stage) -> Scene:
    """The far ranges only, and still water that shows them again."""
    row = stage.horizon_row
    ranges = _ranges(stage, 0.62)[:3]
    plate = SlowPlate(backdrop(stage, row, ranges), stage.rhythm(_BACKDROP_FRAMES))
    water = mirror(stage, stage.height - row)

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes[:, :row])
        water(moment, planes)

    return Scene(paint=paint, lens=False)


def backdrop(stage: Stage, rows: int, ridges: list[Ridge]) -> Callable[[int], Planes]:
    """Sky and ridges at one frame, in full."""
    above = sky_at(stage, rows)
    painters = [ridge_painter(stage, ridge, str(place)) for place, ridge in enumerate(ridges)]

    def at(frame: int) -> Planes:
        moment = stage.moment_at(frame)
        planes = above(frame)
        for painter in painters:
            painter(moment, planes)
        return planes

    return at


def _ranges(stage: Stage, height: float) -> list[Ridge]:
    rng = stage.chance("ranges")
    palette = stage.palette
    winter = stage.reading.weather == "snow"
    rock = mix(palette.ground, light("#4a4654"), 0.5)
    warm = mix(rock, palette.glow, 0.35) * np.float32(1 - 0.7 * palette.night)
    rock, warm = palette.soiled(rock, 0.6), palette.soiled(warm, 0.6)
    air = mix(palette.haze, palette.zenith, 0.5) * np.float32(0.85)
    ridges = []
    for place in range(_RANGES):
        near = place / (_RANGES - 1)
        far = (1 - near) ** 1.1
        tall = (0.17 - 0.09 * near) * height * float(rng.uniform(0.85, 1.2))
        ridges.append(
            Ridge(
                base=stage.horizon - 0.17 * height * (1 - near) + 0.3 * near**1.5,
                rise=tall * 0.6,
                near=0.15 + 0.85 * near,
                falloff=1.0 + 0.06 * near,
                stretch=7.0 - 2.2 * near,
                mist=0.7 - 0.35 * near,
                snow=(0.07 if place < 2 else 0.0) + (0.06 if winter else 0.0),  # noqa: PLR2004
                colour=mix(mix(rock, palette.ground, near), air, 0.66 * far),
                lit=mix(mix(warm, palette.ground, near * 0.6), air, 0.45 * far),
                rugged=0.95 - 0.35 * near,
            )
        )
    return ridges
