"""Every drawing by the name of its subject, and the colour it has unless the prompt says so."""

from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

from kinetoscope.providers.embedded import silhouettes, wildlife
from kinetoscope.providers.embedded.silhouettes import Ink, Pen

DRAWINGS: dict[str, tuple[Callable[[Pen, Ink], None], Ink]] = {
    "sailboat": (silhouettes.sailboat, (244, 238, 226)),
    "lighthouse": (silhouettes.lighthouse, (190, 52, 44)),
    "balloon": (silhouettes.balloon, (206, 74, 48)),
    "person": (silhouettes.person, (70, 58, 66)),
    "cat": (silhouettes.cat, (44, 38, 40)),
    "dog": (silhouettes.dog, (84, 58, 40)),
    "horse": (silhouettes.horse, (64, 44, 34)),
    "car": (silhouettes.car, (176, 40, 36)),
    "tree": (silhouettes.tree, (74, 104, 44)),
    "blossom": (wildlife.blossom, (248, 176, 200)),
    "palm": (wildlife.palm, (66, 104, 48)),
    "fox": (wildlife.fox, (204, 98, 34)),
}
"""Each drawing, and its usual colour."""


def drawing(kind: str, ink: Ink | None, side: int) -> Image.Image:
    """One subject on a clear sheet, edges smoothed."""
    draw, usual = DRAWINGS[kind]
    large = side * 3
    sheet = Image.new("RGBA", (large, large), (0, 0, 0, 0))
    draw(Pen(ImageDraw.Draw(sheet), large), ink or usual)
    return sheet.reduce(3).filter(ImageFilter.GaussianBlur(0.35))
