"""Money as Stripe counts it: how many decimals a currency has, read and written for people. Pure.

https://docs.stripe.com/currencies#minor-units
"""

import re

WHOLE = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
"""Currencies that have no smaller unit."""

THOUSANDTHS = frozenset({"bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"})
"""Currencies of a thousand parts; Stripe charges whole hundredths of them only."""

WHOLE_IN_HUNDREDTHS = frozenset({"isk", "ugx"})
"""Currencies that have no smaller unit either, but are counted as if they had hundredths."""

SIGNS = {"usd": "$", "eur": "€", "gbp": "£"}

AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?")


def decimals_of(currency: str) -> int:
    """Return how many decimals of a currency Stripe counts."""
    if currency in WHOLE:
        return 0
    return 3 if currency in THOUSANDTHS else 2


def read_price(text: str, currency: str) -> int:
    """Read `5`, or `5.00` with as many decimals as there are, in smallest units.

    Raises ValueError for what nobody could be charged.
    """
    match, decimals = AMOUNT.fullmatch(text), decimals_of(currency)
    if match is None:
        raise ValueError(f"{text!r} is no price such as 5")
    spoken = 0 if currency in WHOLE_IN_HUNDREDTHS else decimals
    fraction = match[2] or "0" * spoken
    if len(fraction) != spoken:
        takes = f"{spoken} decimals or none" if spoken else "no decimals"
        raise ValueError(f"{text!r} is no price in {currency}, which has {takes}")
    if currency in THOUSANDTHS and not fraction.endswith("0"):
        raise ValueError(f"{text!r} is no price in {currency}: the last decimal must be 0")
    return int(match[1] + fraction + "0" * (decimals - spoken))


def price_text(amount: int, currency: str) -> str:
    """Write money for people: `$24.00`, `¥500` as `500 JPY`."""
    decimals = decimals_of(currency)
    whole, rest = divmod(amount, 10**decimals)
    is_whole = decimals == 0 or (currency in WHOLE_IN_HUNDREDTHS and rest == 0)
    number = f"{whole:,}" if is_whole else f"{whole:,}.{rest:0{decimals}d}"
    sign = SIGNS.get(currency)
    return f"{sign}{number}" if sign else f"{number} {currency.upper()}"
