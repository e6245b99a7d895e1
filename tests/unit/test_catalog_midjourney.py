"""What only Midjourney allows: unknown shapes, long prompts, and flags in the prompt."""

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.check import check
from kinetoscope.kernel.errors import InputIssue, InvalidInputs
from kinetoscope.kernel.order import JSON, Order, Size

CATALOG = spec.builtin()
IMAGE = "https://example.com/a.png"
NAN = float("nan")


def ordered(model_id: str, **inputs: object) -> Order:
    return check(CATALOG.find(model_id), {"prompt": "a boat"} | inputs)


def issue(model_id: str, **inputs: object) -> InputIssue:
    with pytest.raises(InvalidInputs) as refused:
        ordered(model_id, **inputs)
    (only,) = refused.value.issues
    return only


def test_midjourney_runs_an_unknown_shape_as_a_square():
    for shape in ("7:5", "auto", "", "\ud800"):
        order = ordered("midjourney-v8", aspectRatio=shape)
        assert order.size == Size(width=1024, height=1024)
        assert order.inputs["aspectRatio"] == "1:1"
    assert issue("midjourney-v8", aspectRatio=1).code == "invalid_type"


def test_midjourney_cuts_long_prompts():
    order = ordered("midjourney-v8", prompt="x" * 7000)
    assert (len(order.prompt), order.count, order.file_format) == (6000, 4, "png")


@pytest.mark.parametrize("quality", [0.25, 0.5, 1, 1.0])
def test_midjourney_qualities(quality: float):
    assert ordered("midjourney-v8", quality=quality).quality == str(round(quality, 2)).removesuffix(
        ".0"
    )


def test_midjourney_refuses_other_words_and_numbers():
    assert issue("midjourney-v8", quality=2).code == "invalid_enum_value"
    assert issue("midjourney-v8", quality="1").code == "invalid_type"
    assert issue("midjourney-v8", quality=NAN).code == "invalid_type"
    assert issue("midjourney-v8", style="soft").code == "invalid_enum_value"
    assert issue("midjourney-v8", uploadedUrls=[IMAGE, IMAGE]).code == "too_big"
    assert ordered("midjourney-v8", no="  ").inputs.get("no") is None
    assert ordered("midjourney-v8", no="text, logo").inputs["no"] == "text, logo"


@pytest.mark.parametrize(
    ("prompt", "left", "lifted"),
    [
        ("a boat --ar 16:9", "a boat", {"aspectRatio": "16:9"}),
        ("--ar 3:2 a boat", "a boat", {"aspectRatio": "3:2"}),
        ("a --s 50 boat --seed 7", "a boat", {"stylize": 50, "seed": 7}),
        ("a boat --ar 7:5", "a boat --ar 7:5", {}),
        ("a boat --stylize 5000", "a boat --stylize 5000", {}),
        ("a boat --tile --cref x --ar 1:1", "a boat --tile --cref x", {"aspectRatio": "1:1"}),
        ("a boat --no --ar", "a boat --no --ar", {}),
        ("a--ar 16:9", "a--ar 16:9", {}),
        ("a boat --ar 1:1 --ar 2:3", "a boat", {"aspectRatio": "2:3"}),
    ],
)
def test_midjourney_flags_in_the_prompt(prompt: str, left: str, lifted: dict[str, JSON]):
    order = ordered("midjourney-v8", prompt=prompt, aspectRatio="4:5")
    assert order.prompt == left
    assert lifted.items() <= order.inputs.items()
    assert order.inputs["aspectRatio"] == lifted.get("aspectRatio", "4:5")
    assert ordered("gpt-image-2", prompt=prompt).prompt == prompt


def test_a_prompt_of_flags_alone_is_empty():
    assert issue("midjourney-v8", prompt="--ar 16:9").code == "too_small"
