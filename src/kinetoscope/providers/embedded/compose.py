"""Puts one composition together: the stage, its scene, what stands in it, and its weather."""

from collections.abc import Callable

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded import mountains, sea
from kinetoscope.providers.embedded.camera import Move
from kinetoscope.providers.embedded.chance import chance
from kinetoscope.providers.embedded.palette import palette_of
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.stage import Moment, Scene, Stage

_SCENES: dict[str, Callable[[Stage], Scene]] = {
    "sea": sea.scene,
    "mountains": mountains.scene,
    "lake": mountains.lake,
}
_HORIZONS = {
    "sea": (0.5, 0.6),
    "lake": (0.56, 0.64),
    "mountains": (0.66, 0.74),
}


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
    side = float(rng.choice([-1, 1]))
    return Stage(
        width=paint.width,
        height=paint.height,
        reading=reading,
        palette=palette,
        seed=seed,
        prompt=prompt,
        horizon=float(rng.uniform(*_HORIZONS.get(reading.scene, (0.5, 0.6)))),
        sun_x=side * float(rng.uniform(0.05, 0.2)) * aspect,
        moving=moment_at is not None,
        moment_at=moment_at or _first_moment,
    )


def scene_of(stage: Stage) -> Scene:
    """Everything the prompt asks for, back to front."""
    return _SCENES.get(stage.reading.scene, sea.scene)(stage)


def moments(move: Move, frames: int) -> Callable[[int], Moment]:
    """Every frame's moment under one camera move."""
    return lambda frame: move.moment(frame, frames)


def _first_moment(_frame: int) -> Moment:
    return Moment(frame=0, time_s=1.5, pan=0.0, dolly=0.0)
