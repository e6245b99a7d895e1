"""Puts one composition together: the stage, its scene, what stands in it, and its weather."""

from collections.abc import Callable

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded import (
    abstract,
    city,
    desert,
    forest,
    mountains,
    sea,
    space,
    underwater,
    village,
)
from kinetoscope.providers.embedded.camera import Move
from kinetoscope.providers.embedded.chance import FRAMINGS, chance
from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.palette import palette_of
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.stage import Framing, Moment, Scene, Stage
from kinetoscope.providers.embedded.subjects import subjects_of
from kinetoscope.providers.embedded.weather import falling_of, flashes_of

_SCENES: dict[str, Callable[[Stage], Scene]] = {
    "sea": sea.scene,
    "mountains": mountains.scene,
    "lake": mountains.lake,
    "city": city.scene,
    "forest": forest.scene,
    "desert": desert.dunes,
    "meadow": desert.meadow,
    "space": space.scene,
    "abstract": abstract.scene,
    "underwater": underwater.scene,
    "village": village.scene,
}
_HORIZONS = {
    "sea": (0.48, 0.66),
    "lake": (0.52, 0.68),
    "mountains": (0.64, 0.76),
    "city": (0.68, 0.78),
    "forest": (0.6, 0.7),
    "desert": (0.5, 0.66),
    "meadow": (0.5, 0.66),
}
_FROM_ABOVE = 0.06
_FRAMINGS = (
    Framing(side=1, aside=0.19, size=1.0, horizon=0.55),
    Framing(side=-1, aside=0.29, size=0.7, horizon=0.95),
    Framing(side=1, aside=0.08, size=1.3, horizon=0.2),
    Framing(side=-1, aside=0.2, size=0.92, horizon=0.0),
)
_AIRLESS = {"space", "underwater", "abstract"}


def set_stage(
    reading: Reading,
    prompt: str,
    seed: int,
    paint: Size,
    moment_at: Callable[[int], Moment] | None,
) -> Stage:
    """The canvas and the light of one composition; without `moment_at`, of a single picture."""
    rng = chance(seed, prompt.lower(), "stage")
    palette = palette_of(reading, rng)
    aspect = paint.width / paint.height
    framing = _FRAMINGS[seed % FRAMINGS]
    high, low = _HORIZONS.get(reading.scene, (0.46, 0.64))
    horizon = high + (low - high) * min(max(framing.horizon + float(rng.uniform(-0.1, 0.1)), 0), 1)
    if "aerial" in reading.camera:
        horizon -= _FROM_ABOVE
    return Stage(
        width=paint.width,
        height=paint.height,
        reading=reading,
        palette=palette,
        seed=seed,
        prompt=prompt,
        horizon=horizon,
        sun_x=-framing.side * float(rng.uniform(0.05, 0.24)) * aspect,
        framing=framing,
        moving=moment_at is not None,
        moment_at=moment_at or _first_moment,
    )


def bare_scene(stage: Stage) -> Scene:
    """The place alone."""
    return _SCENES[stage.reading.scene](stage)


def scene_of(stage: Stage) -> Scene:
    """Everything the prompt asks for, back to front."""
    scene = bare_scene(stage)
    airy = stage.reading.scene not in _AIRLESS
    over = flashes_of(stage) if airy else []
    over += subjects_of(stage)
    if airy:
        over += falling_of(stage)
    if not over:
        return scene

    def paint(moment: Moment, planes: Planes) -> None:
        scene.paint(moment, planes)
        for painter in over:
            painter(moment, planes)

    return Scene(paint=paint, lens=scene.lens)


def moments(move: Move, frames: int) -> Callable[[int], Moment]:
    """Every frame's moment under one camera move."""
    return lambda frame: move.moment(frame, frames)


def _first_moment(_frame: int) -> Moment:
    return Moment(frame=0, time_s=1.5, pan=0.0, dolly=0.0)
