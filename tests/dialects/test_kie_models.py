"""kie.ai's names and words: what they come to here, and what is refused rather than left out."""

from typing import Any

import pytest

from kinetoscope.catalog import check
from kinetoscope.catalog.spec import builtin
from kinetoscope.dialects.kie.models import inputs_of, model_of
from kinetoscope.dialects.names import names_of
from kinetoscope.kernel.errors import InvalidInputs
from kinetoscope.kernel.order import Order, Role

CATALOG = builtin()
NAMES = names_of(CATALOG, {})
PICTURE, OTHER = "https://example.com/a.png", "https://example.com/b.png"
CLIP = "https://example.com/a.mp4"


def ordered(name: str, **given: object) -> Order:
    stated = {"prompt": "a fox", **given}
    model = model_of(NAMES, name, stated)
    return check.check(model, inputs_of(model, stated), auto_fix=False)


WAN: list[tuple[dict[str, object], str, list[Role]]] = [
    ({}, "text-to-video", []),
    ({"aspect_ratio": "adaptive", "first_frame_url": ""}, "text-to-video", []),
    ({"first_frame_url": PICTURE}, "image-to-video", [Role.FIRST_FRAME]),
    (
        {"last_frame_url": OTHER, "first_frame_url": PICTURE, "aspect_ratio": "adaptive"},
        "image-to-video",
        [Role.FIRST_FRAME, Role.LAST_FRAME],
    ),
    ({"reference_image_urls": [PICTURE]}, "ref-to-video", [Role.REFERENCE]),
    ({"reference_video_urls": [CLIP]}, "ref-to-video", [Role.REFERENCE]),
]


@pytest.mark.parametrize(("given", "face", "roles"), WAN)
@pytest.mark.parametrize(
    ("name", "tier"), [("wan/3-0-video", "wan3.0"), ("wan/3-0-video-prime", "wan3.0-prime")]
)
def test_wan_is_the_model_that_fits_the_media(
    name: str, tier: str, given: dict[str, object], face: str, roles: list[Role]
):
    order = ordered(name, resolution="720P", audio=False, **given)
    assert order.model == f"{tier}-{face}"
    assert (order.resolution, order.audio) == ("720p", False)
    assert [reference.role for reference in order.references] == roles
    if roles and roles[0] is Role.FIRST_FRAME:
        assert order.references[0].url == PICTURE


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("seedream/5-pro-text-to-image", {"quality": "basic"}, ("seedream-5.0-pro", "1k")),
        (
            "seedream/5-pro-image-to-image",
            {"quality": "high", "image_urls": [PICTURE]},
            ("seedream-5.0-pro", "2k"),
        ),
        (
            "seedream/5-pro-image-to-image",
            {"uploadedUrls": [PICTURE]},
            ("seedream-5.0-pro", "2k"),
        ),
        ("seedream/5-pro", {}, ("seedream-5.0-pro", "2k")),
        ("nano-banana-2", {"resolution": "2K", "output_format": "png"}, ("nanobanana2", "2k")),
        ("nano-banana-2", {"aspect_ratio": "auto"}, ("nanobanana2", "2k")),
        ("nano-banana-pro", {"resolution": "1K", "image_input": []}, ("nanobanana-pro", "1k")),
        ("bytedance/seedance-2", {"resolution": "4k"}, ("seedance-20", "4k")),
        ("bytedance/seedance-2-fast", {"resolution": "480p"}, ("seedance2-fast", "480p")),
        ("bytedance/seedance-2-mini", {"web_search": False}, ("seedance2.0-mini", "720p")),
        ("bytedance/seedance-2-5", {"output_format": "mov"}, ("seedance2-5", "720p")),
        ("gpt-image-2", {"quality": "high", "nVariants": 1}, ("gpt-image-2", "1k")),
        ("nano-banana-2", {"size": "16:9", "camera_fixed": False}, ("nanobanana2", "2k")),
    ],
)
def test_names_and_words_of_theirs(name: str, given: dict[str, object], expected: tuple[str, str]):
    order = ordered(name, **given)
    assert (order.model, order.resolution) == expected


def test_seedances_references_are_not_frames():
    order = ordered("bytedance/seedance-2", reference_image_urls=[PICTURE], duration="8")
    assert ([each.role for each in order.references], order.duration_s) == ([Role.REFERENCE], 8)
    order = ordered("bytedance/seedance-2", first_frame_url=PICTURE, generate_audio=False)
    assert ([each.role for each in order.references], order.audio) == ([Role.FIRST_FRAME], False)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("bytedance/seedance-2", {"web_search": True}, "web_search"),
    ("nano-banana-2", {"google_search": True}, "google_search"),
    ("wan/3-0-video", {"reference_link_urls": ["https://example.com"]}, "reference_link_urls"),
    (
        "bytedance/seedance-2",
        {"first_frame_url": PICTURE, "reference_image_urls": [OTHER]},
        "reference_image_urls",
    ),
    (
        "wan/3-0-video",
        {"first_frame_url": PICTURE, "reference_video_urls": [CLIP]},
        "reference_video_urls",
    ),
    ("bytedance/seedance-2", {"last_frame_url": PICTURE}, "last_frame_url"),
    ("seedream/5-pro-image-to-image", {}, "image_urls"),
    ("seedream/5-pro-text-to-image", {"quality": "ultra"}, "quality"),
    ("nano-banana-2", {"output_format": "jpg"}, "output_format"),
    ("nano-banana-2", {"image_input": [PICTURE], "aspect_ratio": "auto"}, "aspect_ratio"),
    ("nano-banana-2", {"uploadedUrls": [PICTURE], "aspect_ratio": "auto"}, "aspect_ratio"),
    ("nano-banana-2", {"resolution": "1K"}, "resolution"),
    ("nano-banana-2", {"n": 2}, "n"),
    ("bytedance/seedance-2", {"duration": 20}, "duration"),
    ("wan/3-0-video", {"resolution": "4K"}, "resolution"),
    ("nano-banana-2", {"image_size": "16:9"}, "image_size"),
    ("nano-banana-2", {"negative_prompt": "rain"}, "negative_prompt"),
    ("nano-banana-2", {"mask_url": PICTURE}, "mask_url"),
    ("gpt-image-2", {"nVariants": 4}, "nVariants"),
    ("bytedance/seedance-2", {"n_frames": "15"}, "n_frames"),
    ("bytedance/seedance-2", {"camera_fixed": True}, "camera_fixed"),
]


@pytest.mark.parametrize(("name", "given", "path"), REFUSED)
def test_what_would_come_out_otherwise_is_refused_by_name(
    name: str, given: dict[str, Any], path: str
):
    with pytest.raises(InvalidInputs) as refused:
        ordered(name, **given)
    assert [issue.path[0] for issue in refused.value.issues] == [path]


def test_the_operators_names_come_first():
    chosen = names_of(CATALOG, {"wan/3-0-video": "seedance-20"})
    assert model_of(chosen, "wan/3-0-video", {"reference_video_urls": [CLIP]}).id == "seedance-20"
