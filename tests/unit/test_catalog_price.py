"""The published prices, to the hundredth: held, settled and shown."""

import pytest

from kinetoscope.catalog import price, spec
from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import PerFootageSecond, PerSecond
from kinetoscope.kernel.credits import Credits, format_credits, parse_credits
from kinetoscope.kernel.order import JSON, Order, Usage

CATALOG = spec.builtin()
IMAGE = "https://example.com/a.png"
VIDEO = "https://example.com/a.mp4"

# Model, one second without and with reference video, by resolution.
SECONDS: dict[str, dict[str, tuple[str, str]]] = {
    "seedance-20": {
        "480p": ("15", "19"),
        "720p": ("40", "48"),
        "1080p": ("90", "108"),
        "4k": ("200", "240"),
    },
    "seedance2-fast": {"480p": ("14", "18"), "720p": ("28", "34")},
    "seedance2.0-mini": {"480p": ("7.5", "9.5"), "720p": ("20", "24")},
    "seedance2-5": {"480p": ("26", "16"), "720p": ("59", "35"), "1080p": ("143.4", "85.68")},
    "seedance2-5-extend": {"480p": ("", "16"), "720p": ("", "35"), "1080p": ("", "85.68")},
    "wan3.0-ref-to-video": {
        "480p": ("14.26", "14.26"),
        "720p": ("28.51", "28.51"),
        "1080p": ("57.01", "57.01"),
    },
    "wan3.0-prime-ref-to-video": {
        "480p": ("18.86", "18.86"),
        "720p": ("38.83", "38.83"),
        "1080p": ("77.66", "77.66"),
    },
    "wan3.0-text-to-video": {
        "480p": ("14.26", ""),
        "720p": ("28.51", ""),
        "1080p": ("57.01", ""),
    },
    "wan3.0-prime-text-to-video": {
        "480p": ("18.86", ""),
        "720p": ("38.83", ""),
        "1080p": ("77.66", ""),
    },
}
IMAGES: dict[str, dict[str, dict[str, str]]] = {
    "gpt-image-2": {
        "low": {"1k": "2.17", "2k": "4.34", "4k": "6.52"},
        "medium": {"1k": "13.03", "2k": "21.72", "4k": "39.09"},
        "high": {"1k": "47.78", "2k": "86.87", "4k": "156.36"},
    },
    "seedream-5.0-pro": {"": {"1k": "14", "2k": "24"}},
    "nanobanana2": {"": {"2k": "15", "4k": "25"}},
    "nanobanana-pro": {"": {"1k": "14.41", "2k": "14.41", "4k": "25.8"}},
}
EDITED = {"480p": "16", "720p": "35", "1080p": "85.68"}


def ordered(model_id: str, **inputs: JSON) -> Order:
    return check(CATALOG.find(model_id), {"prompt": "a paper boat"} | inputs)


def held(model_id: str, **inputs: JSON) -> Credits:
    return price.hold(CATALOG.find(model_id), ordered(model_id, **inputs))


def settled(model_id: str, usage: Usage, **inputs: JSON) -> str:
    model = CATALOG.find(model_id)
    return format_credits(
        price.settle(
            model,
            ordered(model_id, **inputs),
            usage,
            price.hold(model, ordered(model_id, **inputs)),
        )
    )


def seconds_cases() -> list[tuple[str, str, str, int]]:
    return [
        (model_id, resolution, rate, videos)
        for model_id, rates in SECONDS.items()
        for resolution, pair in rates.items()
        for rate, videos in zip(pair, (0, 1), strict=True)
        if rate
    ]


@pytest.mark.parametrize(("model_id", "resolution", "rate", "videos"), seconds_cases())
@pytest.mark.parametrize("duration", [4, 5, 15])
def test_a_second_costs_what_the_page_lists(
    model_id: str, resolution: str, rate: str, videos: int, duration: int
):
    media: dict[str, JSON] = {"videoUrls": [VIDEO] * videos}
    amount = held(model_id, outputResolution=resolution, duration=duration, **media)
    assert amount == exact(model_id, resolution, rate, duration)


def exact(model_id: str, resolution: str, rate: str, duration: int) -> int:
    """Return 1/100 credits; Wan's 28.51 is 28.514 (5 s cost 142.57), rounded half up."""
    if resolution == "720p" and rate == "28.51":
        assert model_id.startswith("wan3.0-")
        return (duration * 28_514 + 5) // 10
    return duration * parse_credits(rate)


@pytest.mark.parametrize("model_id", ["wan3.0-image-to-video", "wan3.0-prime-image-to-video"])
@pytest.mark.parametrize("resolution", ["480p", "720p", "1080p"])
def test_wan_from_images_costs_the_same_as_from_text(model_id: str, resolution: str):
    from_text = model_id.replace("image-to", "text-to")
    amount = held(model_id, imageUrls=[IMAGE], outputResolution=resolution, duration=30)
    assert amount == exact(from_text, resolution, SECONDS[from_text][resolution][0], 30)
    assert amount == held(from_text, outputResolution=resolution, duration=30)


def image_cases() -> list[tuple[str, str, str, str]]:
    return [
        (model_id, quality, resolution, amount)
        for model_id, qualities in IMAGES.items()
        for quality, rates in qualities.items()
        for resolution, amount in rates.items()
    ]


@pytest.mark.parametrize(("model_id", "quality", "resolution", "amount"), image_cases())
def test_an_image_costs_what_the_page_lists(
    model_id: str, quality: str, resolution: str, amount: str
):
    inputs: dict[str, JSON] = {"quality": quality} if quality else {}
    order = ordered(model_id, resolution=resolution, **inputs)
    model = CATALOG.find(model_id)
    assert format_credits(price.hold(model, order)) == amount
    assert price.settle(
        model, order, Usage(tokens_image_out=9), price.hold(model, order)
    ) == parse_credits(amount)


@pytest.mark.parametrize("resolution", EDITED)
def test_an_edit_holds_fifteen_seconds_and_settles_at_twice_the_source(resolution: str):
    rate = parse_credits(EDITED[resolution])
    inputs: dict[str, JSON] = {"videoUrls": [VIDEO], "outputResolution": resolution}
    model = CATALOG.find("seedance2-5-edit")
    order = ordered(model.id, **inputs)
    assert price.hold(model, order) == 15 * rate
    for source_s, paid_s in ((4, 8), (6, 12), (8, 16), (30, 60), (31, 60)):
        usage = Usage(reference_video_s=source_s)
        assert price.settle(model, order, usage, price.hold(model, order)) == paid_s * rate
    assert price.settle(model, order, Usage(), price.hold(model, order)) == 15 * rate


def test_the_examples_of_the_pages():
    assert format_credits(held("seedance-20")) == "200"
    assert format_credits(held("seedance-20", videoUrls=[VIDEO])) == "240"
    assert format_credits(held("seedance2-5")) == "295"
    assert format_credits(held("seedance2-5-edit", videoUrls=[VIDEO])) == "525"
    assert format_credits(held("seedance2-5-extend", videoUrls=[VIDEO], duration=5)) == "175"
    assert format_credits(held("gpt-image-2")) == "2.17"
    assert format_credits(held("nanobanana-pro", resolution="1k")) == "14.41"
    one_clip = Usage(reference_video_s=10)
    assert settled("seedance2-5", one_clip, videoUrls=[VIDEO]) == "525"
    assert settled("seedance2-5-edit", Usage(reference_video_s=6), videoUrls=[VIDEO]) == "420"
    six = Usage(reference_video_s=6)
    assert settled("seedance2-5-extend", six, videoUrls=[VIDEO], duration=5) == "385"


def test_hundredths_stay_exact():
    assert format_credits(held("wan3.0-text-to-video")) == "142.57"
    assert format_credits(held("wan3.0-text-to-video", duration=2)) == "57.03"
    assert format_credits(held("wan3.0-text-to-video", duration=10)) == "285.14"
    assert format_credits(held("wan3.0-text-to-video", outputResolution="1080p")) == "285.05"
    thirty = held("wan3.0-text-to-video", outputResolution="480p", duration=30)
    assert format_credits(thirty) == "427.8"
    assert format_credits(parse_credits("142.57")) == "142.57"
    assert format_credits(held("seedance2.0-mini", outputResolution="480p", duration=5)) == "37.5"


@pytest.mark.parametrize(("reference_s", "paid_s"), [(0, 5), (1, 6), (10, 15), (30, 35), (45, 35)])
@pytest.mark.parametrize("resolution", ["480p", "720p", "1080p"])
def test_reference_video_is_paid_up_to_thirty_seconds(
    reference_s: int, paid_s: int, resolution: str
):
    usage = Usage(reference_video_s=reference_s)
    for model_id in ("seedance2-5", "seedance2-5-extend"):
        model = CATALOG.find(model_id)
        order = ordered(model_id, videoUrls=[VIDEO], outputResolution=resolution, duration=5)
        rate = parse_credits(SECONDS[model_id][resolution][1])
        assert price.hold(model, order) == 5 * rate
        assert price.settle(model, order, usage, price.hold(model, order)) == paid_s * rate


def test_without_reference_video_the_price_is_what_was_held():
    usage = Usage(reference_video_s=20)
    assert settled("seedance2-5", usage, imageUrls=[IMAGE]) == "295"
    assert settled("seedance-20", usage, videoUrls=[VIDEO]) == "240"
    assert settled("midjourney-v8", usage) == "12"


def test_images_and_audio_never_change_the_price():
    audio = "https://example.com/a.mp3"
    assert held("seedance-20", imageUrls=[IMAGE], audioUrls=[audio]) == parse_credits("200")
    assert held("seedance2-5", imageUrls=[IMAGE] * 5) == parse_credits("295")


@pytest.mark.parametrize("model_id", ["midjourney-v8", "midjourney-v7-niji", "midjourney-v7"])
def test_midjourney_is_one_price_for_four_images(model_id: str):
    order = ordered(model_id, quality=0.25)
    assert order.count == 4
    assert price.hold(CATALOG.find(model_id), order) == parse_credits("12")


def test_our_soundscape_costs_two_credits_a_second():
    assert format_credits(held("kinetoscope-soundscape")) == "20"
    assert format_credits(held("kinetoscope-soundscape", duration=60)) == "120"


@pytest.mark.parametrize("model_id", ["gpt-image-2.5-sunburst", "gpt-image-2.5-flare"])
@pytest.mark.parametrize(
    ("usage", "amount"),
    [
        (Usage(), "1.75"),
        (Usage(tokens_text_in=1000), "1.3"),
        (Usage(tokens_image_in=1000), "2.08"),
        (Usage(tokens_image_out=1000), "7.82"),
        (Usage(tokens_text_in=100, tokens_image_in=100, tokens_image_out=100), "1.12"),
        (Usage(tokens_text_in=3, tokens_image_out=1), "0.01"),
        (Usage(tokens_text_in=50), "0.07"),
        (Usage(tokens_text_in=49), "0.06"),
        (Usage(tokens_image_out=1_000_000), "7820"),
    ],
)
def test_tokens_are_rounded_once_half_up(model_id: str, usage: Usage, amount: str):
    assert format_credits(held(model_id, quality="max", resolution="4k")) == "1.75"
    assert settled(model_id, usage) == amount


def test_every_model_is_priced_here_and_shows_a_price_list():
    priced = set(SECONDS) | set(IMAGES) | {"seedance2-5-edit", "kinetoscope-soundscape"}
    priced |= {"wan3.0-image-to-video", "wan3.0-prime-image-to-video"}
    priced |= {"midjourney-v8", "midjourney-v7-niji", "midjourney-v7"}
    priced |= {"gpt-image-2.5-sunburst", "gpt-image-2.5-flare"}
    assert priced == set(CATALOG.models_by_id)
    for model in CATALOG.models:
        rows = price.price_table(model)
        assert rows
        assert len({row.words for row in rows}) == len(rows)
        assert all(row.price > 0 and row.unit for row in rows)


def lines(model_id: str) -> list[str]:
    return [
        f"{' '.join(row.words)}: {format_credits(row.price)} per {row.unit}"
        for row in price.price_table(CATALOG.find(model_id))
    ]


def test_price_lists_read_well():
    assert lines("seedance2-fast") == [
        "480p: 14 per second",
        "720p: 28 per second",
        "with reference video 480p: 18 per second",
        "with reference video 720p: 34 per second",
    ]
    assert lines("seedance2-5-extend")[0] == (
        "with reference video 480p: 16 per second of reference video and output"
    )
    assert lines("seedance2-5-edit")[1] == "720p: 35 per second of source video, counted 2 times"
    assert lines("gpt-image-2")[0] == "low 1k: 2.17 per image"
    assert lines("nanobanana2") == ["2k: 15 per image", "4k: 25 per image"]
    assert lines("midjourney-v8") == ["4 images: 12 per task"]
    assert lines("gpt-image-2.5-flare")[1] == "text in: 1.3 per 1,000 tokens"
    assert lines("kinetoscope-soundscape") == [": 2 per second"]


def test_only_models_with_rates_for_reference_video_have_two_tiers():
    tiers = {
        model.id
        for model in CATALOG.models
        if isinstance(model.price, PerSecond | PerFootageSecond) and model.price.rates_with_video
    }
    assert tiers == {model_id for model_id in SECONDS if model_id.startswith("seedance")}
