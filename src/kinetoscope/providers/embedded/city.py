"""A city: towers behind towers, lit windows, neon, and a wet street that shows it all again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from kinetoscope.providers.embedded.layers import (
    SHARPNESS,
    Cutout,
    blank,
    cover_of,
    glow_of,
    put,
)
from kinetoscope.providers.embedded.mirror import mirror
from kinetoscope.providers.embedded.noise import Planes, smooth_step
from kinetoscope.providers.embedded.sky import sky_at
from kinetoscope.providers.embedded.stage import Moment, Scene, SlowPlate, Stage
from kinetoscope.providers.embedded.tone import mix, spread
from kinetoscope.providers.embedded.water import Swell

_WARM = ((255, 206, 130), (255, 226, 170), (255, 184, 96), (210, 226, 255))
_NEON = ((255, 46, 140), (40, 220, 255), (168, 70, 255), (255, 120, 40), (70, 255, 190))
_DEPTHS = (0.0, 0.45, 1.0)
_STREET = Swell(steepness=0.035, longest=1.2, count=24, mirror=1.0)
_FRAMES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheets:
    """Where one row of towers is drawn: what hides, and what shines."""

    hide: ImageDraw.ImageDraw
    shine: ImageDraw.ImageDraw
    rng: np.random.Generator
    unit: float
    ground: float
    near: float
    night: float
    neon: bool


def scene(stage: Stage) -> Scene:
    """Three rows of towers over their own reflection."""
    row = stage.horizon_row
    plate = SlowPlate(_backdrop(stage, row), stage.rhythm(_FRAMES))
    street = mirror(stage, stage.height - row, _STREET, 0.62)

    def paint(moment: Moment, planes: Planes) -> None:
        plate.show(moment.frame, planes[:, :row])
        street(moment, planes)

    return Scene(paint=paint, lens=True)


def _backdrop(stage: Stage, row: int) -> Callable[[int], Planes]:
    above = sky_at(stage, row)
    towers = [_towers(stage, row, near) for near in _DEPTHS]
    palette = stage.palette
    neon = _neon(stage)
    height = np.maximum(stage.horizon - stage.down()[:row], 0)
    smog = np.exp(-height * 3.2) * np.float32(0.55)
    lights = mix(palette.haze, palette.glow, 0.5)
    if neon:
        lights = np.array([0.30, 0.075, 0.36], dtype=np.float32)

    def at(frame: int) -> Planes:
        moment = stage.moment_at(frame)
        planes = above(frame)
        for near, cutout in zip(_DEPTHS, towers, strict=True):
            planes += (spread(lights) - planes) * (smog * np.float32(0.75 - 0.45 * near))
            put(planes, cutout, moment.pan * stage.height * 0.3 * (0.25 + near))
        return planes

    return at


def _neon(stage: Stage) -> bool:
    return stage.reading.style == "neon" or bool(stage.reading.words & {"tokyo", "neon"})


def _towers(stage: Stage, row: int, near: float) -> Cutout:
    margin = int(stage.height * 0.22 * (0.3 + near))
    width = stage.width + 2 * margin
    hide, shine = blank(width, row), blank(width, row, "RGB")
    sheets = _Sheets(
        hide=ImageDraw.Draw(hide),
        shine=ImageDraw.Draw(shine),
        rng=stage.chance("towers", str(near)),
        unit=stage.height * SHARPNESS,
        ground=row * SHARPNESS,
        near=near,
        night=max(stage.palette.night, 0.55 if stage.reading.time == "sunset" else 0.12),
        neon=_neon(stage),
    )
    _draw_row(sheets, width * SHARPNESS, stage.sun_x)
    cover = cover_of(hide)
    palette = stage.palette
    body = mix(palette.ground, palette.haze, 0.62 * (1 - near) ** 1.2)
    day = 1 - palette.night
    body = mix(body, palette.haze, (0.3 if stage.reading.time == "day" else 0.1) * day)
    rise = smooth_step(0.0, 0.6, stage.horizon - stage.down()[:row])
    light = spread(body) * (1.35 - 0.7 * rise)
    light = light * cover
    light += glow_of(shine, stage.height * 0.006) * np.float32(sheets.night * (0.55 + 0.75 * near))
    return Cutout(cover, light.astype(np.float32), margin)


def _draw_row(sheets: _Sheets, width: float, lean: float) -> None:
    """Towers side by side; the tallest stand off-centre, and the nearest leave the middle open."""
    rng, unit, near = sheets.rng, sheets.unit, sheets.near
    place = -rng.uniform(0, 0.1) * unit
    while place < width:
        wide = rng.uniform(0.05, 0.11) * (1 + 0.9 * near) * unit
        from_middle = (place + wide / 2 - width / 2) / width * 2
        crowd = np.exp(-(((from_middle + np.sign(lean) * 0.25) / 0.5) ** 2))
        tall = rng.uniform(0.12, 0.26) + 0.3 * crowd * rng.uniform(0.3, 1.0)
        if near:
            open_middle = min(1.0, abs(from_middle) * (0.9 + 0.4 * near) + 0.1)
            tall = (rng.uniform(0.14, 0.3) + 0.3 * near * rng.uniform(0.2, 1)) * open_middle
        _tower(sheets, place, wide, tall * unit)
        place += wide * rng.uniform(0.86, 1.25)


def _tower(sheets: _Sheets, left: float, wide: float, tall: float) -> None:
    rng, top = sheets.rng, sheets.ground - tall
    sheets.hide.rectangle((left, top, left + wide, sheets.ground), fill=255)
    if rng.random() < 0.45:  # noqa: PLR2004 - some have a set-back crown
        step, lift = wide * rng.uniform(0.15, 0.3), tall * rng.uniform(0.06, 0.16)
        sheets.hide.rectangle((left + step, top - lift, left + wide - step, top), fill=255)
        if rng.random() < 0.6:  # noqa: PLR2004 - and of those, some a mast
            thin = max(1.0, sheets.unit * 0.0012)
            middle = left + wide / 2
            mast = top - lift - tall * rng.uniform(0.1, 0.22)
            sheets.hide.rectangle((middle - thin, mast, middle + thin, top), fill=255)
            spot = thin * 2.2
            sheets.shine.ellipse(
                (middle - spot, mast - spot, middle + spot, mast + spot), fill=(255, 60, 50)
            )
    _windows(sheets, left, top, wide)
    if sheets.neon and sheets.near and rng.random() < 0.75:  # noqa: PLR2004 - most carry a sign
        _sign(sheets, left, top, wide)


def _windows(sheets: _Sheets, left: float, top: float, wide: float) -> None:
    rng, unit = sheets.rng, sheets.unit
    pitch = unit * (0.0085 + 0.009 * sheets.near)
    high = pitch * rng.uniform(1.1, 1.6)
    columns, rows = int((wide - pitch) / pitch), int((sheets.ground - top - high) / high)
    if columns < 1 or rows < 1:
        return
    share = rng.uniform(0.12, 0.45)
    floor = rng.random((rows, 1)) < 0.12  # noqa: PLR2004 - a few floors are lit throughout
    lit = (rng.random((rows, columns)) < share) | (floor & (rng.random((rows, columns)) < 0.85))  # noqa: PLR2004
    base = _WARM[int(rng.integers(len(_WARM)))]
    for row, column in np.argwhere(lit):
        x, y = left + pitch * (column + 0.8), top + high * (row + 0.7)
        dim = rng.uniform(0.3, 1.0)
        colour = tuple(int(channel * dim) for channel in base)
        sheets.shine.rectangle((x, y, x + pitch * 0.55, y + high * 0.5), fill=colour)


def _sign(sheets: _Sheets, left: float, top: float, wide: float) -> None:
    """A hanging sign of strokes that read as writing from afar."""
    rng, unit = sheets.rng, sheets.unit
    colour = _NEON[int(rng.integers(len(_NEON)))]
    across = unit * rng.uniform(0.012, 0.026) * (0.6 + sheets.near)
    x = left + rng.uniform(0.05, 0.75) * wide
    y = top + (sheets.ground - top) * rng.uniform(0.1, 0.55)
    glyphs = int(rng.integers(2, 6))
    line = max(1, int(across * 0.13))
    sheets.shine.rectangle(
        (x, y, x + across, y + across * 1.08 * glyphs + across * 0.1), outline=colour, width=line
    )
    for glyph in range(glyphs):
        y_glyph = y + across * (0.14 + 1.08 * glyph)
        for _ in range(3):
            ends = rng.uniform(0.18, 0.82, 4) * across
            if rng.random() < 0.5:  # noqa: PLR2004 - strokes run straight, across or down
                ends[2] = ends[0]
            else:
                ends[3] = ends[1]
            shape = (x + ends[0], y_glyph + ends[1], x + ends[2], y_glyph + ends[3])
            sheets.shine.line(shape, fill=colour, width=line)
