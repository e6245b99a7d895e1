"""Money: read and written with the decimals that its currency has at Stripe."""

import pytest

from kinetoscope.kernel.currency import price_text, read_price


@pytest.mark.parametrize(
    ("text", "currency", "amount", "shown"),
    [
        ("24", "usd", 2400, "$24.00"),
        ("1234.56", "eur", 123456, "€1,234.56"),
        ("7.05", "chf", 705, "7.05 CHF"),
        ("500", "jpy", 500, "500 JPY"),
        ("90000", "vnd", 90000, "90,000 VND"),
        ("1.500", "kwd", 1500, "1.500 KWD"),
        ("5", "kwd", 5000, "5.000 KWD"),
        ("5", "isk", 500, "5 ISK"),
        ("20000", "ugx", 2_000_000, "20,000 UGX"),
    ],
)
def test_prices_as_people_and_stripe_read_them(text: str, currency: str, amount: int, shown: str):
    assert read_price(text, currency) == amount
    assert price_text(amount, currency) == shown


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("5.00", "jpy"),
        ("5.0", "usd"),
        ("5.000", "usd"),
        ("5.", "usd"),
        (".5", "usd"),
        ("", "usd"),
        ("-5", "usd"),
        ("1.50", "kwd"),
        ("1.555", "kwd"),
        ("5.00", "isk"),
        ("5.00", "ugx"),
        ("1" * 10, "usd"),
    ],
)
def test_what_nobody_could_be_charged(text: str, currency: str):
    with pytest.raises(ValueError, match="no price"):
        read_price(text, currency)
