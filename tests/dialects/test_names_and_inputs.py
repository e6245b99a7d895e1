"""Which model a client means, and what its inputs are here: pure, and never a guess."""

import pytest

from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import builtin
from kinetoscope.dialects.inputs import fit
from kinetoscope.dialects.names import find, names_of
from kinetoscope.dialects.sizes import agreed, sized
from kinetoscope.kernel.errors import InvalidInputs, UnknownModel
from kinetoscope.kernel.order import MediaKind, Role, Size

CATALOG = builtin()
NAMES = names_of(CATALOG, {"sora-2": "seedance-20", "gone": "no-such-model"})
SEEDANCE = CATALOG.find("seedance-20")
PICTURES = CATALOG.find("gpt-image-2")
FOUR = CATALOG.find("midjourney-v8")


@pytest.mark.parametrize(
    ("stated", "model_id"),
    [
        ("seedance-20", "seedance-20"),
        ("kinetoscope/seedance-20", "seedance-20"),
        ("bytedance/seedance-2.0", "seedance-20"),
        ("bytedance/seedance-2.0/text-to-video", "seedance-20"),
        ("bytedance/seedance-2.0/fast/image-to-video", "seedance2-fast"),
        ("bytedance/seedance-2.0/fast", "seedance2-fast"),
        ("fal-ai/nano-banana-2/edit", "nanobanana2"),
        ("/kinetoscope/gpt-image-2/", "gpt-image-2"),
        ("sora-2", "seedance-20"),
    ],
)
def test_a_model_is_found_by_its_names(stated: str, model_id: str):
    assert find(NAMES, stated).id == model_id


@pytest.mark.parametrize(
    "stated",
    [
        "sora-2-pro",
        "gone",
        "bytedance/seedance-2.0/turbo",
        "text-to-video",
        "acme/seedance-20",
        "",
        "/" * 500,
        "x" * 5000,
    ],
)
def test_no_model_is_made_in_the_place_of_another(stated: str):
    with pytest.raises(UnknownModel) as refused:
        find(NAMES, stated)
    assert len(str(refused.value)) < 600


def test_a_similar_name_is_told():
    with pytest.raises(UnknownModel, match="seedance-20"):
        find(NAMES, "seedance20")


def test_similar_names_are_of_the_kind_that_would_do():
    with pytest.raises(UnknownModel) as refused:
        find(NAMES, "seedance-image", MediaKind.IMAGE)
    told = str(refused.value).partition("Nearest: ")[2]
    assert told
    assert "seedance" not in told


def test_no_name_stands_for_two_models():
    known = [name for model in CATALOG.models for name in model.known_as]
    assert len(known) == len(set(known))
    assert not set(known) & set(CATALOG.models_by_id)


def test_names_are_respelled_and_older_ones_stay():
    given = {"prompt": "a fox", "aspect_ratio": "9:16", "output_resolution": "480p", "seed": 7}
    inputs = fit(SEEDANCE, given)
    assert inputs["outputResolution"] == "480p"
    order = check(SEEDANCE, inputs)
    assert (order.size, order.seed) == (Size(width=496, height=864), 7)


def test_frames_come_in_their_order_whatever_the_order_they_were_sent_in():
    given = {"prompt": "x", "last_frame_url": "https://a/2.png", "image_url": "https://a/1.png"}
    order = check(
        SEEDANCE,
        fit(
            SEEDANCE,
            {
                "prompt": "x",
                "end_image_url": "https://a/2.png",
                "first_frame_url": "https://a/1.png",
            },
        ),
    )
    assert [(each.url, each.role) for each in order.references] == [
        ("https://a/1.png", Role.FIRST_FRAME),
        ("https://a/2.png", Role.LAST_FRAME),
    ]
    order = check(SEEDANCE, fit(SEEDANCE, given))
    assert [(each.url, each.role) for each in order.references] == [
        ("https://a/1.png", Role.FIRST_FRAME),
        ("https://a/2.png", Role.LAST_FRAME),
    ]


def test_frames_beside_the_models_own_names_are_lost_nowhere():
    for own in ("image_urls", "imageUrls"):
        last = fit(SEEDANCE, {own: ["https://a/1"], "end_image_url": "https://a/2"})
        assert last == {"imageUrls": ["https://a/1", "https://a/2"]}
        first = fit(SEEDANCE, {own: "https://a/2", "first_frame_url": "https://a/1"})
        assert first == {"imageUrls": ["https://a/1", "https://a/2"]}


def test_references_are_no_frames():
    given = {"prompt": "x", "reference_image_urls": ["https://a/1.png", "https://a/2.png"]}
    order = check(SEEDANCE, fit(SEEDANCE, given))
    assert [each.role for each in order.references] == [Role.REFERENCE, Role.REFERENCE]


def test_frames_beside_references_are_refused():
    with pytest.raises(InvalidInputs) as refused:
        fit(
            SEEDANCE,
            {
                "prompt": "x",
                "first_frame_url": "https://a/1",
                "reference_video_urls": ["https://b"],
            },
        )
    assert refused.value.issues[0].path == ("first_frame_url",)


def test_a_closing_image_alone_is_refused():
    with pytest.raises(InvalidInputs) as refused:
        fit(SEEDANCE, {"prompt": "x", "end_image_url": "https://a/2.png"})
    assert refused.value.issues[0].path == ("end_image_url",)


def test_media_that_a_model_has_no_place_for_is_refused():
    with pytest.raises(InvalidInputs) as refused:
        fit(PICTURES, {"prompt": "x", "video_url": "https://a/1.mp4"})
    assert refused.value.issues[0].path == ("video_url",)


@pytest.mark.parametrize(("model", "count"), [(PICTURES, 4), (FOUR, 1), (PICTURES, "2")])
def test_more_files_than_a_model_makes_are_refused(model: Model, count: object):
    with pytest.raises(InvalidInputs) as refused:
        fit(model, {"prompt": "x", "num_images": count})
    assert refused.value.issues[0].path == ("num_images",)


def test_as_many_files_as_a_model_makes_are_fine():
    assert fit(FOUR, {"prompt": "x", "num_outputs": 4}) == {"prompt": "x"}
    assert fit(PICTURES, {"prompt": "x", "n": "1"}) == {"prompt": "x"}


def test_sound_is_known_by_its_other_names():
    assert fit(SEEDANCE, {"prompt": "x", "enable_audio": False})["generate_audio"] is False


def test_unknown_inputs_and_nulls_are_left_out_as_createtask_does():
    assert fit(SEEDANCE, {"prompt": "x", "cfg_scale": 7, "seed": None}) == {"prompt": "x"}


def test_a_size_is_exact_or_refused():
    inputs = sized(SEEDANCE, Size(width=720, height=1280), "size")
    assert inputs == {"aspectRatio": "9:16", "outputResolution": "720p"}
    with pytest.raises(InvalidInputs) as refused:
        sized(SEEDANCE, Size(width=1024, height=1792), "size")
    (issue,) = refused.value.issues
    assert issue.path == ("size",)
    assert "1280x720" in issue.message


@pytest.mark.parametrize(
    ("model_id", "stated", "name"),
    [
        ("seedance-20", {"resolution": "480p"}, "resolution"),
        ("seedance-20", {"outputResolution": "1080P"}, "outputResolution"),
        ("seedance-20", {"aspect_ratio": "1:1"}, "aspect_ratio"),
        ("gpt-image-2", {"resolution": "4k"}, "resolution"),
    ],
)
def test_who_contradicts_a_size_is_refused_by_name(
    model_id: str, stated: dict[str, object], name: str
):
    model = CATALOG.find(model_id)
    chosen = {"aspectRatio": "16:9", model.resolution_name: "720p"}
    with pytest.raises(InvalidInputs) as refused:
        agreed(model, chosen, fit(model, stated), "size")
    (issue,) = refused.value.issues
    assert issue.path == (name,)
    assert issue.message.startswith("size says ")


@pytest.mark.parametrize(
    "stated",
    [
        {"resolution": "720P", "aspect_ratio": "16:9"},
        {"aspect_ratio": "custom"},
        {"aspect_ratio": "adaptive"},
        {},
    ],
)
def test_who_agrees_with_a_size_changes_nothing(stated: dict[str, object]):
    chosen = {"aspectRatio": "16:9", "outputResolution": "720p"}
    assert agreed(SEEDANCE, chosen, fit(SEEDANCE, stated), "size") == chosen


@pytest.mark.parametrize("name", ["image", "image_url", "input_image"])
@pytest.mark.parametrize("guide", ["reference_images", "reference_videos", "references"])
def test_an_opening_image_beside_references_is_refused(name: str, guide: str):
    given = {"prompt": "x", name: "https://a/1.png", guide: ["https://a/2"]}
    with pytest.raises(InvalidInputs) as refused:
        fit(SEEDANCE, given)
    assert [issue.path for issue in refused.value.issues] == [(name,)]


def test_names_are_known_in_both_spellings():
    given = {"prompt": "x", "lastFrameUrl": "https://a/2", "firstFrameUrl": "https://a/1"}
    assert fit(SEEDANCE, given)["imageUrls"] == ["https://a/1", "https://a/2"]
    with pytest.raises(InvalidInputs) as refused:
        fit(SEEDANCE, {"prompt": "x", "cameraFixed": True})
    assert [issue.path for issue in refused.value.issues] == [("camera_fixed",)]


@pytest.mark.parametrize(
    ("name", "heeded", "usual"),
    [
        ("enable_web_search", True, False),
        ("google_search", True, False),
        ("thinking_level", "high", "minimal"),
        ("camera_fixed", True, False),
        ("mask", "https://a/m.png", ""),
    ],
)
def test_what_changes_the_result_is_refused_where_no_model_heeds_it(
    name: str, heeded: object, usual: object
):
    banana = CATALOG.find("nanobanana2")
    with pytest.raises(InvalidInputs) as refused:
        fit(banana, {"prompt": "x", name: heeded})
    assert [issue.path for issue in refused.value.issues] == [(name,)]
    assert fit(banana, {"prompt": "x", name: usual}) == {"prompt": "x"}


@pytest.mark.parametrize(
    "left_open",
    [{"aspect_ratio": "adaptive"}, {"duration": "auto"}, {"duration": -1}, {"duration": "-1"}],
)
def test_what_is_left_open_is_the_models_own_choice(left_open: dict[str, object]):
    model = CATALOG.find("seedance2.0-mini")
    inputs = fit(model, {"prompt": "x", **left_open})
    assert check(model, inputs) == check(model, {"prompt": "x", **inputs})
    assert "duration" not in inputs


def test_an_open_shape_beside_media_is_followed_or_refused():
    model = CATALOG.find("seedance-20")
    given = {"prompt": "x", "image_url": "https://a/1", "aspect_ratio": "auto"}
    assert fit(model, given)["aspect_ratio"] == "auto"
