"""What OpenAI is asked for, and what its answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.providers.asking import answer, asked, ordered, sent, unsupported
from tests.providers.case import conversing
from tests.providers.upstream import Fault, Verb, media_of
from tests.providers.wire_openai import CASES

from kinetoscope.kernel.calling import MEBIBYTE, Answer, Call, Malformed
from kinetoscope.kernel.order import JSON, MediaKind, Size, Usage
from kinetoscope.providers.adapter import Ask
from kinetoscope.providers.contract import Done, Idempotency, Kind, Unknown
from kinetoscope.providers.openai import OPENAI

pytestmark = pytest.mark.anyio

CASE = CASES[0]


def call_of(ask: Ask) -> Call:
    call = OPENAI.submit(ask)
    assert isinstance(call, Call), call
    return call


def test_a_picture_of_a_text():
    order = ordered("gpt-image-2", aspectRatio="16:9", resolution="2k", quality="high")
    assert sent(asked(OPENAI, order), OPENAI) == (
        "images/generations",
        {
            "model": "gpt-image-2",
            "prompt": "A fox",
            "n": 1,
            "size": "2752x1536",
            "quality": "high",
            "output_format": "png",
            "background": "auto",
        },
    )


def test_a_picture_of_pictures_is_a_form_with_files_in_their_order():
    order = ordered("gpt-image-2", images=2, aspectRatio="1:1", background="opaque")
    call = call_of(asked(OPENAI, order))
    assert (call.method, call.url, call.json) == ("POST", "images/edits", None)
    assert dict(call.fields) == {
        "model": "gpt-image-2",
        "prompt": "A fox",
        "n": "1",
        "size": "1024x1024",
        "quality": "low",
        "output_format": "png",
        "background": "opaque",
    }
    assert [(part.name, part.filename, part.media_type) for part in call.files] == [
        ("image[]", "image-1.png", "image/png"),
        ("image[]", "image-2.png", "image/png"),
    ]


@pytest.mark.parametrize(("resolution", "size"), [("1k", "1376x768"), ("2k", "2752x1536")])
def test_a_shape_that_is_left_to_the_reference_keeps_its_resolution(resolution: str, size: str):
    order = ordered("gpt-image-2", images=1, aspectRatio="auto", resolution=resolution)
    assert dict(call_of(asked(OPENAI, order)).fields)["size"] == size, "references are 2:1"


def test_a_size_that_nobody_knows_is_left_to_the_upstream():
    order = replace(ordered("gpt-image-2"), size=None, sizes=())
    assert sent(asked(OPENAI, order), OPENAI)[1]["size"] == "auto"


@pytest.mark.parametrize("model", ["gpt-image-2.5-flare", "gpt-image-2.5-sunburst"])
def test_the_finest_qualities_and_a_transparent_background_are_of_2_5(model: str):
    order = ordered(model, quality="max", background="transparent")
    body = sent(asked(OPENAI, order), OPENAI)[1]
    assert (body["model"], body["quality"]) == (model, "max")
    assert body["background"] == "transparent"
    older = replace(order, model="gpt-image-2")
    assert "quality max" in unsupported(asked(OPENAI, older), OPENAI)


@pytest.mark.parametrize(("file_format", "sends"), [("jpeg", 60), ("webp", 60), ("png", None)])
def test_compression_goes_with_formats_that_have_it(file_format: str, sends: JSON):
    order = ordered("gpt-image-2.5-flare", outputCompression=60)
    body = sent(asked(OPENAI, replace(order, file_format=file_format)), OPENAI)[1]
    assert body["output_format"] == file_format
    assert body.get("output_compression") == sends


@pytest.mark.parametrize(
    ("width", "height", "makes"),
    [
        (3840, 2160, True),
        (2160, 3840, True),
        (2880, 2880, True),
        (1536, 512, True),
        (3856, 2144, False),  # a side is over 3840
        (3840, 2176, False),  # over 8,294,400 pixels
        (1600, 512, False),  # over 3:1
        (784, 832, False),  # under 655,360 pixels
        (1000, 1000, False),  # not in steps of 16
    ],
)
def test_sizes_have_limits(width: int, height: int, *, makes: bool):
    order = replace(ordered("gpt-image-2"), size=Size(width=width, height=height))
    if makes:
        assert sent(asked(OPENAI, order), OPENAI)[1]["size"] == f"{width}x{height}"
    else:
        assert f"{width}x{height}" in unsupported(asked(OPENAI, order), OPENAI)


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-2.5-flare"])
@pytest.mark.parametrize("shape", ["1:1", "4:3", "3:4", "16:9", "9:16"])
@pytest.mark.parametrize("resolution", ["1k", "2k", "4k"])
def test_all_of_our_sizes_are_made(model: str, shape: str, resolution: str):
    order = ordered(model, aspectRatio=shape, resolution=resolution)
    assert isinstance(OPENAI.submit(asked(OPENAI, order)), Call)


def test_models_before_2_have_three_sizes_and_others_any():
    order = replace(ordered("gpt-image-2"), size=Size(width=1536, height=1024))
    other = replace(order, size=Size(width=1280, height=1024))
    odd = replace(order, size=Size(width=1000, height=1000))
    for model in ("gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"):
        assert sent(asked(OPENAI, order, model), OPENAI)[1]["size"] == "1536x1024"
        assert unsupported(asked(OPENAI, other, model), OPENAI)
    assert sent(asked(OPENAI, odd, "somebodys-model"), OPENAI)[1]["size"] == "1000x1000"


def test_more_than_it_takes_is_left_to_others():
    assert unsupported(asked(OPENAI, replace(ordered("gpt-image-2"), count=11)), OPENAI)
    ask = asked(OPENAI, ordered("gpt-image-2.5-flare", images=16))
    assert len(call_of(ask).files) == 16
    assert unsupported(replace(ask, attached=(*ask.attached, ask.attached[0])), OPENAI)


def test_a_moving_picture_is_no_reference():
    ask = asked(OPENAI, ordered("gpt-image-2", images=1))
    (attached,) = ask.attached
    moving = replace(attached, fetched=replace(attached.fetched, media_type="image/gif"))
    assert "png, jpeg and webp" in unsupported(replace(ask, attached=(moving,)), OPENAI)


def test_clips_and_what_is_made_of_them_are_left_to_others():
    assert unsupported(asked(OPENAI, ordered("seedance-20"), "sora"), OPENAI)
    clips = replace(ordered("seedance-20", videos=1), kind=MediaKind.IMAGE)
    assert "from pictures" in unsupported(asked(OPENAI, clips, "somebodys-model"), OPENAI)


def test_the_operators_options_count_most_and_an_unset_one_leaves_an_input_out():
    order = ordered("gpt-image-2")
    ask = asked(OPENAI, order, moderation="low", quality="medium", background=None)
    body = sent(ask, OPENAI)[1]
    assert (body["moderation"], body["quality"]) == ("low", "medium")
    assert "background" not in body


def test_a_form_has_words_and_json():
    order = ordered("gpt-image-2", images=1)
    ask = asked(OPENAI, order, partial=True, ratio=0.5, svg={"model": "x"})
    found = dict(call_of(ask).fields)
    assert (found["partial"], found["ratio"], found["svg"]) == ("true", "0.5", '{"model":"x"}')


@pytest.mark.parametrize("count", [1, 10])
def test_an_answer_may_be_as_large_as_the_pictures_are(count: int):
    order = replace(ordered("gpt-image-2"), count=count)
    call = call_of(asked(OPENAI, order))
    assert call.bytes_max >= count * 3840 * 2160 * 4 * 4 // 3, "with transparency, as base64"
    assert call.bytes_max <= count * 64 * MEBIBYTE + MEBIBYTE
    assert call.timeout_s == 600


TOKENS = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 1056,
}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (TOKENS, (10, 40, 1056)),
        (
            TOKENS | {"output_tokens_details": {"text_tokens": 56, "image_tokens": 1000}},
            (10, 40, 1000),
        ),
        ({"input_tokens": 50, "output_tokens": 1056}, (50, 0, 1056)),
        (None, (0, 0, 0)),
    ],
)
def test_tokens_are_counted_by_their_kind(usage: object, tokens: tuple[int, int, int]):
    reading = OPENAI.read(answered({"data": [{"b64_json": "aGk="}], "usage": usage}), JOB)
    text_in, image_in, image_out = tokens
    assert reading.usage == Usage(
        tokens_text_in=text_in, tokens_image_in=image_in, tokens_image_out=image_out
    )


def test_pictures_are_in_the_answer_or_have_addresses():
    items = [{"b64_json": "aGk=", "url": None}, {"url": "https://files.example/2"}]
    reading = OPENAI.read(answered({"created": 1, "data": items}), JOB)
    assert [(output.data, output.url) for output in reading.outputs] == [
        (b"hi", None),
        (None, "https://files.example/2"),
    ]


@pytest.mark.parametrize(
    "body", [{"data": []}, {"data": None}, {"data": [{}]}, {"data": [{"b64_json": "%"}]}, {}, []]
)
def test_an_answer_without_pictures_is_none(body: object):
    with pytest.raises(Malformed):
        OPENAI.read(answered(body), JOB)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "moderation_blocked", Kind.MODERATION),
        (400, "content_policy_violation", Kind.MODERATION),
        (400, "invalid_value", Kind.PERMANENT),
        (400, "invalid_image_file", Kind.PERMANENT),
        (400, "unknown_parameter", Kind.UNSUPPORTED),
        (400, "unsupported_value", Kind.UNSUPPORTED),
        (400, "billing_hard_limit_reached", Kind.ACCOUNT),
        (401, "invalid_api_key", Kind.ACCOUNT),
        (403, "unsupported_country_region_territory", Kind.ACCOUNT),
        (403, None, Kind.ACCOUNT),
        (404, "model_not_found", Kind.UNSUPPORTED),
        (409, None, Kind.TEMPORARY),
        (413, None, Kind.PERMANENT),
        (429, "rate_limit_exceeded", Kind.TEMPORARY),
        (429, "credit_balance_exhausted", Kind.ACCOUNT),
    ],
)
def test_a_refusal_is_told_by_its_code_or_else_its_status(
    status: int, code: str | None, kind: Kind
):
    error = {"message": "No.", "type": "invalid_request_error", "param": None, "code": code}
    refused = OPENAI.refusal(answer(status, {"error": error}, {"retry-after": "7"}))
    assert (refused.kind, refused.message, refused.retry_after_s) == (kind, "No.", 7)


def test_no_funds_are_told_by_the_type_where_the_code_is_a_new_one():
    error = {"message": "No.", "type": "insufficient_quota", "code": "some_limit_exceeded"}
    assert OPENAI.refusal(answer(429, {"error": error})).kind is Kind.ACCOUNT


def test_a_refusal_in_no_shape_at_all_is_told_by_its_status():
    refused = OPENAI.refusal(Answer(status=413, headers={}, body=b"<html>Too large</html>"))
    assert refused.kind is Kind.PERMANENT
    assert refused.message == "The provider refused the request."


async def test_a_reference_is_a_file(tmp_path: Path):
    async with conversing(CASE) as (provider, upstream):
        done = await provider.submit(CASE.job_with_image(tmp_path))
        assert isinstance(done, Done), done
        assert upstream.uploads == {"image-1": media_of(MediaKind.IMAGE)[1]}
        assert upstream.only.body["size"] == "1376x768"
        assert done.usage == Usage(tokens_text_in=10, tokens_image_in=40, tokens_image_out=1050)


async def test_an_answer_that_takes_too_long_is_no_verdict_and_nothing_is_sent_again(
    tmp_path: Path,
):
    impatient = replace(OPENAI, submit=lambda ask: replace(call_of(ask), timeout_s=0.2))
    async with conversing(replace(CASE, adapter=impatient)) as (provider, upstream):
        upstream.fault(Verb.SUBMIT, Fault(status=200, body="late", handled=True, stall_s=1))
        assert isinstance(await provider.submit(CASE.job(tmp_path)), Unknown)
        assert len(upstream.of(Verb.SUBMIT)) == 1
        assert len(upstream.jobs) == 1, "it was made, and is paid"
    assert provider.idempotency is Idempotency.NEITHER


def answered(body: object) -> Answer:
    return answer(200, body)


JOB = asked(OPENAI, ordered("gpt-image-2")).job
