"""What a task costs: held when it is created, settled when it is done. Pure and exact.

Money is whole 1/100 credits from the declaration to the ledger. Every price is a product of
whole numbers, so nothing is rounded, with two exceptions, each rounded once, half up, to 1/100
credit: tokens are priced by the thousand, and some rates per second have a third decimal.
"""

from dataclasses import dataclass
from typing import assert_never

from kinetoscope.catalog.model import (
    Model,
    PerEditedSecond,
    PerFootageSecond,
    PerImage,
    PerSecond,
    PerTask,
    PerToken,
    Rates,
)
from kinetoscope.kernel.credits import Credits, format_credits
from kinetoscope.kernel.order import COUNT_MAX, MediaKind, Order, Size, Usage

TOKENS_PER_RATE = 1000

EXPECTED_TIMES_MAX = 4
"""An upstream's count of tokens is paid up to this many times what the order lets one expect.
Counts of honest upstreams for the same picture differ by less; what is beyond it is a mistake in
its answer or in ours, and no account should be emptied by that. The rest is the operator's to
bear, who is told."""

MEGAPIXEL = 1024 * 1024
TOKENS_PER_MEGAPIXEL = {"high": 4160, "xhigh": 6240, "max": 8320}
TOKENS_PER_MEGAPIXEL_MIN = 1056
"""What OpenAI counts for a picture of medium quality, and Google for any: low ones are not told
apart. https://platform.openai.com/docs/guides/image-generation#cost-and-latency"""
TOKENS_PER_REFERENCE = 4160
CHARACTERS_PER_TOKEN = 4
TOKENS_OF_INSTRUCTIONS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One line of a price list: what is asked for, in words, and what one unit of it costs."""

    words: tuple[str, ...]
    price: Credits
    unit: str


def hold(model: Model, order: Order) -> Credits:
    """Return what is held when the task is created.

    The final price, except where it depends on what only the finished job shows: the length of
    reference video, or tokens. Then it is the estimate the model's page publishes
    (kinovi-ai/kinovi-models, "Pricing").
    """
    price = model.price
    match price:
        case PerSecond():
            finer = order.duration_s * price.finer.get(order.resolution, 0)
            return Credits(order.duration_s * _rate(price, order) + (finer + 5) // 10)
        case PerImage():
            return Credits(order.count * _image_rate(price, order))
        case PerTask():
            return price.price
        case PerFootageSecond():
            return Credits(order.duration_s * _rate(price, order))
        case PerEditedSecond():
            return Credits(price.hold_s * price.rates[order.resolution])
        case PerToken():
            return price.precharge
        case _:
            assert_never(price)


def settle(model: Model, order: Order, usage: Usage, held: Credits) -> Credits:
    """Return the final price of a task that succeeded; more or less than was held, or the same.

    A usage of nothing means that the provider did not tell: then what was held is the price. So
    it is for prices that the order alone decides, whatever the catalog says by now. No usage
    makes it negative; `ceiling` says how much of it is charged at most.
    """
    price, usage = model.price, usage.credible()
    match price:
        case PerSecond() | PerImage() | PerTask():
            return held
        case PerFootageSecond():
            footage_s = min(usage.reference_video_s, price.footage_max_s)
            paid_s = footage_s if _has_video(order) else 0
            return Credits((paid_s + order.duration_s) * _rate(price, order))
        case PerEditedSecond():
            footage_s = min(usage.reference_video_s, price.footage_max_s)
            if footage_s == 0:
                return held
            return Credits(price.passes * footage_s * price.rates[order.resolution])
        case PerToken():
            return _tokens(price, usage) or held
        case _:
            assert_never(price)


def ceiling(model: Model, order: Order, held: Credits) -> Credits:
    """Return what is charged at most, whatever an upstream says that it used.

    Only its tokens need a bound: the seconds of footage are measured here, and have one of their
    own.
    """
    price = model.price
    if not isinstance(price, PerToken):
        footage = Usage(reference_video_s=COUNT_MAX)
        return max(held, settle(model, order, footage, held))
    pixels = max((size.width * size.height for size in _sizes(order)), default=0)
    rate = TOKENS_PER_MEGAPIXEL.get(order.quality, TOKENS_PER_MEGAPIXEL_MIN)
    expected = Usage(
        tokens_text_in=len(order.prompt) // CHARACTERS_PER_TOKEN + TOKENS_OF_INSTRUCTIONS,
        tokens_image_in=len(order.references) * TOKENS_PER_REFERENCE,
        tokens_image_out=-(-pixels * rate // MEGAPIXEL) * order.count,
    )
    return Credits(EXPECTED_TIMES_MAX * max(held, _tokens(price, expected)))


def price_table(model: Model) -> tuple[PriceRow, ...]:
    """Return the model's price list for people: words, credits, and the unit they are per."""
    price = model.price
    match price:
        case PerSecond():
            return (
                *_rows(price.rates, (), "second"),
                *_rows(price.rates_with_video, ("with reference video",), "second"),
            )
        case PerImage():
            return tuple(
                row
                for quality, rates in price.rates.items()
                for row in _rows(rates, (quality,) if quality else (), "image")
            )
        case PerTask():
            files = f"{model.count} {model.kind}s" if model.count > 1 else f"one {model.kind}"
            return (PriceRow(words=(files,), price=price.price, unit="task"),)
        case PerFootageSecond():
            return (
                *_rows(price.rates, (), "second"),
                *_rows(
                    price.rates_with_video,
                    ("with reference video",),
                    "second of reference video and output",
                ),
            )
        case PerEditedSecond():
            unit = f"second of source video, counted {price.passes} times"
            return _rows(price.rates, (), unit)
        case PerToken():
            return _token_rows(price)
        case _:
            assert_never(price)


def price_lines(model: Model) -> list[str]:
    """Return the price list as sentences: `720p: 40 per second`."""
    return [
        f"{' '.join(row.words)}: {format_credits(row.price)} per {row.unit}".removeprefix(": ")
        for row in price_table(model)
    ]


def price_summary(model: Model) -> str:
    """Say in one line what the model costs, from the cheapest to the dearest choice."""
    price = model.price
    if isinstance(price, PerToken):
        return f"{format_credits(price.precharge)} credits held, settled by the tokens used"
    rows = price_table(model)
    unit = rows[0].unit
    prices = sorted(row.price for row in rows if row.unit == unit)
    lowest, highest = format_credits(prices[0]), format_credits(prices[-1])
    amount = lowest if lowest == highest else f"{lowest} to {highest}"
    return f"{amount} credits per {unit}"


def _rate(price: PerSecond | PerFootageSecond, order: Order) -> Credits:
    if price.rates_with_video and _has_video(order):
        return price.rates_with_video[order.resolution]
    return price.rates[order.resolution]


def _image_rate(price: PerImage, order: Order) -> Credits:
    quality = order.quality if order.quality in price.rates else ""
    return price.rates[quality][order.resolution]


def _sizes(order: Order) -> tuple[Size, ...]:
    return order.sizes if order.size is None else (order.size,)


def _has_video(order: Order) -> bool:
    return any(reference.kind is MediaKind.VIDEO for reference in order.references)


def _tokens(price: PerToken, usage: Usage) -> Credits:
    """Return the price of the tokens: the only rounding in the catalog, half up, once."""
    thousandths = (
        usage.tokens_text_in * price.text_in
        + usage.tokens_image_in * price.image_in
        + usage.tokens_image_out * price.image_out
    )
    return Credits((thousandths + TOKENS_PER_RATE // 2) // TOKENS_PER_RATE)


def _rows(rates: Rates, words: tuple[str, ...], unit: str) -> tuple[PriceRow, ...]:
    return tuple(
        PriceRow(words=(*words, resolution) if resolution else words, price=rate, unit=unit)
        for resolution, rate in rates.items()
    )


def _token_rows(price: PerToken) -> tuple[PriceRow, ...]:
    unit = "1,000 tokens"
    return (
        PriceRow(words=("held at the start",), price=price.precharge, unit="task"),
        PriceRow(words=("text in",), price=price.text_in, unit=unit),
        PriceRow(words=("image in",), price=price.image_in, unit=unit),
        PriceRow(words=("image out",), price=price.image_out, unit=unit),
    )
