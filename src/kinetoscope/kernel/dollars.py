"""Dollars: what upstreams take, as whole millionths of one. Clients pay in credits, not in these."""

import re

MICROS_PER_DOLLAR = 1_000_000
AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?")


def parse_dollars(text: str) -> int:
    """Read an amount such as `0.005` into millionths; ValueError if it is none, or finer."""
    match = AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of dollars such as 0.10")
    return int(match[1]) * MICROS_PER_DOLLAR + int((match[2] or "").ljust(6, "0"))


def format_dollars(micros: int) -> str:
    """Write an amount exactly, with two decimals at least: `0.10`, `-1.234567`."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), MICROS_PER_DOLLAR)
    decimals = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"
