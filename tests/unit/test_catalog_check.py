"""What a client is told about its inputs, and what a good request becomes."""

import math

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import Model
from kinetoscope.kernel.errors import InputIssue, InvalidInputs, UnknownModel
from kinetoscope.kernel.order import JSON, MediaKind, Order, Size

CATALOG = spec.builtin()
IMAGE = "https://example.com/a.png"
VIDEO = "https://example.com/a.mp4"
AUDIO = "https://example.com/a.mp3"
NAN = float("nan")


def ordered(model_id: str, **inputs: object) -> Order:
    return check(CATALOG.find(model_id), {"prompt": "a boat"} | inputs)


def fixed(model_id: str, **inputs: object) -> Order:
    return check(CATALOG.find(model_id), {"prompt": "a boat"} | inputs, auto_fix=True)


def issues(model_id: str, inputs: object) -> list[InputIssue]:
    with pytest.raises(InvalidInputs) as refused:
        check(CATALOG.find(model_id), inputs)
    assert str(refused.value) == "Invalid inputs for model"
    return list(refused.value.issues)


def issue(model_id: str, **inputs: object) -> InputIssue:
    (only,) = issues(model_id, {"prompt": "a boat"} | inputs)
    return only


@pytest.mark.parametrize("model_id", ["seedance-2.0", "seedance-2-fast", "SEEDANCE-20", "", "suno"])
def test_an_id_must_match_exactly(model_id: str):
    with pytest.raises(UnknownModel, match=r"^Unknown model$"):
        CATALOG.find(model_id)


def test_a_plain_request_gets_every_default():
    order = ordered("seedance-20")
    assert order == Order(
        model="seedance-20",
        kind=MediaKind.VIDEO,
        prompt="a boat",
        size=Size(width=1280, height=720),
        sizes=tuple(CATALOG.find("seedance-20").sizes["720p"].values()),
        duration_s=5,
        count=1,
        seed=None,
        audio=True,
        file_format="mp4",
        last_frame=True,
        quality="",
        resolution="720p",
        references=(),
        inputs={
            "prompt": "a boat",
            "mode": "keyframe",
            "duration": 5,
            "outputResolution": "720p",
            "aspectRatio": "16:9",
            "generate_audio": True,
        },
    )


def test_an_image_order():
    order = ordered("gpt-image-2", quality="high", resolution="2k", outputFormat="jpeg")
    assert (order.kind, order.quality, order.resolution) == (MediaKind.IMAGE, "high", "2k")
    assert (order.file_format, order.last_frame, order.audio) == ("jpeg", False, False)
    assert (order.size, order.duration_s) == (Size(width=2048, height=2048), 0)
    assert order.inputs["background"] == "auto"
    assert ordered("gpt-image-2").file_format == "png"
    assert ordered("gpt-image-2", outputFormat="jpg").file_format == "jpeg"


def test_an_audio_order():
    order = ordered("kinetoscope-soundscape", duration=12)
    assert (order.kind, order.file_format, order.audio) == (MediaKind.AUDIO, "wav", True)
    assert (order.size, order.sizes, order.duration_s) == (None, (), 12)


def test_a_silent_clip_and_a_mov():
    assert ordered("seedance2-5", generate_audio=False, output_format="mov").audio is False
    assert ordered("seedance2-5", output_format="mov").file_format == "mov"
    assert ordered("wan3.0-text-to-video", audio=False).audio is False


def test_an_edit_has_no_duration_of_its_own():
    order = ordered("seedance2-5-edit", videoUrls=[VIDEO], duration=9, aspectRatio="1:1")
    assert (order.duration_s, order.size) == (0, None)
    assert "duration" not in order.inputs


@pytest.mark.parametrize("name", ["nonsense", "negativePrompt", "autofix", "", "\ud800", "model"])
def test_unknown_inputs_are_ignored(name: str):
    assert ordered("seedance-20", **{name: {"deep": [1, 2]}}) == ordered("seedance-20")


def test_null_counts_as_not_given():
    empty: dict[str, object] = {"duration": None, "imageUrls": None, "seed": None}
    assert ordered("seedance-20", **empty) == ordered("seedance-20")
    assert issues("seedance-20", {"prompt": None})[0].message == "Required"


@pytest.mark.parametrize(
    ("inputs", "received"),
    [(None, "null"), ([], "array"), ("x", "string"), (1.5, "number"), (True, "boolean")],
)
def test_inputs_must_be_an_object(inputs: object, received: str):
    assert issues("seedance-20", inputs) == [
        InputIssue("invalid_type", f"Expected object, received {received}", ())
    ]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"prompt": 7}, "invalid_type", "Expected string, received number"),
        ({"prompt": "  \n"}, "too_small", "String must contain at least 1 character(s)"),
        ({"prompt": "x" * 10_001}, "too_big", "String must contain at most 10000 character(s)"),
        (
            {"prompt": "a\0b"},
            "custom",
            "Text must not contain NUL or lone surrogate characters",
        ),
        (
            {"prompt": "a\ud83d"},
            "custom",
            "Text must not contain NUL or lone surrogate characters",
        ),
        ({"duration": 3}, "too_small", "Number must be greater than or equal to 4"),
        ({"duration": 16}, "too_big", "Number must be less than or equal to 15"),
        ({"duration": 10**40}, "too_big", "Number must be less than or equal to 15"),
        ({"duration": 5.5}, "invalid_type", "Expected integer, received float"),
        ({"duration": True}, "invalid_type", "Expected number, received boolean"),
        ({"duration": NAN}, "invalid_type", "Expected number, received nan"),
        ({"duration": math.inf}, "not_finite", "Number must be finite"),
        ({"duration": 1e300}, "too_big", "Number must be less than or equal to 15"),
        ({"duration": "5 s"}, "invalid_type", "Expected number, received string"),
        ({"duration": "\u0665"}, "invalid_type", "Expected number, received string"),
        ({"duration": ""}, "invalid_type", "Expected number, received string"),
        ({"duration": "16s"}, "too_big", "Number must be less than or equal to 15"),
        ({"seed": "7"}, "invalid_type", "Expected number, received string"),
        ({"seed": -2}, "too_small", "Number must be greater than or equal to -1"),
        ({"seed": 2**32}, "too_big", "Number must be less than or equal to 4294967295"),
        ({"generate_audio": "yes"}, "invalid_type", "Expected boolean, received string"),
        ({"generate_audio": 1}, "invalid_type", "Expected boolean, received number"),
        (
            {"outputResolution": "2k"},
            "invalid_enum_value",
            "Invalid enum value. Expected '480p' | '720p' | '1080p' | '4k', received '2k'",
        ),
        (
            {"outputResolution": 720},
            "invalid_type",
            "Expected '480p' | '720p' | '1080p' | '4k', received number",
        ),
        (
            {"mode": "both"},
            "invalid_enum_value",
            "Invalid enum value. Expected 'keyframe' | 'reference', received 'both'",
        ),
        (
            {"bitrate_mode": "low"},
            "invalid_enum_value",
            "Invalid enum value. Expected 'high', received 'low'",
        ),
        ({"imageUrls": IMAGE}, "invalid_type", "Expected array, received string"),
        ({"imageUrls": [IMAGE] * 10}, "too_big", "Array must contain at most 9 element(s)"),
        ({"videoUrls": [VIDEO] * 4}, "too_big", "Array must contain at most 3 element(s)"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, object], code: str, message: str):
    (name,) = given
    assert issues("seedance-20", {"prompt": "a boat"} | given) == [
        InputIssue(code, message, (name,))
    ]


def test_a_closed_list_of_shapes():
    assert issue("seedance-20", aspectRatio="5:4").code == "invalid_enum_value"
    assert issue("wan3.0-text-to-video", aspectRatio="21:9").code == "invalid_enum_value"


def test_what_was_received_is_shown_short_and_printable():
    shown = issue("seedance-20", mode="\0\ud800" + "x" * 10_000).message
    assert len(shown) < 160
    assert "\0" not in shown
    shown.encode()


def test_every_issue_is_told_at_once():
    found = issues(
        "seedance-20",
        {"duration": 99, "generate_audio": "yes", "imageUrls": [1, "ftp://x/y", IMAGE]},
    )
    assert {(one.code, one.path) for one in found} == {
        ("too_big", ("duration",)),
        ("invalid_type", ("generate_audio",)),
        ("invalid_type", ("imageUrls", 0)),
        ("invalid_string", ("imageUrls", 1)),
        ("invalid_type", ("prompt",)),
    }


def test_required_inputs_have_the_words_of_the_pages():
    source = InputIssue(
        "custom", "At least one reference video (videoUrls) is required.", ("videoUrls",)
    )
    assert issue("seedance2-5-edit") == source
    assert issue("seedance2-5-edit", videoUrls=[]) == source
    duration = InputIssue("custom", "Duration must be between 4 and 30 seconds", ("duration",))
    assert issues("seedance2-5-extend", {"prompt": "x"}) == [source, duration]
    assert issue("seedance2-5-extend", videoUrls=[VIDEO], duration=31) == duration
    assert issue("wan3.0-image-to-video").message == (
        "At least one reference image (imageUrls) is required."
    )
    assert issues("gpt-image-2", {}) == [InputIssue("invalid_type", "Required", ("prompt",))]


def test_wan_turns_away_media_it_cannot_use():
    for name, url in (("imageUrls", IMAGE), ("videoUrls", VIDEO), ("audioUrls", AUDIO)):
        assert issue("wan3.0-text-to-video", **{name: [url]}) == InputIssue(
            "custom", f"{name} is not accepted by this model.", (name,)
        )
        assert ordered("wan3.0-text-to-video", **{name: []}).references == ()
    found = issue("wan3.0-image-to-video", imageUrls=[IMAGE], audioUrls=[AUDIO])
    assert found.path == ("audioUrls",)


def test_wan_seeds_start_at_zero():
    assert issue("wan3.0-text-to-video", seed=-1).code == "too_small"


@pytest.mark.parametrize("value", [5, 5.0, "5", "5s"])
def test_a_duration_may_be_written_the_old_ways(value: JSON):
    order = ordered("seedance-20", duration=value)
    assert order.duration_s == 5
    assert type(order.inputs["duration"]) is int


@pytest.mark.parametrize(("seed", "expected"), [(-1, None), (0, 0), (4294967295, 4294967295)])
def test_seeds(seed: int, expected: int | None):
    assert ordered("seedance-20", seed=seed).seed == expected


def test_transparent_backgrounds_need_png():
    order = ordered("gpt-image-2.5-flare", background="transparent")
    assert order.inputs["background"] == "transparent"
    assert issue("gpt-image-2.5-flare", background="transparent", outputFormat="jpeg") == (
        InputIssue("custom", "A transparent background needs outputFormat png.", ("background",))
    )
    assert issue("gpt-image-2", background="transparent").code == "invalid_enum_value"


def test_automatic_quality_is_the_lowest():
    order = ordered("gpt-image-2.5-sunburst", quality="auto")
    assert (order.quality, order.inputs["quality"]) == ("low", "low")


@pytest.mark.parametrize(
    ("model_id", "name", "asked", "got"),
    [
        ("seedance2-fast", "outputResolution", "1080p", "720p"),
        ("seedance2-fast", "outputResolution", "360p", "480p"),
        ("seedance-20", "outputResolution", "2k", "1080p"),
        ("seedance-20", "outputResolution", "4K", "4k"),
        ("seedance2-5", "outputResolution", "4k", "1080p"),
        ("seedance2-5", "outputResolution", "ultra", "720p"),
        ("nanobanana2", "resolution", "1k", "2k"),
        ("seedream-5.0-pro", "resolution", "4k", "2k"),
    ],
)
def test_auto_fix_takes_the_nearest_resolution(model_id: str, name: str, asked: str, got: str):
    assert issue(model_id, **{name: asked}).path == (name,)
    assert fixed(model_id, **{name: asked}).resolution == got
    assert ordered(model_id, autoFix=True, **{name: asked}).resolution == got


def test_auto_fix_fixes_nothing_else():
    for wrong in ({"outputResolution": 720}, {"duration": 99}, {"aspectRatio": "5:4"}):
        with pytest.raises(InvalidInputs):
            fixed("seedance-20", **wrong)


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_examples_are_valid_and_checking_twice_changes_nothing(model: Model):
    media = {field.name: [f"https://example.com/{field.kind}"] for field in model.media}
    for prompt in model.examples:
        order = check(model, {"prompt": prompt, "duration": 5} | media)
        assert check(model, dict(order.inputs)) == order
