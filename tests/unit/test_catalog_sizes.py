"""Every size every model offers."""

from itertools import pairwise

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import Model
from kinetoscope.kernel.order import JSON, MediaKind, Size

CATALOG = spec.builtin()
PIXELS_MAX = 17_000_000
VISUAL = [model for model in CATALOG.models if model.kind is not MediaKind.AUDIO]


@pytest.mark.parametrize("model", VISUAL, ids=lambda model: model.id)
def test_sizes_are_even_and_have_the_shape_of_their_name(model: Model):
    for ratios in model.sizes.values():
        for name, size in ratios.items():
            across, down = (int(part) for part in name.split(":"))
            assert size.width % 2 == size.height % 2 == 0
            assert abs(size.width * down / (size.height * across) - 1) < 0.03
            assert min(size.width, size.height) >= 240
            assert size.width * size.height <= PIXELS_MAX
            transposed = ratios.get(f"{down}:{across}", Size(width=size.height, height=size.width))
            assert transposed == Size(width=size.height, height=size.width)


@pytest.mark.parametrize("model", VISUAL, ids=lambda model: model.id)
def test_higher_resolutions_have_more_pixels(model: Model):
    tables = list(model.sizes.values())
    for smaller, larger in pairwise(tables):
        for name, size in smaller.items():
            assert size.width * size.height < larger[name].width * larger[name].height


@pytest.mark.parametrize("model", VISUAL, ids=lambda model: model.id)
def test_every_combination_can_be_ordered(model: Model):
    if "aspectRatio" not in model.fields_by_name:
        return
    needed: dict[str, JSON] = {
        field.name: [f"https://example.com/{field.kind}"] for field in model.media if field.required
    }
    for resolution, ratios in model.sizes.items():
        chosen: dict[str, JSON] = {model.resolution_name: resolution} if resolution else {}
        for name, size in ratios.items():
            order = check(model, {"prompt": "x", "aspectRatio": name} | chosen | needed)
            assert order.size == size
            assert order.sizes == tuple(ratios.values())


PUBLISHED = [
    ("seedance-20", "480p", "16:9", 864, 496),
    ("seedance2-fast", "480p", "9:16", 496, 864),
    ("seedance2-5", "480p", "16:9", 854, 480),
    ("wan3.0-text-to-video", "480p", "16:9", 854, 480),
    ("wan3.0-image-to-video", "480p", "1:1", 640, 640),
    ("seedance-20", "480p", "4:3", 752, 560),
    ("seedance-20", "480p", "21:9", 992, 432),
    ("seedance-20", "720p", "16:9", 1280, 720),
    ("seedance-20", "720p", "1:1", 960, 960),
    ("seedance2-5", "720p", "4:3", 1112, 834),
    ("seedance2-5", "720p", "3:4", 834, 1112),
    ("seedance2-5", "720p", "21:9", 1470, 630),
    ("seedance2-5", "1080p", "21:9", 2206, 946),
    ("seedance-20", "1080p", "3:4", 1248, 1664),
    ("seedance-20", "4k", "16:9", 3840, 2160),
    ("gpt-image-2.5-flare", "1k", "4:3", 1184, 896),
    ("gpt-image-2.5-flare", "1k", "16:9", 1376, 768),
    ("gpt-image-2", "1k", "1:1", 1024, 1024),
    ("seedream-5.0-pro", "1k", "1:1", 1024, 1024),
    ("nanobanana2", "2k", "1:1", 2048, 2048),
    ("midjourney-v8", "", "3:2", 1344, 896),
    ("midjourney-v7-niji", "", "4:5", 960, 1200),
    ("midjourney-v7", "", "21:9", 1680, 720),
]


@pytest.mark.parametrize(("model_id", "resolution", "ratio", "width", "height"), PUBLISHED)
def test_published_sizes(model_id: str, resolution: str, ratio: str, width: int, height: int):
    size = CATALOG.find(model_id).sizes[resolution][ratio]
    assert size == Size(width=width, height=height)
