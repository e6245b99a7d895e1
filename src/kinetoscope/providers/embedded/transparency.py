"""What remains of a picture when its background is cut away."""

import numpy as np

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile, look_up, smooth_step
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.subjects import subject_cover
from kinetoscope.providers.embedded.tone import grey


def spotlight(stage: Stage) -> Plane:
    """A soft-edged oval: for given pictures, where nobody can say what the background is."""
    across = stage.across() / np.float32(stage.aspect * 0.5)
    down = (stage.down() - np.float32(0.5)) / np.float32(0.5)
    distance = (np.abs(across) ** 2.6 + np.abs(down) ** 2.6) ** np.float32(1 / 2.6)
    return 1 - smooth_step(0.78, 1.0, distance)


def cutaway(stage: Stage, light: Planes) -> Plane:
    """Subjects alone where there are some; else the land below the sky, or what shines in space."""
    subjects = subject_cover(stage)
    if subjects is not None and float(subjects.max()) > 0:
        return subjects
    if stage.reading.scene in {"space", "abstract", "underwater"}:
        bright = grey(light)
        return np.maximum(spotlight(stage) * smooth_step(0.0, 0.25, bright), 0)
    rough = fractal_tile(stage.chance("edge"), 256, 0.3, 3)
    wisp = look_up(
        rough, *np.broadcast_arrays(stage.across() * 0.5, stage.down() * np.float32(0.5))
    )
    edge = (
        stage.horizon - 0.16
        if stage.reading.scene in {"city", "forest", "mountains"}
        else stage.horizon
    )
    land = smooth_step(-0.02, 0.1, stage.down() - np.float32(edge) + wisp * np.float32(0.012))
    across = np.abs(stage.across()) / np.float32(stage.aspect * 0.5)
    foot = 1 - smooth_step(0.86, 1.0, stage.down())
    return np.asarray(land * (1 - smooth_step(0.8, 1.0, across)) * foot, dtype=np.float32)
