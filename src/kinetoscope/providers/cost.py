"""What an upstream takes for a job, by the operator's own list: pure, and in whole numbers.

Amounts are millionths of a dollar. Only tokens, which are priced by the thousand, are rounded:
once for each rate, half up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from kinetoscope.kernel.order import Order, Usage

MICROS_PER_USD = 1_000_000
TOKENS_PER_RATE = 1000

COST_USD_MICROS_MAX = 1_000_000 * MICROS_PER_USD
"""No job costs a million dollars, and sums of a million such jobs can still be added up."""

_AMOUNT = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6}))?")


class Unit(StrEnum):
    """What an upstream counts."""

    SECOND = "second"
    """Seconds of every file that comes out."""
    FOOTAGE_SECOND = "footage_second"
    """Seconds of reference video that goes in."""
    IMAGE = "image"
    """Files that come out."""
    TASK = "task"
    """One for each job."""
    TOKEN_1000_IN = "token_1000_in"  # noqa: S105 - a word, not a secret
    """Thousands of tokens of text that go in."""
    TOKEN_1000_IMAGE_IN = "token_1000_image_in"  # noqa: S105
    """Thousands of tokens of images that go in."""
    TOKEN_1000_OUT = "token_1000_out"  # noqa: S105
    """Thousands of tokens that come out."""


TOKEN_UNITS = frozenset({Unit.TOKEN_1000_IN, Unit.TOKEN_1000_IMAGE_IN, Unit.TOKEN_1000_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Dollars per unit, in millionths, by resolution; under an empty word for all others."""

    unit: Unit
    usd_micros: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Everything an upstream takes for a job: the sum of its rates."""

    rates: tuple[Rate, ...]


def parse_usd(text: str) -> int:
    """Read dollars such as `"0.105"` as whole millionths; ValueError if they are none, or finer."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no amount of dollars such as 0.10, to the millionth")
    return int(match[1]) * MICROS_PER_USD + int((match[2] or "").ljust(6, "0"))


def format_usd(usd_micros: int) -> str:
    """Write dollars the shortest exact way, with cents at least: `0.10`, `1.0235`."""
    sign = "-" if usd_micros < 0 else ""
    whole, rest = divmod(abs(usd_micros), MICROS_PER_USD)
    return f"{sign}{whole}.{f'{rest:06d}'.rstrip('0').ljust(2, '0')}"


def cost_usd_micros(cost: Cost, order: Order, usage: Usage) -> int | None:
    """Return what a finished job cost; None where the list says nothing of its resolution."""
    parts = [_part(rate, order, usage.credible()) for rate in cost.rates]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _part(rate: Rate, order: Order, usage: Usage) -> int | None:
    usd_micros = rate.usd_micros.get(order.resolution, rate.usd_micros.get(""))
    if usd_micros is None:
        return None
    product = _units(rate.unit, order, usage) * usd_micros
    if rate.unit in TOKEN_UNITS:
        return (product + TOKENS_PER_RATE // 2) // TOKENS_PER_RATE
    return product


def _units(unit: Unit, order: Order, usage: Usage) -> int:  # noqa: PLR0911 - one for each unit
    match unit:
        case Unit.SECOND:
            return order.duration_s * order.count
        case Unit.FOOTAGE_SECOND:
            return usage.reference_video_s
        case Unit.IMAGE:
            return order.count
        case Unit.TASK:
            return 1
        case Unit.TOKEN_1000_IN:
            return usage.tokens_text_in
        case Unit.TOKEN_1000_IMAGE_IN:
            return usage.tokens_image_in
        case Unit.TOKEN_1000_OUT:
            return usage.tokens_image_out
        case _:
            assert_never(unit)
