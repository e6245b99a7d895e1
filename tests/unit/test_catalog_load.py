"""The loader refuses what it does not understand, and says where."""

import time
from pathlib import Path

import pytest

from kinetoscope.catalog import spec
from kinetoscope.catalog.model import Model
from kinetoscope.kernel.toml_tables import DeclarationInvalid

GOOD = """
family = "test"
kind = "video"
file_format = "mp4"
shape = "16:9"
[inputs.prompt]
type = "text"
title = "Prompt"
description = "What to show."
required = true
length_max = 100
[inputs.duration]
type = "integer"
title = "Duration"
description = "Seconds."
minimum = 1
maximum = 10
default = 5
[inputs.outputResolution]
type = "choice"
title = "Resolution"
description = "How large."
options = ["480p", "720p"]
default = "720p"
aliases = ["resolution"]
[inputs.aspectRatio]
type = "choice"
title = "Shape"
description = "The shape."
options = ["16:9", "adaptive"]
default = "16:9"
synonyms = { auto = "adaptive" }
[inputs.output_format]
type = "choice"
title = "Format"
description = "The container."
options = ["mp4", "mov"]
default = "mp4"
[inputs.imageUrls]
type = "media"
kind = "image"
title = "Images"
description = "References."
items_max = 2
[sizes.480p]
"16:9" = [854, 480]
[sizes.720p]
"16:9" = [1280, 720]
[[model]]
id = "test-video"
title = "Test"
description = "A test."
examples = ["x"]
[model.price]
unit = "second"
rates = { 480p = "1", 720p = "2.17" }
"""


def loaded(folder: Path, text: str) -> spec.Catalog:
    (folder / "test.toml").write_text(text, encoding="utf-8")
    return spec.load(folder)


def test_the_example_loads(tmp_path: Path):
    (tmp_path / "README.md").write_text("not a declaration")
    catalog = loaded(tmp_path, GOOD)
    assert [model.id for model in catalog.models] == ["test-video"]
    assert catalog.find("test-video").defaults["duration"] == 5


BROKEN = [
    ('shape = "16:9"', "shape = ", "file"),
    ('shape = "16:9"', 'shape = "1:1"', "shape"),
    ('shape = "16:9"', "", "shape"),
    ('family = "test"', 'family = "test"\nfamly = "x"', "famly"),
    ('family = "test"', "", "family"),
    ('family = "test"', "family = 5", "family"),
    ('family = "test"', 'family = " "', "family"),
    ('family = "test"', 'family = "test"\nroles = "all"', "model[test-video].roles"),
    ('family = "test"', 'family = "test"\nroles = "source"', "model[test-video].roles"),
    ('family = "test"', 'family = "test"\nfollows = "never"', "model[test-video].follows"),
    ('kind = "video"\nfile', 'kind = "film"\nfile', "kind"),
    ('file_format = "mp4"', 'file_format = "png"', "file_format"),
    ("required = true", "required = 1", "inputs.prompt.required"),
    ("length_max = 100", "length_max = 0", "inputs.prompt.length_max"),
    ("length_max = 100", "", "inputs.prompt.length_max"),
    ("length_max = 100", "length_max = 100\nmaxlength = 5", "inputs.prompt.maxlength"),
    ('type = "text"', 'type = "prose"', "inputs.prompt.type"),
    ('type = "text"', "", "inputs.prompt.type"),
    ("[inputs.prompt]", "[inputs.text]", "model[test-video].inputs.prompt"),
    ("[inputs.prompt]", '[inputs]\nprompt = "x"\n[other]', "inputs.prompt"),
    ('type = "integer"', 'type = "boolean"', "inputs.duration.default"),
    ("default = 5", "default = 11", "inputs.duration.default"),
    ("default = 5", 'default = "5"', "inputs.duration.default"),
    ("default = 5", "", "model[test-video].inputs.duration"),
    ("minimum = 1\n", "minimum = 0\n", "model[test-video].inputs.duration.minimum"),
    ("minimum = 1\n", "minimum = 11\n", "inputs.duration.minimum"),
    ("maximum = 10", "maximum = 9223372036854775808", "inputs.duration.maximum"),
    ("maximum = 10", "maximum = 10.0", "inputs.duration.maximum"),
    ('default = "720p"', 'default = "1080p"', "inputs.outputResolution.default"),
    ('default = "720p"', "", "model[test-video].inputs.outputResolution"),
    ('default = "720p"', 'otherwise = "999p"', "inputs.outputResolution.otherwise"),
    ('["480p", "720p"]', '["480p", "720p", "720p"]', "inputs.outputResolution.options"),
    ('["480p", "720p"]', '["480p", 720]', "inputs.outputResolution.options"),
    ('["480p", "720p"]', "[]", "inputs.outputResolution.options"),
    ('["480p", "720p"]', '["480p", "720p", "1080p"]', "model[test-video].sizes"),
    ('["resolution"]', '["duration"]', "model[test-video].inputs.outputResolution.aliases"),
    (
        "items_max = 2",
        'items_max = 2\naliases = ["resolution"]',
        "model[test-video].inputs.imageUrls.aliases",
    ),
    ('auto = "adaptive"', 'auto = "9:16"', "inputs.aspectRatio.synonyms.auto"),
    ('auto = "adaptive"', '"16:9" = "adaptive"', "inputs.aspectRatio.synonyms.16:9"),
    ('["16:9", "adaptive"]', '["16:9", "adaptive", "1:1"]', "model[test-video].sizes"),
    ('["mp4", "mov"]', '["mp4", "gif"]', "model[test-video].inputs.output_format"),
    ('kind = "image"', 'kind = "film"', "inputs.imageUrls.kind"),
    ("items_max = 2", "items_max = -1", "inputs.imageUrls.items_max"),
    *(
        ("items_max = 2", f"items_max = 2\n{bounds}", f"inputs.imageUrls.{key}")
        for bounds, key in (
            ("side_pixels_min = 0", "side_pixels_min"),
            ('side_pixels_max = "6000"', "side_pixels_max"),
            ("side_pixels_min = 301\nside_pixels_max = 300", "side_pixels_min"),
            ("never_alone = 1", "never_alone"),
            ("dispensable = 1", "dispensable"),
            # A picture has no length.
            ("item_s_min = 1", "item_s_min"),
            ("item_s_max = 1", "item_s_max"),
            ("total_s_max = 1", "total_s_max"),
            ("total_with_output_s_max = 1", "total_with_output_s_max"),
        )
    ),
    ("[854, 480]", "[854]", "sizes.480p.16:9"),
    ("[854, 480]", "[854, -480]", "sizes.480p.16:9"),
    ("[854, 480]", '"854x480"', "sizes.480p.16:9"),
    ('"16:9" = [854, 480]', '"wide" = [854, 480]', "sizes.480p.wide"),
    ("[sizes.720p]", "[sizes.1080p]", "model[test-video].sizes"),
    ('id = "test-video"', "", "model[?].id"),
    ('examples = ["x"]', "examples = []", "model[test-video].examples"),
    ('examples = ["x"]', 'examples = ["x"]\ncount = 0', "model[test-video].count"),
    ('examples = ["x"]', 'examples = ["x"]\ncots = 4', "model[test-video].cots"),
    (
        'examples = ["x"]',
        'examples = ["x"]\nrefuses = ["imageUrls"]',
        "model[test-video].refuses",
    ),
    ('unit = "second"', 'unit = "minute"', "model[test-video].price.unit"),
    ('unit = "second"', 'unit = "second"\nprize = "1"', "model[test-video].price.prize"),
    ('480p = "1", ', "", "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "1", 4k = "9"', "model[test-video].price.rates.4k"),
    ('480p = "1"', "480p = 1", "model[test-video].price.rates.480p"),
    ('480p = "1"', "480p = 1.5", "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "1.234"', "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "-1"', "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "0"', "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "100000000.01"', "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "NaN"', "model[test-video].price.rates.480p"),
    ('480p = "1"', '480p = "one"', "model[test-video].price.rates.480p"),
    ('{ 480p = "1", 720p = "2.17" }', '"1"', "model[test-video].price.rates"),
    (
        'unit = "second"\n',
        'unit = "footage_second"\n',
        "model[test-video].price.rates_with_video.480p",
    ),
    ('unit = "second"\n', 'unit = "token"\n', "model[test-video].price.precharge"),
    ('unit = "second"\n', 'unit = "task"\n', "model[test-video].price.price"),
    ('unit = "second"\n', 'unit = "edited_second"\n', "model[test-video].price.hold_s"),
]


@pytest.mark.parametrize(("good", "broken", "key"), BROKEN)
def test_a_broken_declaration_names_file_and_key(tmp_path: Path, good: str, broken: str, key: str):
    assert GOOD.count(good) == 1
    with pytest.raises(DeclarationInvalid) as refused:
        loaded(tmp_path, GOOD.replace(good, broken))
    assert (refused.value.file, refused.value.key) == ("test.toml", key)
    assert str(refused.value) == f"test.toml: {key}: {refused.value.reason}"


def test_models_without_any(tmp_path: Path):
    with pytest.raises(DeclarationInvalid, match=r"test.toml: model: must be a list of tables"):
        loaded(tmp_path, 'family = "x"\nkind = "video"\nmodel = []')


def test_an_id_is_declared_once(tmp_path: Path):
    (tmp_path / "another.toml").write_text(GOOD)
    with pytest.raises(DeclarationInvalid, match=r"test.toml: model\[test-video\].id: is declared"):
        loaded(tmp_path, GOOD)


def test_two_inputs_of_one_kind_of_media(tmp_path: Path):
    second = '[inputs.more]\ntype = "media"\nkind = "image"\ntitle = "M"\n'
    second += 'description = "More."\nitems_max = 1\n[sizes.480p]'
    with pytest.raises(DeclarationInvalid, match="two inputs take the same kind"):
        loaded(tmp_path, GOOD.replace("[sizes.480p]", second))


@pytest.mark.parametrize(
    ("kind", "bounds", "key"),
    [
        ("video", "item_s_min = 2\nitem_s_max = 30\nside_pixels_max = 4096", None),
        ("video", "item_s_min = 15\nitem_s_max = 15\ntotal_with_output_s_max = 30", None),
        ("video", "item_s_min = 16\nitem_s_max = 15", "item_s_min"),
        ("video", "total_s_max = 1.5", "total_s_max"),
        ("audio", "total_s_max = 15\nnever_alone = true", None),
        ("audio", "side_pixels_min = 300", "side_pixels_min"),
        ("audio", "side_pixels_max = 300", "side_pixels_max"),
    ],
)
def test_media_is_bounded_by_what_it_has(tmp_path: Path, kind: str, bounds: str, key: str | None):
    text = GOOD.replace('kind = "image"', f'kind = "{kind}"').replace("imageUrls", "mediaUrls")
    text = text.replace("items_max = 2", f"items_max = 2\n{bounds}")
    if key is None:
        assert loaded(tmp_path, text).find("test-video").media[0].kind == kind
        return
    with pytest.raises(DeclarationInvalid) as refused:
        loaded(tmp_path, text)
    assert refused.value.key == f"inputs.mediaUrls.{key}"


def test_names_that_mean_something_have_one_type(tmp_path: Path):
    text = GOOD.replace("[inputs.imageUrls]", "[inputs.seed]")
    with pytest.raises(DeclarationInvalid, match=r"inputs\.seed\.type: must be integer"):
        loaded(tmp_path, text)


def test_pictures_need_sizes(tmp_path: Path):
    text = GOOD.replace('[sizes.480p]\n"16:9" = [854, 480]', "")
    text = text.replace('[sizes.720p]\n"16:9" = [1280, 720]', "").replace('shape = "16:9"', "")
    with pytest.raises(DeclarationInvalid, match="sizes: is missing"):
        loaded(tmp_path, text)


def test_numbers_are_numbers(tmp_path: Path):
    field = '[inputs.level]\ntype = "number"\ntitle = "L"\ndescription = "L."\noptions = ["1"]\n'
    with pytest.raises(
        DeclarationInvalid, match=r"inputs\.level\.options: must be a list of numbers"
    ):
        loaded(tmp_path, GOOD.replace("[sizes.480p]", field + "[sizes.480p]"))


def test_footage_prices_without_a_plain_rate_need_a_source(tmp_path: Path):
    price = 'unit = "footage_second"\nfootage_max_s = 30\nrates_with_video = '
    text = GOOD.replace('unit = "second"\nrates = ', price)
    with pytest.raises(DeclarationInvalid, match=r"model\[test-video\].inputs.videoUrls"):
        loaded(tmp_path, text)


def test_an_image_price_by_quality_needs_every_quality(tmp_path: Path):
    quality = '[inputs.quality]\ntype = "choice"\ntitle = "Q"\ndescription = "Q."\n'
    quality += 'options = ["low", "high"]\n{}\n[sizes.480p]'
    text = GOOD.replace('unit = "second"', 'unit = "image"').replace("rates = {", "rates.low = {")
    defaulted = text.replace("[sizes.480p]", quality.format('default = "low"'))
    with pytest.raises(DeclarationInvalid, match=r"price\.rates\.high\.480p: is missing"):
        loaded(tmp_path, defaulted)
    open_ended = text.replace("[sizes.480p]", quality.format(""))
    both = open_ended + 'rates.high = { 480p = "3", 720p = "4" }\n'
    with pytest.raises(DeclarationInvalid, match=r"inputs.quality: sets the price"):
        loaded(tmp_path, both)


def test_the_packaged_models_load_fast():
    started = time.perf_counter()
    catalog = spec.load(Path(spec.__file__).parent / "models")
    assert time.perf_counter() - started < 1, "about 10 ms on an idle machine"
    assert catalog.models == spec.builtin().models
    assert spec.builtin() is spec.builtin()


def test_the_packaged_models():
    assert sorted(spec.builtin().models_by_id) == sorted(
        [
            *("seedance-20", "seedance2-fast", "seedance2.0-mini"),
            *("seedance2-5", "seedance2-5-edit", "seedance2-5-extend"),
            *("wan3.0-text-to-video", "wan3.0-image-to-video", "wan3.0-ref-to-video"),
            "wan3.0-prime-text-to-video",
            "wan3.0-prime-image-to-video",
            "wan3.0-prime-ref-to-video",
            *("gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"),
            *("seedream-5.0-pro", "nanobanana2", "nanobanana-pro"),
            *("midjourney-v8", "midjourney-v7-niji", "midjourney-v7"),
            "kinetoscope-soundscape",
        ]
    )


@pytest.mark.parametrize("model", spec.builtin().models, ids=lambda model: model.id)
def test_every_model_introduces_itself(model: Model):
    assert 2 <= len(model.examples) <= 3
    assert model.description.endswith(".")
    assert "\n" not in model.description
    assert all(field.description.endswith(".") for field in model.fields)
