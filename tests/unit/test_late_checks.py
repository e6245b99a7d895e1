"""What a model demands of media that has arrived: each rule to the last allowed value."""

from pathlib import Path

import pytest

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.order import MediaKind, Order
from kinetoscope.providers.contract import FetchedReference
from kinetoscope.tasks import late_checks

URL = "https://media.example/a"


def ordered(model: str, **inputs: object) -> Order:
    stated = {"prompt": "a sunset", **inputs}
    return check.check(builtin().find(model), stated)


def fetched(order: Order, **measures: list[tuple[int, int, int]]) -> tuple[FetchedReference, ...]:
    """Pretend that the references arrived: width, height, milliseconds of each, by kind."""
    return tuple(
        FetchedReference(
            reference=reference,
            path=Path("x"),
            width=measures[reference.kind][reference.number - 1][0],
            height=measures[reference.kind][reference.number - 1][1],
            media_type="video/mp4",
            duration_ms=measures[reference.kind][reference.number - 1][2],
        )
        for reference in order.references
    )


def problem(model: str, order: Order, **measures: list[tuple[int, int, int]]) -> str | None:
    failure = late_checks.check(builtin().find(model), order, fetched(order, **measures))
    if failure is None:
        return None
    assert failure.code == "InvalidParameter"
    return failure.message


FINE = (640, 640, 0)


@pytest.mark.parametrize(
    ("total_ms", "message"),
    [
        (15_000, None),
        (15_100, None),
        (
            15_101,
            "The reference videos last 15.1 seconds together. They may last 15 seconds.",
        ),
        (31_000, "The reference videos last 31.0 seconds together. They may last 15 seconds."),
    ],
)
@pytest.mark.parametrize("model", ["seedance-20", "seedance2-fast", "seedance2.0-mini"])
def test_seedance_takes_15_seconds_of_video_in_all(model: str, total_ms: int, message: str | None):
    order = ordered(model, videoUrls=[URL, URL])
    halves = [(640, 640, total_ms - 5_000), (640, 640, 5_000)]
    assert problem(model, order, video=halves) == message


def test_audio_needs_company_and_fits_in_15_seconds():
    alone = ordered("seedance-20", audioUrls=[URL])
    assert problem("seedance-20", alone, audio=[(0, 0, 5_000)]) == (
        "Reference audio cannot stand alone. Add a video or an image."
    )
    order = ordered("seedance-20", audioUrls=[URL], imageUrls=[URL])
    assert problem("seedance-20", order, audio=[(0, 0, 15_000)], image=[FINE]) is None
    message = problem("seedance-20", order, audio=[(0, 0, 16_000)], image=[FINE])
    assert message == "The reference audios last 16.0 seconds together. They may last 15 seconds."


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [
        (300, 300, True),
        (6000, 6000, True),
        (299, 300, False),
        (300, 299, False),
        (301, 6001, False),
    ],
)
def test_seedance_images_have_300_to_6000_pixels_a_side(width: int, height: int, *, fits: bool):
    order = ordered("seedance-20", imageUrls=[URL, URL])
    message = problem("seedance-20", order, image=[FINE, (width, height, 0)])
    if fits:
        assert message is None
    else:
        assert message == (
            f"Reference image 2 has {width}x{height} pixels. "
            "Each side must have 300 to 6000 pixels."
        )


@pytest.mark.parametrize(
    ("model", "durations_ms", "words"),
    [
        ("seedance2-5", [2_000, 28_000], None),
        ("seedance2-5", [1_000], "Reference video 1 lasts 1.0 seconds. It must last 2 to 30"),
        ("seedance2-5", [2_000, 30_200], "Reference video 2 lasts 30.2 seconds"),
        ("seedance2-5", [20_000, 11_000], "last 31.0 seconds together. They may last 30 seconds"),
        ("seedance2-5-edit", [3_000], "Reference video 1 lasts 3.0 seconds. It must last 4 to 30"),
        ("seedance2-5-edit", [4_000], None),
        ("wan3.0-ref-to-video", [15_000, 10_000], None),
        ("wan3.0-ref-to-video", [16_000], "Reference video 1 lasts 16.0 seconds. It must last at"),
        ("wan3.0-ref-to-video", [15_000, 11_000], "and the output last 31.0 seconds together."),
        ("wan3.0-prime-ref-to-video", [15_000, 11_000], "They may last 30 seconds."),
    ],
)
def test_other_models_have_their_own_lengths(
    model: str, durations_ms: list[int], words: str | None
):
    order = ordered(model, videoUrls=[URL] * len(durations_ms))
    message = problem(model, order, video=[(640, 640, duration) for duration in durations_ms])
    if words is None:
        assert message is None
    else:
        assert message is not None
        assert words in message


def test_models_without_rules_take_any_picture():
    order = ordered("gpt-image-2", uploadedUrls=[URL])
    assert problem("gpt-image-2", order, image=[(1, 1, 0)]) is None
    assert {reference.kind for reference in order.references} == {MediaKind.IMAGE}
