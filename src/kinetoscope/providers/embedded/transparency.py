"""What remains of a picture when its background is cut away."""

from dataclasses import replace

import numpy as np

from kinetoscope.providers.embedded.compose import bare_scene
from kinetoscope.providers.embedded.noise import Plane, Planes, smooth_step
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.subjects import subject_cover
from kinetoscope.providers.embedded.tone import grey

_SKYLESS = {"space", "abstract", "underwater"}


def spotlight(stage: Stage) -> Plane:
    """A soft-edged oval: for given pictures, where nobody can say what the background is."""
    across = stage.across() / np.float32(stage.aspect * 0.5)
    down = (stage.down() - np.float32(0.5)) / np.float32(0.5)
    distance = (np.abs(across) ** 2.6 + np.abs(down) ** 2.6) ** np.float32(1 / 2.6)
    return 1 - smooth_step(0.78, 1.0, distance)


def cutaway(stage: Stage, light: Planes) -> Plane:
    """Subjects alone where there are some; else all below the sky, or what shines in space."""
    subjects = subject_cover(stage)
    if subjects is not None and float(subjects.max()) > 0:
        return subjects
    if stage.reading.scene in _SKYLESS:
        return spotlight(stage) * smooth_step(0.0, 0.25, grey(light))
    kept = 1 - (_under(stage, 1.0) - _under(stage, 0.0)).mean(axis=0)
    return smooth_step(0.12, 0.9, kept)  # thin haze goes with the sky


def _under(stage: Stage, sky_light: float) -> Planes:
    """The scene below an even sky: where two such differ, the sky is seen."""
    planes = np.empty((3, stage.height, stage.width), dtype=np.float32)
    bare = replace(stage, plain_sky=sky_light)
    bare_scene(bare).paint(bare.moment_at(0), planes)
    return planes
