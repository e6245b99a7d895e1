"""What media are for, model by model: the tables "Reference media" of the public pages."""

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.check import check
from kinetoscope.kernel.order import Order

CATALOG = spec.builtin()
URLS = {
    "image": "https://example.com/{}.png",
    "video": "https://example.com/{}.mp4",
    "audio": "https://example.com/{}.mp3",
}


def ordered(model_id: str, media: str, **inputs: object) -> Order:
    """Make an order with media such as `2 image, 1 audio`."""
    sent: dict[str, object] = {}
    for part in filter(None, media.split(", ")):
        count, kind = part.split()
        sent[f"{kind}Urls"] = [URLS[kind].format(at) for at in range(1, int(count) + 1)]
    return check(CATALOG.find(model_id), {"prompt": "a boat"} | sent | inputs)


def told(order: Order) -> str:
    """Tell the references as `image1 first_frame, video1 source`."""
    for reference in order.references:
        assert reference.url == URLS[reference.kind].format(reference.number)
    return ", ".join(f"{one.kind}{one.number} {one.role}" for one in order.references)


FIRST = "image1 first_frame"
BOTH = "image1 first_frame, image2 last_frame"
THREE = "image1 reference, image2 reference, image3 reference"


@pytest.mark.parametrize("model_id", ["seedance-20", "seedance2-fast", "seedance2.0-mini"])
@pytest.mark.parametrize(
    ("media", "mode", "expected", "applied"),
    [
        ("", None, "", "keyframe"),
        ("", "reference", "", "reference"),
        ("1 image", None, FIRST, "keyframe"),
        ("2 image", None, BOTH, "keyframe"),
        ("3 image", None, BOTH, "keyframe"),
        ("9 image", "keyframe", BOTH, "keyframe"),
        ("1 image", "reference", "image1 reference", "reference"),
        ("3 image", "reference", THREE, "reference"),
        ("1 video", None, "video1 reference", "reference"),
        ("1 video", "keyframe", "video1 reference", "reference"),
        ("1 audio", None, "audio1 reference", "reference"),
        (
            "1 image, 2 video, 1 audio",
            "keyframe",
            "image1 reference, video1 reference, video2 reference, audio1 reference",
            "reference",
        ),
    ],
)
def test_seedance_2_modes(model_id: str, media: str, mode: str | None, expected: str, applied: str):
    order = ordered(model_id, media, mode=mode)
    assert told(order) == expected
    assert order.inputs["mode"] == applied


@pytest.mark.parametrize(
    ("media", "mode", "expected"),
    [
        ("1 image", None, FIRST),
        ("2 image", None, BOTH),
        ("3 image", None, THREE),
        ("3 image", "keyframe", BOTH),
        ("1 image", "reference", "image1 reference"),
        ("2 image, 1 video", "keyframe", "image1 reference, image2 reference, video1 reference"),
        ("1 audio", None, "audio1 reference"),
    ],
)
def test_seedance_2_5_modes(media: str, mode: str | None, expected: str):
    assert told(ordered("seedance2-5", media, mode=mode)) == expected


def test_seedance_2_5_counts_thirty_images():
    assert len(ordered("seedance2-5", "30 image, 10 video, 10 audio").references) == 50


@pytest.mark.parametrize("model_id", ["wan3.0-image-to-video", "wan3.0-prime-image-to-video"])
def test_wan_images_are_frames(model_id: str):
    assert told(ordered(model_id, "1 image")) == FIRST
    assert told(ordered(model_id, "2 image")) == BOTH


def test_wan_references():
    order = ordered("wan3.0-ref-to-video", "2 image, 1 video, 1 audio")
    assert told(order) == ("image1 reference, image2 reference, video1 reference, audio1 reference")
    assert ordered("wan3.0-ref-to-video", "").references == ()


@pytest.mark.parametrize(
    ("model_id", "inputs"), [("seedance2-5-edit", {}), ("seedance2-5-extend", {"duration": 5})]
)
def test_the_first_video_is_the_source(model_id: str, inputs: dict[str, object]):
    assert told(ordered(model_id, "1 video", **inputs)) == "video1 source"
    assert told(ordered(model_id, "2 video, 1 image, 1 audio", **inputs)) == (
        "video1 source, image1 reference, video2 reference, audio1 reference"
    )


def test_images_for_image_models():
    url = URLS["image"].format(1)
    (reference,) = check(
        CATALOG.find("gpt-image-2"), {"prompt": "x", "uploadedUrls": [url]}
    ).references
    assert (reference.role, reference.number, reference.url) == ("reference", 1, url)


@pytest.mark.parametrize(
    ("model_id", "media", "inputs", "size"),
    [
        ("seedance-20", "", {}, (1280, 720)),
        ("seedance-20", "", {"aspectRatio": "adaptive"}, (1280, 720)),
        ("seedance-20", "", {"aspectRatio": "9:16"}, (720, 1280)),
        ("seedance-20", "1 image", {}, None),
        ("seedance-20", "1 video", {}, None),
        ("seedance-20", "1 audio", {}, (1280, 720)),
        ("seedance-20", "1 image", {"aspectRatio": "auto"}, None),
        ("seedance-20", "1 image", {"aspectRatio": "16:9"}, (1280, 720)),
        ("seedance2-5", "", {}, (1280, 720)),
        ("seedance2-5", "1 image", {}, None),
        ("seedance2-5", "1 image", {"aspectRatio": "1:1"}, None),
        ("seedance2-5", "3 image", {"aspectRatio": "1:1"}, (960, 960)),
        ("seedance2-5", "3 image", {}, None),
        ("seedance2-5-edit", "1 video", {}, None),
        ("seedance2-5-extend", "1 video", {"duration": 4}, None),
        ("wan3.0-image-to-video", "1 image", {}, (1280, 720)),
        ("wan3.0-image-to-video", "1 image", {"aspectRatio": "adaptive"}, None),
        ("wan3.0-image-to-video", "1 image", {"aspectRatio": "auto"}, None),
        ("wan3.0-ref-to-video", "1 video", {}, (1280, 720)),
        ("gpt-image-2", "", {}, (1024, 1024)),
        ("gpt-image-2", "1 image", {}, None),
        ("gpt-image-2", "1 image", {"aspectRatio": "16:9"}, (1376, 768)),
        ("gpt-image-2", "1 image", {"aspectRatio": "adaptive"}, None),
        ("seedream-5.0-pro", "1 image", {}, None),
        ("nanobanana2", "1 image", {}, (1792, 2368)),
        ("midjourney-v8", "1 image", {}, (1024, 1024)),
    ],
)
def test_when_the_output_takes_the_shape_of_the_media(
    model_id: str, media: str, inputs: dict[str, object], size: tuple[int, int] | None
):
    order = ordered(model_id, media, **inputs)
    assert (order.size and (order.size.width, order.size.height)) == size
    assert len(order.sizes) >= 5
    assert order.size is None or order.size in order.sizes
    if size is None:
        assert order.references[0].kind != "audio"
    assert check(CATALOG.find(model_id), dict(order.inputs)) == order
