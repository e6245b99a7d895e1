"""Space: a nebula among stars, and a planet lit from one side."""

from collections.abc import Callable

import numpy as np

from kinetoscope.providers.embedded.noise import Plane, Planes, fractal_tile, look_up, smooth_step
from kinetoscope.providers.embedded.prompt import Reading
from kinetoscope.providers.embedded.rings import ring_of
from kinetoscope.providers.embedded.stage import Moment, Painter, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.stars import scatter_stars
from kinetoscope.providers.embedded.tone import Colour, light, mix, spread
from kinetoscope.providers.embedded.vocabulary import COLOURS

_FRAMES = 12
_NEBULAE = (
    ("#ff5a8a", "#5b6dff", "#ffd09a"),
    ("#ff8a4a", "#2f9fd0", "#ffe6b8"),
    ("#b05aff", "#2fd0c0", "#ffc0e0"),
    ("#ff4a5a", "#7a4aff", "#ffb870"),
)
_PLANETS = (
    ("#c98a5a", "#f0d8a8", "#8a4a38"),
    ("#3f7fc0", "#d8ecf4", "#1d4a7a"),
    ("#b86a4a", "#e8a878", "#6a2f2a"),
    ("#5aa0a0", "#d0f0e0", "#2a5a6a"),
)


def scene(stage: Stage) -> Scene:
    """Everything drifts, slowly; the planet turns."""
    plate = SlowPlate(_sky(stage), stage.rhythm(_FRAMES))
    globe = None
    if _has_planet(stage.reading):
        globe = _ringed(stage) if "ring" in stage.reading.features else _planet(stage)

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)
        if globe is not None:
            globe(moment, planes)

    return Scene(paint=paint, lens=True)


def _has_planet(reading: Reading) -> bool:
    return bool(
        reading.words & {"saturn", "planet", "orbit", "space", "astronaut", "mars", "spaceship"}
    )


def _sky(stage: Stage) -> Callable[[int], Planes]:
    rng = stage.chance("nebula")
    tile = fractal_tile(rng, 512, 0.68, 2)
    second = fractal_tile(rng, 512, 0.6, 2)
    stars = scatter_stars(stage, stage.height, 1.5) * np.float32(0.8)
    warm, cold, core = (light(name) for name in _NEBULAE[int(rng.integers(len(_NEBULAE)))])
    tints = [light(COLOURS[tint.colour]) for tint in stage.reading.tints]
    if tints:
        cold, warm = tints[0], tints[1] if len(tints) > 1 else mix(tints[0], warm, 0.25)
        core = mix(core, tints[-1], 0.5)
    across, down = np.broadcast_arrays(stage.across(), stage.down())
    turn = rng.uniform(-0.6, 0.6)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along = np.asarray(across * cosine + down * sine, dtype=np.float32)
    beside = np.asarray(down * cosine - across * sine, dtype=np.float32)
    middle = np.float32(rng.uniform(0.35, 0.55))
    band = np.exp(-(((beside - middle) / 0.42) ** 2))

    def at(frame: int) -> Planes:
        drift = np.float32(frame / 24 * 0.0035)
        bend = look_up(second, along * np.float32(0.16) + drift, beside * np.float32(0.16))
        x = along * np.float32(0.21) + bend * np.float32(0.035) + drift
        y = np.asarray(beside * np.float32(0.21) + bend * np.float32(0.028), dtype=np.float32)
        gas = look_up(tile, x, y)
        dust = look_up(tile, x * 1.7 + np.float32(0.3), y * np.float32(1.7) - drift)
        thick = smooth_step(-0.7, 2.4, gas) * band
        hot = smooth_step(0.5, 2.8, gas + bend * np.float32(0.6)) * band
        shadow = 1 - smooth_step(0.1, 1.8, dust) * np.float32(0.8)
        hue = smooth_step(-1.3, 1.3, bend)
        tint = spread(cold) + spread(warm - cold) * hue
        planes = tint * (thick * shadow * np.float32(0.55))
        planes += spread(core) * (hot * hot * shadow * np.float32(0.5))
        planes += stars * (1 - thick * np.float32(0.5))
        planes += spread(cold) * np.float32(0.008)
        return np.asarray(planes, dtype=np.float32)

    return at


def _planet(stage: Stage) -> Painter:
    rng = stage.chance("planet")
    colours = _colours(stage)
    tile = fractal_tile(rng, 512, 0.72, 3)
    x, y, radius = _place(stage)
    side = stage.framing.side
    rows, columns, ball = _ball(stage, (x, y), radius)
    right, up, front = ball
    lamp = np.array([-side * 0.72, 0.42, 0.32])
    facing = right * lamp[0] + up * lamp[1] + front * lamp[2]
    day = smooth_step(-0.06, 0.75, facing.astype(np.float32))
    edge = np.clip((1 - np.hypot(right, up)) * radius * stage.height + 0.5, 0, 1)
    rim = (1 - np.clip(front, 0, 1)) ** 3 * smooth_step(-0.25, 0.5, facing)
    turned = np.arctan2(right, np.maximum(front, np.float32(0.02)))
    longitude = np.asarray(turned / (2 * np.pi), dtype=np.float32)
    latitude = np.asarray(np.arcsin(np.clip(up, -1, 1)) / np.pi, dtype=np.float32)
    banded = rng.random() < 0.5  # noqa: PLR2004 - half of the planets are giants of gas
    air = mix(colours[1], light("#8ab8ff"), 0.6)
    halo = _halo(stage, (x, y), radius, -side)

    def paint(moment: Moment, planes: Planes) -> None:
        turn = np.float32(moment.time_s * 0.004)
        lines = np.float32(0.12 if banded else 0.8)
        pattern = look_up(
            tile, longitude * lines + turn, latitude * np.float32(1.6 if banded else 0.8)
        )
        high, low = smooth_step(-0.3, 1.6, pattern), smooth_step(-0.2, 1.6, -pattern)
        body = spread(colours[0]) + spread(colours[1] - colours[0]) * high
        body += (spread(colours[2]) - body) * low
        body *= day * np.float32(1.35)
        body += spread(air) * (rim * np.float32(1.1))
        planes += spread(air) * halo
        area = planes[:, rows, columns]
        area += (body - area) * edge

    return paint


def _place(stage: Stage) -> tuple[float, float, float]:
    """Where the planet is, and its radius."""
    rng, framing = stage.chance("planet's place"), stage.framing
    radius = float(rng.uniform(0.2, 0.26)) * min(1.0, stage.aspect) * framing.size
    x = framing.side * (framing.aside + 0.05) * stage.aspect
    return x, float(rng.uniform(0.42, 0.58)), radius


def _colours(stage: Stage) -> list[Colour]:
    rng = stage.chance("planet's colours")
    colours = [light(name) for name in _PLANETS[int(rng.integers(len(_PLANETS)))]]
    if stage.reading.subjects == () and stage.reading.tint:
        colours[0] = light(COLOURS[stage.reading.tint])
    return colours


def _ringed(stage: Stage) -> Painter:
    """The globe between the two halves of its ring."""
    globe = _planet(stage)
    x, y, radius = _place(stage)
    ring = ring_of(stage, (x, y), radius, (_colours(stage)[1], float(stage.framing.side)))

    def paint(moment: Moment, planes: Planes) -> None:
        ring(planes, front=False)
        globe(moment, planes)
        ring(planes, front=True)

    return paint


def _ball(
    stage: Stage, middle: tuple[float, float], radius: float
) -> tuple[slice, slice, tuple[Plane, Plane, Plane]]:
    """The pixels of a sphere and, for each, the direction its surface faces."""
    reach = radius * 1.02
    left = max(0, int((middle[0] - reach + stage.aspect / 2) * stage.height))
    right = min(stage.width, int((middle[0] + reach + stage.aspect / 2) * stage.height) + 2)
    top = max(0, int((middle[1] - reach) * stage.height))
    bottom = min(stage.height, int((middle[1] + reach) * stage.height) + 2)
    across = (stage.across()[:, left:right] - np.float32(middle[0])) / np.float32(radius)
    up = (np.float32(middle[1]) - stage.down()[top:bottom]) / np.float32(radius)
    across, up = (np.ascontiguousarray(plane) for plane in np.broadcast_arrays(across, up))
    front = np.sqrt(np.maximum(1 - across**2 - up**2, 0)).astype(np.float32)
    return slice(top, bottom), slice(left, right), (across, up, front)


def _halo(stage: Stage, middle: tuple[float, float], radius: float, lit_side: float) -> Plane:
    """Air just beyond the edge, on the lit side."""
    across = stage.across() - np.float32(middle[0])
    down = stage.down() - np.float32(middle[1])
    distance = np.hypot(across, down)
    beyond = np.maximum(distance - np.float32(radius), 0)
    toward = (across * np.float32(lit_side) * 0.8 - down * 0.5) / np.maximum(distance, 1e-3)
    glow = np.exp(-beyond * 26) * 0.3 + np.exp(-beyond * 7) * 0.06
    return np.asarray(glow * smooth_step(-0.3, 0.9, toward), dtype=np.float32)
