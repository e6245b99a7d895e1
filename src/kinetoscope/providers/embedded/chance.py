"""Repeatable chance: every random choice of a picture comes from here, named by what it decides."""

import hashlib

import numpy as np

FRAMINGS = 4
"""How many ways there are to frame one scene; the pictures of a set take them in turn."""


def chance(seed: int, *labels: str) -> np.random.Generator:
    """One stream per (seed, labels): a new decision elsewhere never disturbs this one."""
    text = "\x1f".join((str(seed), *labels)).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
    return np.random.Generator(np.random.PCG64(number))


def derived_seed(seed: int, index: int) -> int:
    """Picture number `index` of one work: the first keeps the work's own seed.

    Neighbours differ in their remainder by FRAMINGS, which picks the framing of a composition.
    """
    if index == 0:
        return seed
    drawn = int(chance(seed, "picture", str(index)).integers(0, 2**29 - 1))
    return drawn * FRAMINGS + (seed + index) % FRAMINGS
