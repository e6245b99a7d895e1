"""Money: credits as whole numbers of the smallest unit, 1/100 credit."""

import re
from typing import NewType

Credits = NewType("Credits", int)
"""An amount in 1/100 credit. Never a float; written out only at the doors."""

UNITS_PER_CREDIT = 100
DECIMALS = 2
UNITS_MAX = 2**63 - 1
"""What a column of the database holds."""


AMOUNT = re.compile(r"([+-]?)([0-9]{1,17})(?:\.([0-9]{1,20}))?")


def parse_credits(text: str) -> Credits:
    """Read an amount such as `"142.57"`; ValueError if it is none or finer than 1/100 credit."""
    match = AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of credits such as 500 or 142.57")
    fraction = (match[3] or "").rstrip("0")
    if len(fraction) > DECIMALS:
        raise ValueError(f"{text!r} credits is finer than 1/{UNITS_PER_CREDIT} credit")
    units = int(match[2]) * UNITS_PER_CREDIT + int(fraction.ljust(DECIMALS, "0"))
    if units > UNITS_MAX:
        raise ValueError(f"{text!r} credits is more than can be counted")
    return Credits(-units if match[1] == "-" else units)


def format_credits(amount: Credits) -> str:
    """Write an amount the shortest exact way: `200`, `7.5`, `142.57`."""
    sign = "-" if amount < 0 else ""
    whole, hundredths = divmod(abs(amount), UNITS_PER_CREDIT)
    if hundredths == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{hundredths:02d}".rstrip("0")
