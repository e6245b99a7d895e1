"""Cloudy noise that repeats without a seam, and quick ways to look it up anywhere."""

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""Height by width, one value per pixel."""
Planes = NDArray[np.float32]
"""Red, green and blue planes, linear light: 3 by height by width."""


def fractal_tile(
    rng: np.random.Generator, side: int, roughness: float, largest: float = 1
) -> Plane:
    """Fractal noise of mean 0 and deviation 1; a higher roughness has finer detail.

    `largest` is how many of the biggest shapes fit across the tile.

    Made in the frequency domain, where it is seamless by construction and needs no octaves.
    """
    white = rng.standard_normal((side, side), dtype=np.float32)
    spectrum = np.fft.rfft2(white)
    down = np.fft.fftfreq(side, 1 / side).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(side, 1 / side).astype(np.float32)[None, :]
    frequency = np.sqrt(down * down + across * across)
    frequency[0, 0] = 1
    spectrum *= frequency ** np.float32(roughness - 2.6)
    spectrum *= np.minimum(frequency / np.float32(largest), 1) ** 2
    spectrum[0, 0] = 0
    tile = np.fft.irfft2(spectrum, s=(side, side)).astype(np.float32)
    return np.asarray(tile / tile.std(), dtype=np.float32)


def look_up(tile: Plane, across: Plane, down: Plane) -> Plane:
    """Bilinear lookup; coordinates count whole tiles and wrap. The side is a power of two."""
    side = tile.shape[0]
    x, y = across * np.float32(side), down * np.float32(side)
    left, top = np.floor(x), np.floor(y)
    x -= left
    y -= top
    column = left.astype(np.int32) & (side - 1)
    row = (top.astype(np.int32) & (side - 1)) * side
    column_next = (column + 1) & (side - 1)
    row_next = (row + side) & (side * side - 1)
    flat = tile.ravel()
    upper = flat.take(row + column)
    upper += (flat.take(row + column_next) - upper) * x
    lower = flat.take(row_next + column)
    lower += (flat.take(row_next + column_next) - lower) * x
    upper += (lower - upper) * y
    return np.asarray(upper, dtype=np.float32)


def fractal_line(rng: np.random.Generator, length: int, falloff: float) -> NDArray[np.float32]:
    """A seamless rough line of mean 0 and deviation 1: a ridge, a shore, a roof line."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.arange(spectrum.size, dtype=np.float64)
    frequency[0] = 1
    spectrum *= frequency**-falloff
    spectrum[0] = 0
    line = np.fft.irfft(spectrum, length)
    return np.asarray(line / line.std(), dtype=np.float32)


def smooth_step(low: float, high: float, value: Plane) -> Plane:
    """0 below `low`, 1 above `high`, and an S between."""
    share = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), dtype=np.float32)
