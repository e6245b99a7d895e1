"""More drawings, of what grows and of what roams: palms, cherry trees, foxes."""

import numpy as np

from kinetoscope.providers.embedded.silhouettes import Ink, Pen, Point, curve, tinted, tree


def fox(pen: Pen, ink: Ink) -> None:
    """A fox standing in profile: pointed ears and muzzle, a bushy tail with a pale tip."""
    dark, pale = tinted(ink, 0.42), (236, 224, 208)
    for x, lean in ((0.36, -0.01), (0.62, 0.02)):
        pen.shape(_leg(x + 0.045, lean, 0.62), dark)
    tail = [(0.66, 0.53), (0.76, 0.50), (0.88, 0.55), (0.96, 0.68), (0.985, 0.82), (0.93, 0.83),
            (0.84, 0.78), (0.75, 0.70), (0.68, 0.62)]  # fmt: skip
    pen.shape(curve(tail), tinted(ink, 0.92))
    tip = [(0.90, 0.69), (0.955, 0.71), (0.99, 0.83), (0.95, 0.86), (0.89, 0.79)]
    pen.shape(curve(tip), pale)
    body = [(0.27, 0.47), (0.36, 0.45), (0.50, 0.47), (0.63, 0.47), (0.71, 0.53), (0.72, 0.62),
            (0.66, 0.69), (0.52, 0.67), (0.40, 0.70), (0.30, 0.68), (0.25, 0.57)]  # fmt: skip
    pen.shape(curve(body), ink)
    pen.shape(curve([(0.25, 0.53), (0.32, 0.58), (0.33, 0.69), (0.27, 0.66), (0.235, 0.60)]), pale)
    for x, lean in ((0.31, -0.015), (0.66, 0.03)):
        pen.shape(_leg(x, lean, 0.6), ink)
        pen.shape(_leg(x + lean * 0.8, 0.2 * lean, 0.82), dark)
    for x in (0.265, 0.335):
        pen.shape([(x - 0.045, 0.37), (x + 0.012, 0.20), (x + 0.05, 0.36)], ink)
        pen.shape([(x - 0.012, 0.33), (x + 0.012, 0.25), (x + 0.025, 0.33)], dark)
    head = [(0.055, 0.49), (0.14, 0.43), (0.22, 0.35), (0.33, 0.335), (0.385, 0.42), (0.36, 0.52),
            (0.27, 0.56), (0.17, 0.53), (0.08, 0.515)]  # fmt: skip
    pen.shape(curve(head), ink)
    pen.shape(curve([(0.07, 0.50), (0.17, 0.495), (0.29, 0.50), (0.27, 0.555), (0.16, 0.53)]), pale)
    pen.oval((0.062, 0.49), (0.016, 0.014), (26, 22, 22))
    pen.oval((0.225, 0.425), (0.012, 0.011), (26, 22, 22))


def _leg(x: float, lean: float, top: float) -> list[Point]:
    return [(x - 0.034, top), (x + 0.034, top), (x + lean + 0.017, 0.99), (x + lean - 0.02, 0.99)]


def blossom(pen: Pen, ink: Ink) -> None:
    """A cherry tree in flower."""
    tree(pen, ink)


def palm(pen: Pen, ink: Ink) -> None:
    """A coconut palm: a leaning trunk, and fronds whose leaflets hang."""
    rng = np.random.Generator(np.random.PCG64(5))
    bark = (92, 74, 56)
    share = np.linspace(0, 1, 26)
    x, y = 0.40 + 0.15 * share**1.7, 1.0 - 0.66 * share
    for place in range(25):
        thick = 0.021 - 0.009 * share[place] + (0.012 if place == 0 else 0)
        ring = [(x[place] - thick, y[place]), (x[place] + thick, y[place]),
                (x[place + 1] + thick * 0.86, y[place + 1]),
                (x[place + 1] - thick * 0.86, y[place + 1])]  # fmt: skip
        pen.shape([(float(a), float(b)) for a, b in ring], tinted(bark, 1.0 + 0.16 * (place % 2)))
    crown = (float(x[-1]), float(y[-1]))
    angles = np.concatenate([np.linspace(-1.9, 1.9, 11), np.linspace(-1.4, 1.4, 6)])
    for number, angle in enumerate(angles):
        shade = tinted(ink, 0.68 if number < 11 and number % 2 else 1.0)  # noqa: PLR2004 - the back
        _frond(pen, crown, float(angle + rng.normal(0, 0.07)), float(rng.uniform(0.3, 0.38)), shade)
    for side in (-0.02, 0.012, 0.03):
        pen.oval((crown[0] + side, crown[1] + 0.022), (0.016, 0.018), (70, 50, 32))


def _frond(pen: Pen, root: Point, angle: float, long: float, ink: Ink) -> None:
    """A rib that rises and falls over, with leaflets that hang from both its sides."""
    share = np.linspace(0, 1, 22)
    x = root[0] + long * np.sin(angle) * share * (1 - 0.12 * share)
    fall = 0.3 + 0.22 * abs(angle)
    y = root[1] - long * np.cos(angle) * share * 0.8 + long * fall * share**2.2
    pen.line([(float(a), float(b)) for a, b in zip(x, y, strict=True)], 0.006, ink)
    for place in range(2, 22):
        reach = long * 0.27 * float(np.sin(np.pi * share[place] ** 0.7)) + 0.012
        way = np.sign(np.sin(angle)) or 1.0
        for lean, drop in ((0.5, 0.86), (-0.12, 0.95), (0.85, -0.15)):
            size = reach if drop > 0 else reach * 0.45
            tip = (float(x[place] + way * lean * size), float(y[place] + drop * size))
            near = (float(x[place]), float(y[place]))
            pen.shape([(near[0] - 0.0045, near[1]), (near[0] + 0.0045, near[1]), tip], ink)
