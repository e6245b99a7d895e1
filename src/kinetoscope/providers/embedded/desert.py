"""Dunes, and green hills with flowers: soft ridges, near and far."""

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.layers import SHARPNESS, Cutout, blank, cover_of, glow_of, put
from kinetoscope.providers.embedded.mountains import backdrop
from kinetoscope.providers.embedded.noise import Planes
from kinetoscope.providers.embedded.palette import Palette
from kinetoscope.providers.embedded.ridges import Ridge
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import Colour, light, mix, spread

_DUNES = 5
_FRAMES = 8
_FLOWERS = {
    "red": (226, 50, 38),
    "pink": (240, 130, 170),
    "purple": (140, 90, 210),
    "white": (246, 242, 232),
    "yellow": (250, 208, 60),
    "orange": (246, 140, 40),
    "blue": (90, 130, 230),
    "lavender": (150, 120, 220),
    "violet": (140, 90, 210),
}


def dunes(stage: Stage) -> Scene:
    """Sand to the horizon, lit from one side."""
    palette = stage.palette
    dim = 1 - 0.85 * palette.night
    sand = mix(light("#b4764a"), palette.glow * np.float32(0.5), 0.15) * np.float32(dim)
    lit = mix(light("#f0bf80"), palette.glow, 0.3) * np.float32(dim)
    if palette.night:
        sand, lit = mix(sand, palette.haze, 0.45), mix(lit, palette.cloud_lit, 0.5)
    sand, lit = palette.soiled(sand * np.float32(0.36)), palette.soiled(lit, 0.7)
    return _scene(stage, soft_ridges(stage, (sand, lit), 0.22), None)


def meadow(stage: Stage) -> Scene:
    """Rolling green, with grass and flowers at our feet."""
    palette = stage.palette
    dim = np.float32(1 - 0.8 * palette.night)
    winter = stage.reading.weather == "snow"
    shade = mix(light("#1d4a1c"), palette.ground, 0.2) * dim
    lit = mix(light("#86b438"), palette.glow, 0.12) * dim
    shade, lit = palette.soiled(shade), palette.soiled(lit)
    if winter:
        shade, lit = snow_of(palette)
    grass = None if winter else _grass(stage)
    return _scene(stage, soft_ridges(stage, (shade, lit), 0.13, 0.34), grass)


def snow_of(palette: Palette) -> tuple[Colour, Colour]:
    """Snow on the ground, shaded and lit: pale and a little blue, whatever the sky does."""
    dim = np.float32(1 - 0.9 * palette.night)
    shade = mix(light("#a9bcd6") * dim, palette.haze, 0.2)
    lit = mix(light("#e6eef8") * dim, palette.cloud_lit, 0.25)
    return shade, mix(lit, palette.glow * np.float32(0.6), 0.08)


def _scene(stage: Stage, ridges: list[Ridge], front: Cutout | None) -> Scene:
    behind = backdrop(stage, stage.height, ridges)

    def at(frame: int) -> Planes:
        planes = behind(frame)
        if front is not None:
            put(planes, front, stage.moment_at(frame).pan * stage.height * 0.6)
        return planes

    plate = SlowPlate(at, stage.rhythm(_FRAMES))

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes)

    return Scene(paint=paint, lens=False)


def soft_ridges(
    stage: Stage, sand: tuple[Colour, Colour], rise: float, veil: float = 0.6
) -> list[Ridge]:
    """Round ridges from the horizon to our feet, in a shaded and a sunlit colour.

    `veil` is how far the farthest drown in air.
    """
    shade, lit = sand
    rng = stage.chance("dunes")
    air = mix(stage.palette.haze, stage.palette.middle, 0.25)
    ridges = []
    for place in range(_DUNES):
        near = place / (_DUNES - 1)
        far = (1 - near) ** 1.3
        ridges.append(
            Ridge(
                base=stage.horizon + 0.02 + 0.36 * near**1.35,
                rise=(0.25 + 0.75 * near) * rise * 0.42 * float(rng.uniform(0.8, 1.2)),
                near=0.1 + 0.9 * near,
                falloff=1.9,
                stretch=9.0 - 2.5 * near,
                mist=veil * 0.6 * (1 - near) + 0.03,
                snow=0.0,
                colour=mix(shade, air, veil * far),
                lit=mix(lit, air, veil * 0.9 * far),
                rugged=0.0,
            )
        )
    return ridges


def _grass(stage: Stage) -> Cutout:
    """Blades against the light, and flowers among them."""
    margin = int(stage.height * 0.35)
    width = stage.width + 2 * margin
    hide, shine = blank(width, stage.height), blank(width, stage.height, "RGB")
    blades, flowers = ImageDraw.Draw(hide), ImageDraw.Draw(shine)
    rng = stage.chance("grass")
    unit = stage.height * SHARPNESS
    colours = [_FLOWERS[word] for word in sorted(stage.reading.words & _FLOWERS.keys())]
    colours = colours or [_FLOWERS[name] for name in ("red", "yellow", "white", "purple")]
    blooming = "grass" not in stage.reading.words
    for _ in range(int(width / stage.height * 560)):
        x, tall = (
            rng.uniform(0, width * SHARPNESS),
            unit * rng.uniform(0.03, 0.1) * rng.uniform(1, 2.2),
        )
        bend, thick = tall * rng.uniform(-0.35, 0.35), unit * rng.uniform(0.0012, 0.003)
        _blade(blades, (x, unit), (x + bend, unit - tall), thick)
        if blooming and rng.random() < 0.2:  # noqa: PLR2004 - one blade in five bears a flower
            _flower(flowers, blades, rng, (x + bend, unit - tall), colours)
    cover = cover_of(hide)
    palette = stage.palette
    green = mix(light("#24401c"), palette.ground, 0.35) * np.float32(1 - 0.8 * palette.night)
    green = palette.soiled(green, 0.5)
    rise = (1 - stage.down()) * np.float32(5)
    body = spread(green) * (0.55 + rise) * cover
    dim = np.float32(0.5 * (1 - 0.85 * palette.night))
    return Cutout(
        cover, (body + glow_of(shine, stage.height * 0.002) * dim).astype(np.float32), margin
    )


def _blade(
    draw: ImageDraw.ImageDraw, foot: tuple[float, float], tip: tuple[float, float], thick: float
) -> None:
    middle = (foot[0] * 0.75 + tip[0] * 0.25, (foot[1] + tip[1]) / 2)
    draw.polygon(
        [(foot[0] - thick, foot[1]), (middle[0] - thick * 0.8, middle[1]), tip,
         (middle[0] + thick * 0.8, middle[1]), (foot[0] + thick, foot[1])],
        fill=255,
    )  # fmt: skip


def _flower(
    draw: ImageDraw.ImageDraw,
    hide: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    place: tuple[float, float],
    colours: list[tuple[int, int, int]],
) -> None:
    colour = colours[int(rng.integers(len(colours)))]
    size = place[1] * 0.0045 * float(rng.uniform(0.6, 1.5))
    x, y = place
    for petal in range(5):
        angle = petal * 1.2566 + float(rng.uniform(0, 0.5))
        px, py = x + np.cos(angle) * size * 0.8, y + np.sin(angle) * size * 0.55
        shape = (px - size * 0.62, py - size * 0.5, px + size * 0.62, py + size * 0.5)
        shaded = tuple(int(channel * rng.uniform(0.7, 1.0)) for channel in colour)
        draw.ellipse(shape, fill=shaded)
        hide.ellipse(shape, fill=255)
