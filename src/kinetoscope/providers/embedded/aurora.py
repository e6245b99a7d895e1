"""Northern lights: curtains of green and violet that fold and ripple over a night sky."""

from collections.abc import Callable

import numpy as np

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_line, smooth_step
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.tone import light, spread
from kinetoscope.providers.embedded.work import FRAMES_PER_S

_LINE = 1024
_CURTAINS = 3


def aurora(stage: Stage, rows: int) -> Callable[[int], Planes]:
    """The curtains' light over the top `rows` at one frame, to be added to the sky."""
    rng = stage.chance("aurora")
    fold, ray, veil = (fractal_line(rng, _LINE, falloff) for falloff in (2.6, 1.0, 1.8))
    low, high = light("#4ee8a8", 0.75), light("#b45cf0", 1.3)
    across, down = stage.across()[0], stage.down()[:rows]
    slant = float(rng.choice([-1, 1])) * float(rng.uniform(0.06, 0.16))
    starts = rng.uniform(0, 1, _CURTAINS)
    clear = smooth_step(0.0, 0.14, np.float32(stage.horizon) - down)

    def at(frame: int) -> Planes:
        time_s = frame / FRAMES_PER_S
        shown = np.zeros((3, rows, stage.width), dtype=np.float32)
        for curtain, start in enumerate(starts):
            along = across * 0.13 + start + time_s * 0.0035 * (1 if curtain % 2 else -1)
            foot = stage.horizon * (0.72 - 0.17 * curtain) + slant * across
            foot = foot + _at(fold, along * 1.6) * 0.06
            tall = (0.17 + 0.05 * curtain) * (1 + 0.25 * _at(veil, along * 2.3 + time_s * 0.004))
            bright = smooth_step(-1.2, 1.6, _at(veil, along * 1.4 - time_s * 0.006))
            bright = bright * (0.72 + 0.2 * _at(ray, along * 5 + time_s * 0.012))
            above = foot[None, :].astype(np.float32) - down
            edge = 1 / (1 + np.exp(-above * np.float32(55)))
            lift = np.maximum(above, 0) / np.maximum(tall, 0.06)[None, :].astype(np.float32)
            body = edge * np.exp(-lift * np.float32(1.15))
            body *= np.maximum(bright, 0)[None, :].astype(np.float32) * np.float32(0.62)
            hue = smooth_step(0.1, 1.3, lift)
            shown += (spread(low) + spread(high - low) * hue) * body
        return np.asarray(shown * clear, dtype=np.float32)

    return at


def _at(line: Plane, along: Plane) -> Plane:
    place = (along % 1) * _LINE
    left = place.astype(np.intp) % _LINE
    share = place - np.floor(place)
    return np.asarray(line[left] + (line[(left + 1) % _LINE] - line[left]) * share, np.float32)
