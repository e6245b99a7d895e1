"""What an upstream takes: whole millionths of a dollar, exact for every order."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetoscope.catalog.check import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.order import Order, Usage
from kinetoscope.providers.cost import (
    TOKEN_UNITS,
    Cost,
    Rate,
    Unit,
    cost_usd_micros,
    format_usd,
    parse_usd,
)

ORDER: Order = check(
    builtin().find("seedance-20"),
    {"prompt": "a sunset", "duration": 6, "outputResolution": "720p"},
    auto_fix=False,
)


def one(unit: Unit, **usd: str) -> Cost:
    rates = {resolution.removeprefix("r"): parse_usd(text) for resolution, text in usd.items()}
    return Cost(rates=(Rate(unit=unit, usd_micros=rates),))


USAGE = Usage(reference_video_s=7, tokens_text_in=1, tokens_image_in=2001, tokens_image_out=4160)

COSTS = [
    (one(Unit.SECOND, r="0.10"), 600_000),
    (one(Unit.SECOND, r720p="0.105", r1080p="0.3"), 630_000),
    (one(Unit.SECOND, r720p="0.105", r="0.3"), 630_000),
    (one(Unit.SECOND, r480p="0.105", r="0.3"), 1_800_000),
    (one(Unit.FOOTAGE_SECOND, r="0.02"), 140_000),
    (one(Unit.IMAGE, r="0.04"), 40_000),
    (one(Unit.TASK, r="0"), 0),
    (one(Unit.TASK, r="999999.999999"), 999_999_999_999),
    (one(Unit.TOKEN_1000_IN, r="0.0005"), 1),  # half a millionth, up
    (one(Unit.TOKEN_1000_IN, r="0.000499"), 0),
    (one(Unit.TOKEN_1000_IMAGE_IN, r="0.01"), 20_010),
    (one(Unit.TOKEN_1000_OUT, r="0.04"), 166_400),
]


@pytest.mark.parametrize(("cost", "usd_micros"), COSTS)
def test_a_job_costs_what_its_unit_says(cost: Cost, usd_micros: int):
    assert cost_usd_micros(cost, ORDER, USAGE) == usd_micros


def test_rates_are_added_up():
    rates = (*one(Unit.TASK, r="0.5").rates, *one(Unit.SECOND, r="0.1").rates)
    assert cost_usd_micros(Cost(rates=rates), ORDER, USAGE) == 1_100_000


def test_several_files_cost_several_times():
    several = replace(ORDER, count=4)
    assert cost_usd_micros(one(Unit.IMAGE, r="0.04"), several, USAGE) == 160_000
    assert cost_usd_micros(one(Unit.SECOND, r="0.01"), several, USAGE) == 240_000
    assert cost_usd_micros(one(Unit.TASK, r="0.04"), several, USAGE) == 40_000


def test_a_resolution_without_a_rate_has_no_known_cost():
    only_large = one(Unit.SECOND, r1080p="0.3")
    assert cost_usd_micros(only_large, ORDER, USAGE) is None
    both = Cost(rates=(*one(Unit.TASK, r="0.5").rates, *only_large.rates))
    assert cost_usd_micros(both, ORDER, USAGE) is None


@pytest.mark.parametrize("text", ["", "1.", ".5", "-1", "+1", "1e3", "0.1234567", "1,5", "0.1 "])
def test_what_is_no_amount_is_refused(text: str):
    with pytest.raises(ValueError, match="is no amount of dollars"):
        parse_usd(text)


MICROS = st.integers(0, 10**12 - 1)


@given(MICROS)
def test_an_amount_is_read_as_it_is_written(usd_micros: int):
    text = format_usd(usd_micros)
    assert parse_usd(text) == usd_micros
    assert Decimal(text) * 1_000_000 == usd_micros
    assert len(text.partition(".")[2]) >= 2
    assert format_usd(-usd_micros) == (f"-{text}" if usd_micros else text)


@given(
    st.sampled_from(list(Unit)),
    MICROS,
    st.integers(1, 3600),
    st.integers(1, 16),
    st.tuples(*[st.integers(0, 10**7)] * 4),
)
def test_a_cost_is_the_exact_product_rounded_at_most_once(
    unit: Unit, usd_micros: int, duration_s: int, count: int, used: tuple[int, int, int, int]
):
    order = replace(ORDER, duration_s=duration_s, count=count)
    usage = Usage(
        reference_video_s=used[0],
        tokens_text_in=used[1],
        tokens_image_in=used[2],
        tokens_image_out=used[3],
    )
    units = {
        Unit.SECOND: duration_s * count,
        Unit.FOOTAGE_SECOND: used[0],
        Unit.IMAGE: count,
        Unit.TASK: 1,
        Unit.TOKEN_1000_IN: used[1],
        Unit.TOKEN_1000_IMAGE_IN: used[2],
        Unit.TOKEN_1000_OUT: used[3],
    }[unit]
    exact = Decimal(units * usd_micros) / (1000 if unit in TOKEN_UNITS else 1)
    cost = Cost(rates=(Rate(unit=unit, usd_micros={"": usd_micros}),))
    found = cost_usd_micros(cost, order, usage)
    assert type(found) is int
    assert found == exact.quantize(Decimal(1), ROUND_HALF_UP)
