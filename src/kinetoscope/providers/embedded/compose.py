"""Puts one composition together: the stage, its scene, what stands in it, and its weather."""

from kinetoscope.kernel.order import Size
from kinetoscope.providers.embedded import sea
from kinetoscope.providers.embedded.chance import chance
from kinetoscope.providers.embedded.palette import palette_of
from kinetoscope.providers.embedded.prompt import read
from kinetoscope.providers.embedded.stage import Painter, Stage

_SCENES = {"sea": sea.scene}


def set_stage(prompt: str, seed: int, paint: Size, *, moving: bool) -> Stage:
    """The canvas and the light of one composition."""
    reading = read(prompt)
    rng = chance(seed, prompt.lower(), "stage")
    palette = palette_of(reading, rng)
    aspect = paint.width / paint.height
    side = float(rng.choice([-1, 1]))
    sun_x = side * float(rng.uniform(0.05, 0.2)) * aspect
    return Stage(
        width=paint.width,
        height=paint.height,
        reading=reading,
        palette=palette,
        seed=seed,
        prompt=prompt,
        horizon=float(rng.uniform(0.5, 0.6)),
        sun_x=sun_x,
        moving=moving,
    )


def painter_of(stage: Stage) -> Painter:
    """Everything the prompt asks for, back to front."""
    return _SCENES.get(stage.reading.scene, sea.scene)(stage)
