"""Drawings of the few subjects the renderer knows, on a square sheet, feet on its lower edge."""

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

Ink = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws in shares of the sheet: 0 to 1 across, 0 (top) to 1 (feet) down."""

    draw: ImageDraw.ImageDraw
    side: int

    def shape(self, points: list[Point], ink: Ink) -> None:
        """A filled outline."""
        self.draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=(*ink, 255))

    def oval(self, middle: Point, reach: Point, ink: Ink) -> None:
        """A filled ellipse by its middle and half sizes."""
        (x, y), (wide, tall) = middle, reach
        box = tuple(value * self.side for value in (x - wide, y - tall, x + wide, y + tall))
        self.draw.ellipse(box, fill=(*ink, 255))

    def line(self, points: list[Point], width: float, ink: Ink) -> None:
        """A stroke with round joints."""
        self.draw.line(
            [(x * self.side, y * self.side) for x, y in points],
            fill=(*ink, 255),
            width=max(1, round(width * self.side)),
            joint="curve",
        )


def tinted(ink: Ink, share: float) -> Ink:
    """Darker (below 1) or lighter (above 1)."""
    red, green, blue = (min(255, int(channel * share)) for channel in ink)
    return red, green, blue


def curve(points: list[Point], steps: int = 8) -> list[Point]:
    """A smooth closed outline through the points (Catmull-Rom)."""
    count = len(points)
    smooth: list[Point] = []
    for place in range(count):
        around = np.array([points[(place + shift) % count] for shift in (-1, 0, 1, 2)])
        for step in range(steps):
            t = step / steps
            weights = (
                -0.5 * t + t * t - 0.5 * t**3,
                1 - 2.5 * t * t + 1.5 * t**3,
                0.5 * t + 2 * t * t - 1.5 * t**3,
                -0.5 * t * t + 0.5 * t**3,
            )
            x, y = np.array(weights) @ around
            smooth.append((float(x), float(y)))
    return smooth


def sailboat(pen: Pen, ink: Ink) -> None:
    """A sloop under main and jib."""
    cloth = ink
    hull = (62, 48, 42) if sum(ink) > 600 else tinted(ink, 0.42)  # noqa: PLR2004 - pale sails
    pen.line([(0.47, 0.9), (0.47, 0.04)], 0.009, (70, 56, 46))
    pen.shape(_bellied((0.485, 0.06), (0.485, 0.80), (0.83, 0.80), 0.05), cloth)
    pen.shape(_bellied((0.485, 0.45), (0.485, 0.80), (0.83, 0.80), 0.0), tinted(cloth, 0.86))
    pen.shape(_bellied((0.455, 0.12), (0.455, 0.79), (0.17, 0.82), -0.03), tinted(cloth, 1.12))
    pen.line([(0.48, 0.815), (0.85, 0.81)], 0.012, (70, 56, 46))
    pen.shape([(0.12, 0.865), (0.90, 0.865), (0.82, 0.985), (0.24, 0.985)], hull)
    pen.shape([(0.12, 0.865), (0.90, 0.865), (0.89, 0.885), (0.13, 0.885)], tinted(hull, 1.7))


def _bellied(top: Point, foot: Point, corner: Point, belly: float) -> list[Point]:
    """A sail: straight along the mast, round where the wind fills it."""
    points = [top, foot, corner]
    for step in range(1, 12):
        t = step / 12
        x = corner[0] + (top[0] - corner[0]) * t + belly * np.sin(np.pi * t)
        y = corner[1] + (top[1] - corner[1]) * t
        points.append((float(x), y))
    return points


def lighthouse(pen: Pen, ink: Ink) -> None:
    """A striped tower; its rock is the scene's."""
    for band in range(6):
        y0, y1 = 0.23 + band * 0.13, 0.36 + band * 0.13
        w0, w1 = 0.075 + (y0 - 0.23) * 0.085, 0.075 + (y1 - 0.23) * 0.085
        shade = ink if band % 2 == 0 else (240, 236, 226)
        pen.shape([(0.5 - w0, y0), (0.5 + w0, y0), (0.5 + w1, y1), (0.5 - w1, y1)], shade)
        pen.shape(
            [(0.5 + w0 * 0.3, y0), (0.5 + w0, y0), (0.5 + w1, y1), (0.5 + w1 * 0.3, y1)],
            tinted(shade, 0.72),
        )
    pen.shape([(0.385, 0.2), (0.615, 0.2), (0.605, 0.232), (0.395, 0.232)], (48, 44, 46))
    pen.shape([(0.445, 0.1), (0.555, 0.1), (0.555, 0.2), (0.445, 0.2)], (255, 232, 170))
    pen.shape([(0.425, 0.1), (0.5, 0.02), (0.575, 0.1)], (56, 40, 40))
    pen.shape([(0.62, 0.86), (0.86, 0.86), (0.86, 1.0), (0.62, 1.0)], (214, 206, 192))
    pen.shape([(0.6, 0.87), (0.74, 0.77), (0.88, 0.87)], (96, 56, 46))


def balloon(pen: Pen, ink: Ink) -> None:
    """A hot-air balloon in gores."""
    for gore in range(9, 0, -1):
        share = gore / 9
        shade = ink if gore % 2 else tinted(ink, 1.35)
        outline = [
            (
                0.5 + 0.33 * share * np.sin(t) * (1 - 0.18 * (1 + np.cos(t)) * 0),
                0.36 - 0.335 * np.cos(t),
            )
            for t in np.linspace(0, np.pi * 0.78, 24)
        ]
        mirrored = [(1 - x, y) for x, y in reversed(outline)]
        pen.shape([*outline, *mirrored], shade)
    pen.line([(0.3, 0.6), (0.46, 0.86)], 0.004, (50, 40, 36))
    pen.line([(0.7, 0.6), (0.54, 0.86)], 0.004, (50, 40, 36))
    pen.shape([(0.29, 0.6), (0.71, 0.6), (0.56, 0.75), (0.44, 0.75)], tinted(ink, 0.8))
    pen.shape([(0.455, 0.86), (0.545, 0.86), (0.535, 0.94), (0.465, 0.94)], (84, 60, 40))


def person(pen: Pen, ink: Ink) -> None:
    """Someone who stands and looks."""
    coat = [
        (0.44, 0.22),
        (0.56, 0.22),
        (0.6, 0.3),
        (0.615, 0.52),
        (0.63, 0.68),
        (0.37, 0.68),
        (0.385, 0.52),
        (0.4, 0.3),
    ]
    pen.shape([(0.42, 0.66), (0.495, 0.66), (0.49, 0.99), (0.42, 0.99)], tinted(ink, 0.45))
    pen.shape([(0.505, 0.66), (0.585, 0.66), (0.585, 0.99), (0.515, 0.99)], tinted(ink, 0.4))
    pen.shape(curve(coat), ink)
    pen.oval((0.5, 0.125), (0.058, 0.072), tinted(ink, 0.5))
    pen.shape([(0.465, 0.17), (0.535, 0.17), (0.545, 0.24), (0.455, 0.24)], tinted(ink, 0.55))


def cat(pen: Pen, ink: Ink) -> None:
    """A cat sitting, seen from behind, tail curled to the side."""
    pen.line(
        curve(
            [
                (0.6, 0.95),
                (0.78, 0.98),
                (0.88, 0.88),
                (0.86, 0.72),
                (0.87, 0.72),
                (0.89, 0.88),
                (0.79, 0.99),
            ]
        )[:40],
        0.05,
        ink,
    )
    body = [
        (0.42, 0.40),
        (0.58, 0.40),
        (0.66, 0.58),
        (0.72, 0.82),
        (0.68, 0.99),
        (0.32, 0.99),
        (0.28, 0.82),
        (0.34, 0.58),
    ]
    pen.shape(curve(body), ink)
    pen.oval((0.5, 0.30), (0.135, 0.115), ink)
    for side in (-1, 1):
        pen.shape(
            [(0.5 + side * 0.125, 0.27), (0.5 + side * 0.125, 0.10), (0.5 + side * 0.03, 0.20)], ink
        )


def dog(pen: Pen, ink: Ink) -> None:
    """A dog sitting, in profile."""
    outline = [
        (0.30, 0.20), (0.40, 0.10), (0.50, 0.12), (0.56, 0.24), (0.60, 0.40), (0.70, 0.58),
        (0.78, 0.80), (0.76, 0.98), (0.44, 0.99), (0.42, 0.80), (0.40, 0.56), (0.38, 0.36),
        (0.28, 0.33), (0.17, 0.31), (0.16, 0.25),
    ]  # fmt: skip
    pen.shape(curve(outline), ink)
    pen.shape([(0.33, 0.5), (0.44, 0.5), (0.42, 0.99), (0.32, 0.99)], ink)
    pen.shape(curve([(0.44, 0.12), (0.54, 0.16), (0.55, 0.32), (0.48, 0.3)]), tinted(ink, 0.75))
    pen.line([(0.74, 0.94), (0.86, 0.92), (0.93, 0.82)], 0.045, ink)


def horse(pen: Pen, ink: Ink) -> None:
    """A horse grazing the air: standing, in profile."""
    outline = [
        (0.14, 0.30), (0.20, 0.20), (0.28, 0.12), (0.33, 0.16), (0.40, 0.32), (0.52, 0.40),
        (0.68, 0.39), (0.80, 0.42), (0.84, 0.54), (0.80, 0.64), (0.64, 0.63), (0.46, 0.65),
        (0.36, 0.58), (0.30, 0.42), (0.26, 0.32), (0.18, 0.36),
    ]  # fmt: skip
    pen.shape(curve(outline), ink)
    for x, lean in ((0.38, -0.02), (0.45, 0.02), (0.72, -0.02), (0.80, 0.03)):
        pen.shape(
            [
                (x - 0.035, 0.56),
                (x + 0.035, 0.56),
                (x + lean + 0.016, 0.99),
                (x + lean - 0.016, 0.99),
            ],
            ink,
        )
    pen.line([(0.83, 0.46), (0.89, 0.56), (0.88, 0.76)], 0.035, tinted(ink, 0.8))
    pen.line([(0.30, 0.12), (0.37, 0.24), (0.43, 0.36)], 0.035, tinted(ink, 0.8))


def car(pen: Pen, ink: Ink) -> None:
    """A coupe from the side."""
    body = [
        (0.03, 0.86),
        (0.05, 0.76),
        (0.2, 0.715),
        (0.33, 0.62),
        (0.5, 0.585),
        (0.66, 0.61),
        (0.8, 0.71),
        (0.95, 0.75),
        (0.975, 0.86),
        (0.9, 0.925),
        (0.5, 0.935),
        (0.1, 0.925),
    ]
    pen.shape(curve(body), ink)
    pen.shape(curve([(0.27, 0.715), (0.36, 0.638), (0.48, 0.612), (0.485, 0.715)]), (150, 176, 192))
    pen.shape(curve([(0.505, 0.715), (0.51, 0.612), (0.62, 0.63), (0.72, 0.712)]), (112, 138, 158))
    pen.line([(0.06, 0.80), (0.94, 0.80)], 0.006, tinted(ink, 1.45))
    pen.line([(0.06, 0.90), (0.94, 0.90)], 0.03, tinted(ink, 0.5))
    for x in (0.235, 0.765):
        pen.oval((x, 0.915), (0.078, 0.078), (20, 20, 22))
        pen.oval((x, 0.915), (0.042, 0.042), (150, 152, 156))
    pen.oval((0.955, 0.79), (0.016, 0.018), (255, 244, 214))
    pen.oval((0.045, 0.79), (0.012, 0.02), (220, 40, 30))


def tree(pen: Pen, ink: Ink) -> None:
    """A broad tree: branches that fork, and a crown of many small leaves."""
    rng = np.random.Generator(np.random.PCG64(11))
    bark = (58, 44, 34)
    tips: list[tuple[float, float]] = []

    def grow(foot: Point, angle: float, long: float, thick: float) -> None:
        tip = (foot[0] + long * float(np.sin(angle)), foot[1] - long * float(np.cos(angle)))
        pen.line([foot, tip], thick, bark)
        if thick < 0.008:  # noqa: PLR2004 - twigs bear the leaves
            tips.append(tip)
            return
        for turn in (-0.42, 0.38):
            grow(
                tip,
                angle + turn * float(rng.uniform(0.6, 1.4)),
                long * float(rng.uniform(0.68, 0.84)),
                thick * 0.64,
            )

    grow((0.5, 1.0), 0.03, 0.25, 0.055)
    for shade in (0.6, 0.8, 1.0):
        for x, y in tips:
            for _ in range(5):
                size = float(rng.uniform(0.012, 0.03))
                spot = (
                    x + float(rng.normal(0, 0.035)),
                    y + float(rng.normal(0, 0.026)) - (shade - 0.6) * 0.035,
                )
                pen.oval(
                    spot, (size, size * 0.8), tinted(ink, shade * float(rng.uniform(0.8, 1.15)))
                )
