"""What is charged in the end, whatever an upstream counts: never less than nothing, never all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetoscope.catalog import price, spec
from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import Model, PerToken
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.order import JSON, Order, Usage
from kinetoscope.ledger import entry
from kinetoscope.providers.cost import COST_USD_MICROS_MAX, Cost, Rate, Unit, cost_usd_micros

CATALOG = spec.builtin()
IMAGE = "https://example.com/a.png"
VIDEO = "https://example.com/a.mp4"
ORDERS: tuple[dict[str, JSON], ...] = (
    {"model": "gpt-image-2.5-flare", "prompt": "x"},
    {"model": "gpt-image-2.5-sunburst", "prompt": "x" * 999, "quality": "max", "resolution": "4k"},
    {"model": "gpt-image-2.5-flare", "prompt": "x", "uploadedUrls": [IMAGE, IMAGE]},
    {"model": "gpt-image-2", "prompt": "x"},
    {"model": "seedance2-5", "prompt": "x", "videoUrls": [VIDEO]},
    {"model": "seedance2-5-edit", "prompt": "x", "videoUrls": [VIDEO]},
    {"model": "midjourney-v8", "prompt": "x"},
)
COUNTS = st.one_of(
    st.integers(), st.integers(-5, 50), st.sampled_from([2**63, -(2**63) - 1, 10**400, -(10**400)])
)
USAGES = st.builds(
    Usage,
    reference_video_s=COUNTS,
    tokens_text_in=COUNTS,
    tokens_image_in=COUNTS,
    tokens_image_out=COUNTS,
)
AVAILABLE = st.integers(0, 10**12).map(Credits)


def ordered(given_order: dict[str, JSON]) -> tuple[Model, Order, Credits]:
    inputs = dict(given_order)
    model = CATALOG.find(str(inputs.pop("model")))
    order = check(model, inputs, auto_fix=False)
    return model, order, price.hold(model, order)


@given(st.sampled_from(ORDERS), USAGES, AVAILABLE)
def test_no_usage_gives_credits_or_takes_more_than_the_order_can_come_to(
    given_order: dict[str, JSON], usage: Usage, available: Credits
):
    model, order, held = ordered(given_order)
    asked, most = price.settle(model, order, usage, held), price.ceiling(model, order, held)
    assert asked >= 0
    assert held <= most
    assert most == price.ceiling(model, order, held), "whatever was used"
    movement = entry.capture(held, min(asked, most), available)
    assert 0 <= movement.spent <= min(most, held + available)
    assert movement.held == -held
    assert available + movement.available >= 0
    if not isinstance(model.price, PerToken):
        assert asked <= most, "what is measured here needs no bound"


@given(USAGES)
def test_costs_by_the_operators_list_are_never_below_nothing(usage: Usage):
    rates = tuple(Rate(unit=unit, usd_micros={"": 1_000}) for unit in Unit)
    _, order, _ = ordered(ORDERS[0])
    cost = cost_usd_micros(Cost(rates=rates), order, usage)
    assert cost is not None
    assert 0 <= cost < COST_USD_MICROS_MAX * 10


@pytest.mark.parametrize(
    ("quality", "resolution", "tokens"),
    [
        # https://platform.openai.com/docs/guides/image-generation#cost-and-latency
        ("low", "1k", 272),
        ("medium", "1k", 1056),
        ("high", "1k", 4160),
        # https://ai.google.dev/gemini-api/docs/pricing: of any picture up to 2k, and in 4k
        ("low", "1k", 1290),
        ("low", "4k", 2000),
        # ours: as many for each pixel
        ("high", "4k", 4160 * 8),
        ("max", "4k", 8320 * 8),
    ],
)
def test_what_honest_upstreams_count_is_charged_whole(quality: str, resolution: str, tokens: int):
    given_order: dict[str, JSON] = {**ORDERS[0], "quality": quality, "resolution": resolution}
    model, order, held = ordered(given_order)
    usage = Usage(tokens_text_in=12, tokens_image_out=tokens)
    assert price.settle(model, order, usage, held) <= price.ceiling(model, order, held) // 3


def test_the_bound_by_example():
    """1024x1024 and low: (1056 x 7.82 + 250 x 1.30) / 1000 = 8.58, four times."""
    model, order, held = ordered(ORDERS[0])
    assert price.ceiling(model, order, held) == 4 * 8_58


def test_no_movement_of_the_ledger_takes_a_negative_charge():
    movement = entry.capture(Credits(1_75), Credits(-782_00), Credits(0))
    assert (movement.spent, movement.available, movement.held) == (0, 1_75, -1_75)
