"""Requests written for older versions of the contract."""

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.check import check
from kinetoscope.kernel.errors import InputIssue, InvalidInputs
from kinetoscope.kernel.order import Order

CATALOG = spec.builtin()
IMAGE = "https://example.com/a.png"
VIDEO = "https://example.com/a.mp4"
AUDIO = "https://example.com/a.mp3"
PLAIN = "https://example.com/a"


def ordered(model_id: str, **inputs: object) -> Order:
    return check(CATALOG.find(model_id), {"prompt": "a boat"} | inputs)


def issue(model_id: str, **inputs: object) -> InputIssue:
    with pytest.raises(InvalidInputs) as refused:
        ordered(model_id, **inputs)
    (only,) = refused.value.issues
    return only


@pytest.mark.parametrize(
    ("model_id", "older", "current"),
    [
        ("seedance-20", {"urls": [IMAGE]}, {"imageUrls": [IMAGE]}),
        (
            "seedance-20",
            {"urls": [VIDEO, IMAGE, AUDIO, PLAIN]},
            {"imageUrls": [IMAGE, PLAIN], "videoUrls": [VIDEO], "audioUrls": [AUDIO]},
        ),
        (
            "seedance-20",
            {"urls": ["data:video/mp4;base64,AAAA"]},
            {"videoUrls": ["data:video/mp4;base64,AAAA"]},
        ),
        ("seedance-20", {"uploadedUrls": [IMAGE]}, {"imageUrls": [IMAGE]}),
        ("seedance-20", {"image_urls": [IMAGE]}, {"imageUrls": [IMAGE]}),
        ("seedance-20", {"urls": []}, {}),
        ("seedance-20", {"sourceImageUrl": ""}, {}),
        ("midjourney-v7", {"sourceImageUrl": IMAGE}, {"uploadedUrls": [IMAGE]}),
        ("nanobanana2", {"imageUrls": [IMAGE, IMAGE]}, {"uploadedUrls": [IMAGE, IMAGE]}),
        ("wan3.0-image-to-video", {"urls": [PLAIN]}, {"imageUrls": [PLAIN]}),
        ("seedance2-5-edit", {"urls": [VIDEO]}, {"videoUrls": [VIDEO]}),
        ("seedance-20", {"duration": "5s"}, {"duration": 5}),
        ("seedance-20", {"duration": "12"}, {"duration": 12}),
        ("seedance-20", {"resolution": "1080p"}, {"outputResolution": "1080p"}),
        ("seedance-20", {"upscaleResolution": "4k"}, {"outputResolution": "4k"}),
        ("seedance-20", {"aspect_ratio": "1:1"}, {"aspectRatio": "1:1"}),
        ("seedance-20", {"generateAudio": False}, {"generate_audio": False}),
        ("seedance-20", {"audio": False}, {"generate_audio": False}),
        ("wan3.0-text-to-video", {"generate_audio": False}, {"audio": False}),
        ("seedance2-5", {"outputFormat": "mov"}, {"output_format": "mov"}),
        ("gpt-image-2", {"output_format": "jpeg"}, {"outputFormat": "jpeg"}),
        ("gpt-image-2", {"outputResolution": "2k"}, {"resolution": "2k"}),
        ("gpt-image-2", {"resolution": "4K"}, {"resolution": "4k"}),
        ("gpt-image-2", {"size": "2048x2048"}, {"resolution": "2k", "aspectRatio": "1:1"}),
        ("gpt-image-2", {"size": "1536x1024"}, {"resolution": "1k", "aspectRatio": "4:3"}),
        ("midjourney-v8", {"size": "1456x816"}, {"aspectRatio": "16:9"}),
        ("seedance-20", {"size": "16:9"}, {"aspectRatio": "16:9"}),
    ],
)
def test_an_older_shape_means_a_current_one(
    model_id: str, older: dict[str, object], current: dict[str, object]
):
    assert ordered(model_id, **older) == ordered(model_id, **current)


@pytest.mark.parametrize(
    ("pixels", "resolution", "aspect_ratio"),
    [
        ("720x720", "720p", "1:1"),
        ("720x960", "720p", "3:4"),
        ("960x720", "720p", "4:3"),
        ("1280x720", "720p", "16:9"),
        ("720X1280", "720p", "9:16"),
        ("864*496", "480p", "16:9"),
        ("854x480", "480p", "16:9"),
        ("640x640", "480p", "1:1"),
        ("1470x630", "720p", "21:9"),
        ("1440x1440", "1080p", "1:1"),
        ("3840x2160", "4k", "16:9"),
    ],
)
def test_a_resolution_in_pixels_is_two_inputs(pixels: str, resolution: str, aspect_ratio: str):
    for name in ("resolution", "size"):
        order = ordered("seedance-20", **{name: pixels})
        assert order.inputs["outputResolution"] == resolution
        assert order.inputs["aspectRatio"] == aspect_ratio


def test_a_first_version_request():
    """The request body of the first public version, with its second `model` inside the inputs."""
    order = ordered(
        "seedance-20", model="seedance-20", resolution="1280x720", duration="5s", urls=[IMAGE]
    )
    assert (order.duration_s, order.resolution, len(order.references)) == (5, "720p", 1)
    assert order.inputs["aspectRatio"] == "16:9"


def test_a_current_name_wins():
    assert ordered("seedance-20", imageUrls=[IMAGE], urls=[PLAIN, VIDEO]).inputs["imageUrls"] == [
        IMAGE
    ]
    assert ordered("seedance-20", aspectRatio="1:1", size="1280x720").inputs["aspectRatio"] == "1:1"
    assert ordered("seedance-20", outputResolution="480p", resolution="4k").resolution == "480p"


def test_upscaling_asked_for_more():
    order = ordered("seedance-20", outputResolution="720p", upscaleResolution="4k")
    assert order.resolution == "4k"


def test_issues_point_at_what_was_sent():
    assert issue("seedance-20", urls=[IMAGE, VIDEO, 7, VIDEO]).path == ("urls", 2)
    assert issue("seedance-20", urls=[VIDEO, "https://example.com/a.gif"]).path == ("urls", 1)
    assert issue("seedance-20", urls=[IMAGE] * 10).path == ("urls",)
    assert issue("seedance-20", urls={"a": 1}).path == ("urls",)
    assert issue("midjourney-v7", sourceImageUrl=7).path == ("sourceImageUrl",)
    assert issue("midjourney-v7", sourceImageUrl=VIDEO).path == ("sourceImageUrl", 0)
    assert issue("seedance-20", resolution="999p").path == ("resolution",)
    assert issue("seedance-20", resolution=720).path == ("resolution",)
    assert issue("seedance2-fast", upscaleResolution="4k").path == ("upscaleResolution",)
    assert issue("seedance-20", aspect_ratio="5:4").path == ("aspect_ratio",)
    assert issue("wan3.0-text-to-video", urls=[IMAGE]).path == ("urls",)
    assert issue("wan3.0-image-to-video", urls=[VIDEO]).path == ("urls", 0)
