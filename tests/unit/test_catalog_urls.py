"""Which URLs may be references."""

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.check import check
from kinetoscope.kernel.errors import InputIssue, InvalidInputs
from kinetoscope.kernel.order import Order

CATALOG = spec.builtin()
IMAGE = "https://example.com/a.png"


def ordered(model_id: str, **inputs: object) -> Order:
    return check(CATALOG.find(model_id), {"prompt": "a boat"} | inputs)


def issue(model_id: str, **inputs: object) -> InputIssue:
    with pytest.raises(InvalidInputs) as refused:
        ordered(model_id, **inputs)
    (only,) = refused.value.issues
    return only


DATA = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "url",
    [
        IMAGE,
        "HTTPS://EXAMPLE.COM/A.PNG?x=1#y",
        "http://127.0.0.1:8000/api/v1/uploads/u_1/reference.png?signature=abc",
        "https://example.com/picture",
        "https://example.com/picture?file=a.mp4",
        "https://example.com/render.php",
        "https://münchen.example/straße.jpg",
        "https://cdn.mov",
        "https://cdn.mov/a.b/picture",
        DATA,
        DATA.upper().replace("BASE64", "base64"),
        "data:image/jpeg;charset=binary;base64,/9j/",
    ],
)
def test_references_that_may_be_images(url: str):
    (reference,) = ordered("seedance-20", imageUrls=[url]).references
    assert reference.url == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (7, "invalid_type"),
        (None, "invalid_type"),
        ("", "invalid_string"),
        ("example.com/a.png", "invalid_string"),
        ("ftp://example.com/a.png", "invalid_string"),
        ("file:///etc/passwd", "invalid_string"),
        ("https://", "invalid_string"),
        ("https:///a.png", "invalid_string"),
        ("https://example.com/a b.png", "invalid_string"),
        ("https://example.com/a.png\n", "invalid_string"),
        ("https://example.com/\0", "invalid_string"),
        ("https://example.com/\ud800", "custom"),
        ("https://example.com/" + "x" * 2048, "too_big"),
        ("https://example.com/a.gif", "custom"),
        ("https://example.com/a.MP4?x", "custom"),
        ("data:image/png,abc", "invalid_string"),
        ("data:image/png;base64,", "invalid_string"),
        ("data:image/png;base64,ä", "invalid_string"),
        ("data:image/png;base64,a\0", "invalid_string"),
        ("data:image/gif;base64,R0lG", "custom"),
        ("data:video/mp4;base64,AAAA", "custom"),
    ],
)
def test_references_that_cannot_be_images(url: object, code: str):
    found = issue("seedance-20", imageUrls=[IMAGE, url])
    assert (found.code, found.path) == (code, ("imageUrls", 1))


def test_a_data_uri_may_be_twenty_mebibytes_long():
    head = "data:image/png;base64,"
    largest = head + "A" * (20 * 1024 * 1024 - len(head))
    assert ordered("gpt-image-2", uploadedUrls=[largest]).inputs["uploadedUrls"] == [largest]
    found = issue("gpt-image-2", uploadedUrls=[largest + "A"])
    assert (found.code, found.path) == ("too_big", ("uploadedUrls", 0))


def test_a_wrong_format_is_named():
    assert issue("seedance-20", imageUrls=["https://x.example/a.gif"]).message == (
        "Unsupported image format '.gif'. Use .jpg, .jpeg, .png or .webp."
    )
    assert issue("seedance-20", audioUrls=["https://x.example/a.mp4"]).message.startswith(
        "Unsupported audio format '.mp4'."
    )


def test_deep_junk_is_only_looked_at_from_outside():
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    found = issue("seedance-20", imageUrls=[deep], extra=deep)
    assert found.message == "Expected string, received array"
