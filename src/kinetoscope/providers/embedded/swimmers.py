"""The larger life under water: whales, sharks and their like in the blue, jellyfish that pulse."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kinetoscope.providers.embedded.layers import SHARPNESS, blank, cover_of, stamp
from kinetoscope.providers.embedded.noise import Plane, Planes
from kinetoscope.providers.embedded.silhouettes import Ink, Pen, curve, tinted
from kinetoscope.providers.embedded.stage import Moment, Painter, Stage, lay
from kinetoscope.providers.embedded.tone import light, mix, spread, unfilm

_JELLIES = 6
_WHALES = {"whale": 0.78, "shark": 0.42, "dolphin": 0.36}
_GREYS: dict[str, Ink] = {
    "whale": (52, 78, 104),
    "shark": (88, 106, 122),
    "dolphin": (92, 118, 142),
}


def swimmers_of(stage: Stage) -> list[Painter]:
    """A painter for each large swimmer the prompt names."""
    words = stage.reading.words
    painters = [_cruising(stage, kind) for kind in _WHALES if kind in words]
    if words & {"jellyfish", "jelly", "medusa"}:
        painters.append(_jellies(stage))
    return painters


def _cruising(stage: Stage, kind: str) -> Painter:
    """One animal, slow and large, half lost in the water's own light."""
    rng = stage.chance("swimmer", kind)
    framing = stage.framing
    side = round(_WHALES[kind] * stage.height * min(1.2, max(framing.size, 0.75)) * 1.3)
    side = min(side, round(stage.width * 0.8))
    way = -framing.side
    cover, seen = _body(kind, side, way)
    x = framing.side * (framing.aside * 0.8) * stage.aspect
    y = float(rng.uniform(0.36, 0.48))

    def paint(moment: Moment, planes: Planes) -> None:
        gone = way * 0.028 * moment.time_s - moment.pan * 0.3
        rise = 0.012 * np.sin(moment.time_s * 0.7)
        left = (x + gone + stage.aspect / 2) * stage.height - cover.shape[1] / 2
        top = (y + rise) * stage.height - cover.shape[0] / 2
        stamp(planes, (cover, seen), left, float(top))

    return paint


def _body(kind: str, side: int, way: int) -> tuple[Plane, Planes]:
    sheet = Image.new("RGBA", (side * 3, side * 3), (0, 0, 0, 0))
    pen = Pen(ImageDraw.Draw(sheet), side * 3)
    (_whale if kind == "whale" else _slim)(pen, _GREYS[kind])
    if way > 0:
        sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    small = sheet.reduce(3).filter(ImageFilter.GaussianBlur(max(0.4, side / 300)))
    pixels = np.asarray(small, dtype=np.float32) / np.float32(255)
    cover = np.pad(np.ascontiguousarray(pixels[..., 3]), 1)
    colour = unfilm(np.ascontiguousarray(pixels[..., :3].transpose(2, 0, 1)))
    down = np.linspace(1.25, 0.6, pixels.shape[0], dtype=np.float32)[:, None]
    water = spread(mix(light("#1478a0"), light("#06213e"), 0.4))
    seen = colour * down * np.float32(0.62) + water * np.float32(0.3)
    return cover, np.pad(seen, ((0, 0), (1, 1), (1, 1))) * cover


def _whale(pen: Pen, ink: Ink) -> None:
    """A humpback in profile, heading left: long fins, a pale grooved throat, broad flukes."""
    far = [(0.33, 0.56), (0.40, 0.60), (0.45, 0.70), (0.43, 0.76), (0.37, 0.68)]
    pen.shape(curve(far), tinted(ink, 0.6))
    back = [(0.03, 0.50), (0.08, 0.43), (0.20, 0.39), (0.36, 0.375), (0.52, 0.40), (0.60, 0.405),
            (0.72, 0.45), (0.86, 0.475), (0.92, 0.47), (0.92, 0.495), (0.80, 0.52), (0.64, 0.56),
            (0.46, 0.62), (0.28, 0.635), (0.12, 0.585), (0.05, 0.545)]  # fmt: skip
    pen.shape(curve(back), ink)
    belly = [(0.035, 0.515), (0.14, 0.53), (0.30, 0.555), (0.46, 0.575), (0.56, 0.575),
             (0.45, 0.618), (0.28, 0.63), (0.12, 0.58)]  # fmt: skip
    pen.shape(curve(belly), (176, 196, 206))
    for groove in range(5):
        drop = groove * 0.014
        line = [(0.07, 0.535 + drop * 0.6), (0.22, 0.555 + drop), (0.38, 0.575 + drop * 0.8)]
        pen.line(line, 0.0035, tinted(ink, 1.5))
    pen.shape(curve([(0.55, 0.405), (0.60, 0.37), (0.645, 0.385), (0.65, 0.42)]), tinted(ink, 0.9))
    flukes = [(0.88, 0.48), (0.93, 0.44), (0.985, 0.40), (0.975, 0.45), (0.955, 0.485),
              (0.985, 0.52), (0.97, 0.555), (0.92, 0.525)]  # fmt: skip
    pen.shape(curve(flukes), tinted(ink, 0.86))
    fin = [(0.25, 0.57), (0.32, 0.585), (0.36, 0.68), (0.37, 0.80), (0.345, 0.83), (0.30, 0.74),
           (0.255, 0.65)]  # fmt: skip
    pen.shape(curve(fin), tinted(ink, 0.78))
    pen.oval((0.145, 0.515), (0.008, 0.007), (16, 20, 26))


def _slim(pen: Pen, ink: Ink) -> None:
    """A shark or a dolphin, heading left."""
    body = [(0.04, 0.50), (0.14, 0.45), (0.32, 0.42), (0.52, 0.43), (0.72, 0.47), (0.88, 0.49),
            (0.88, 0.51), (0.70, 0.535), (0.50, 0.56), (0.28, 0.56), (0.12, 0.535)]  # fmt: skip
    pen.shape(curve(body), ink)
    belly = [(0.06, 0.51), (0.28, 0.525), (0.50, 0.53), (0.68, 0.53), (0.50, 0.557), (0.28, 0.557)]
    pen.shape(curve(belly), (196, 208, 214))
    pen.shape([(0.36, 0.43), (0.47, 0.32), (0.47, 0.44)], tinted(ink, 0.85))
    pen.shape([(0.26, 0.54), (0.40, 0.66), (0.37, 0.54)], tinted(ink, 0.8))
    pen.shape([(0.85, 0.495), (0.98, 0.38), (0.92, 0.50), (0.965, 0.58)], tinted(ink, 0.85))
    pen.oval((0.12, 0.49), (0.007, 0.007), (14, 16, 20))


def _jellies(stage: Stage) -> Painter:
    """Bells that open and close in their own time, trailing threads, lit from within."""
    rng = stage.chance("jellies")
    x = (np.linspace(-0.42, 0.42, _JELLIES) + rng.uniform(-0.05, 0.05, _JELLIES)) * stage.aspect
    y = rng.uniform(0.16, 0.6, _JELLIES)
    size = rng.uniform(0.035, 0.085, _JELLIES) * min(1.0, 0.5 + stage.aspect * 0.4)
    phase = rng.uniform(0, 6.28, _JELLIES)
    glow = light(("#ff9ad0", "#9ad8ff", "#c8a0ff")[int(rng.integers(3))])

    def paint(moment: Moment, planes: Planes) -> None:
        sheet = blank(stage.width, stage.height)
        draw = ImageDraw.Draw(sheet)
        unit = stage.height * SHARPNESS
        for place in np.argsort(size):
            beat = float(np.sin(moment.time_s * 1.9 + phase[place]))
            rise = 0.008 * moment.time_s + 0.008 * np.sin(moment.time_s * 1.9 + phase[place] - 1)
            middle = (
                float(x[place] - moment.pan * 0.3 + stage.aspect / 2) * unit,
                float(y[place] - rise) * unit,
            )
            _jelly(draw, middle, float(size[place]) * unit, beat, moment.time_s + phase[place])
        sheet = sheet.filter(ImageFilter.GaussianBlur(1.1))
        soft = cover_of(sheet)
        lay(planes, glow, soft * np.float32(0.72))
        far = sheet.reduce(4 * SHARPNESS).filter(ImageFilter.GaussianBlur(stage.height / 90))
        halo = far.resize((stage.width, stage.height), Image.Resampling.BILINEAR)
        planes += spread(glow) * (np.asarray(halo, dtype=np.float32) * np.float32(0.3 / 255))

    return paint


def _jelly(
    draw: ImageDraw.ImageDraw, middle: tuple[float, float], size: float, beat: float, time_s: float
) -> None:
    x, y = middle
    wide, tall = size * (1 + 0.14 * beat), size * (0.95 - 0.12 * beat)
    share = np.linspace(0, 1, 14)
    for thread in range(9):
        start = x + wide * (thread - 4) / 4.6
        sway = np.sin(share * 5 - time_s * 1.7 + thread) * size * 0.16 * share
        long = size * (1.9 + 0.9 * np.cos(thread * 2.1))
        line = [*zip(start + sway, y + share * long, strict=True)]
        draw.line([(float(a), float(b)) for a, b in line], fill=78, width=max(1, round(size / 26)))
    for reach, ink in ((1.0, 120), (0.8, 165), (0.5, 205)):
        box = (x - wide * reach, y - tall * reach, x + wide * reach, y + tall * reach)
        draw.pieslice(box, 180, 360, fill=ink)
    for scallop in range(7):
        left = x - wide + scallop * wide * 2 / 7
        draw.ellipse((left, y - size * 0.09, left + wide * 2 / 7, y + size * 0.09), fill=120)
