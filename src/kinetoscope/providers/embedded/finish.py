"""The last touch on every picture: the film curve, a vignette, a grain, the style's own look."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile
from kinetoscope.providers.embedded.stage import Stage
from kinetoscope.providers.embedded.tone import film

Finish = Callable[[Planes, int], Planes]
"""Takes linear light and the frame number; gives display values, 0 to 1, in a buffer of its own."""

_GRAINS = 4


def finisher(stage: Stage, shape: tuple[int, int]) -> Finish:
    """Grain is a few fixed fields shown in turn: alive to the eye, nearly free to the encoder."""
    height, width = shape
    lens = _lens(stage, height, width)
    rng = stage.chance("grain")
    grain = [rng.normal(0, 0.0042, (height, width)).astype(np.float32) for _ in range(_GRAINS)]
    spare = np.empty(shape, dtype=np.float32)
    shown = np.empty((3, height, width), dtype=np.float32)
    style = _STYLES.get(stage.reading.style)

    def finish(light: Planes, frame: int) -> Planes:
        light *= lens
        film(light, shown, spare)
        if style is not None:
            style(shown, spare)
        np.add(shown, grain[frame // 2 % _GRAINS], out=shown)
        np.clip(shown, 0, 1, out=shown)
        return shown

    return finish


def _lens(stage: Stage, height: int, width: int) -> Plane:
    """Exposure and the gentle fall-off of light towards the corners."""
    mood = stage.reading.mood
    exposure = {"dark": 0.72, "dramatic": 0.9, "cheerful": 1.15}.get(mood, 1.0) * 1.12
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    corner = (across * across + down * down) / 2
    return np.asarray(exposure * (1 - 0.34 * corner**1.5), dtype=np.float32)


def _noir(shown: Planes, spare: Plane) -> None:
    np.multiply(shown[0], np.float32(0.34), out=spare)
    spare += shown[1] * np.float32(0.5)
    spare += shown[2] * np.float32(0.16)
    contrast = spare * spare * (3 - 2 * spare)
    shown[...] = spare * np.float32(0.35) + contrast * np.float32(0.65)


def _vintage(shown: Planes, spare: Plane) -> None:
    np.add(shown[0], shown[1], out=spare)
    spare += shown[2]
    spare *= np.float32(1 / 3)
    for channel, (gain, lift) in enumerate(((1.06, 0.05), (0.92, 0.035), (0.74, 0.03))):
        shown[channel] += (spare - shown[channel]) * np.float32(0.55)
        shown[channel] *= np.float32(gain)
        shown[channel] += np.float32(lift)


def _watercolor(shown: Planes, spare: Plane) -> None:
    """Paper shows through: lifted, softened, a little mottled."""
    spare[...] = _paper(shown.shape[1], shown.shape[2])
    shown *= np.float32(0.8)
    shown += np.float32(0.17)
    shown += spare


def _pixel(shown: Planes, spare: Plane) -> None:
    """Large square pixels in a few even steps of light, as old games have them."""
    height, width = spare.shape
    block = max(2, round(height / 72))
    for plane in shown:
        small = plane[block // 2 :: block, block // 2 :: block]
        steps = np.rint(small * np.float32(14)) / np.float32(14)
        large = np.repeat(np.repeat(steps, block, axis=0), block, axis=1)
        large = np.pad(large, ((0, block), (0, block)), mode="edge")
        plane[...] = large[:height, :width]


_papers: dict[tuple[int, int], Plane] = {}


def _paper(height: int, width: int) -> Plane:
    """One sheet per size, kept: the same for every picture, as paper is."""
    if (height, width) not in _papers:
        _papers.clear()
        tile = fractal_tile(np.random.Generator(np.random.PCG64(7)), 512, 1.2)
        repeat = (-(-height // 512), -(-width // 512))
        _papers[height, width] = np.tile(tile, repeat)[:height, :width] * np.float32(0.012)
    return _papers[height, width]


_STYLES: dict[str, Callable[[Planes, NDArray[np.float32]], None]] = {
    "noir": _noir,
    "vintage": _vintage,
    "watercolor": _watercolor,
    "pixel": _pixel,
}
