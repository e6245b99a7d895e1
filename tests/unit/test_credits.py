"""Money as text: exact both ways, and nothing finer than a hundredth gets in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetoscope.kernel.credits import Credits, format_credits, parse_credits

BIGINT_MAX = 2**63 - 1

AMOUNTS = st.integers(min_value=-BIGINT_MAX, max_value=BIGINT_MAX).map(Credits)


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0"),
        (1, "0.01"),
        (10, "0.1"),
        (100, "1"),
        (217, "2.17"),
        (750, "7.5"),
        (1441, "14.41"),
        (14255, "142.55"),
        (14257, "142.57"),
        (9980, "99.8"),
        (20000, "200"),
        (1_000_000_00, "1000000"),
        (-1, "-0.01"),
        (-150, "-1.5"),
        (BIGINT_MAX, "92233720368547758.07"),
    ],
)
def test_an_amount_is_written_the_shortest_exact_way(units: int, text: str):
    assert format_credits(Credits(units)) == text
    assert parse_credits(text) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [("1.00", 100), ("007", 700), ("+5", 500), (" 5 ", 500), ("1.5000", 150), ("-0", 0)],
)
def test_other_spellings_mean_the_same(text: str, units: int):
    assert parse_credits(text) == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "1,5",
        "1.5.5",
        "0x10",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "0.001",
        "2.175",
        "1e3",
        "1_000",
        "1e999999999",
        "0.0099999999999999999999999999999",
        "92233720368547758.08",
    ],
)
def test_what_is_no_amount_is_refused(text: str):
    with pytest.raises(ValueError, match="credit"):
        parse_credits(text)


@given(AMOUNTS)
def test_every_amount_survives_being_written_and_read(amount: Credits):
    assert parse_credits(format_credits(amount)) == amount


@given(AMOUNTS)
def test_the_text_is_the_exact_decimal_without_padding(amount: Credits):
    text = format_credits(amount)
    assert Decimal(text) * 100 == amount
    assert not text.startswith((".", "-."))
    assert "." not in text or not text.endswith(("0", "."))


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15
    )
)
def test_a_decimal_with_two_places_is_read_exactly(amount: Decimal):
    assert parse_credits(str(amount)) == int(amount.scaleb(2))


@given(st.integers(min_value=-(10**9), max_value=10**9), st.integers(min_value=1, max_value=9))
def test_anything_finer_than_a_hundredth_is_refused(hundredths: int, rest: int):
    with pytest.raises(ValueError, match="finer than 1/100 credit"):
        parse_credits(str(Decimal(hundredths * 10 + rest).scaleb(-3)))
