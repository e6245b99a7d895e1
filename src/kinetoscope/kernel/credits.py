"""Money: credits as whole numbers of the smallest unit, 1/100 credit."""

from decimal import Decimal, InvalidOperation
from typing import NewType

Credits = NewType("Credits", int)
"""An amount in 1/100 credit. Never a float; written out only at the doors."""

UNITS_PER_CREDIT = 100


def parse_credits(text: str) -> Credits:
    """Read an amount such as `"142.57"`; ValueError if finer than 1/100 credit."""
    try:
        units = Decimal(text) * UNITS_PER_CREDIT
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number of credits") from None
    if not units.is_finite() or units != units.to_integral_value():
        raise ValueError(f"{text!r} credits is finer than 1/{UNITS_PER_CREDIT} credit")
    return Credits(int(units))


def format_credits(amount: Credits) -> str:
    """Write an amount the shortest exact way: `200`, `7.5`, `142.57`."""
    sign = "-" if amount < 0 else ""
    whole, hundredths = divmod(abs(amount), UNITS_PER_CREDIT)
    if hundredths == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{hundredths:02d}".rstrip("0")
