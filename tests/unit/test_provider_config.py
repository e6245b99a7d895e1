"""Files of providers: what they may say, and which line is wrong where they do not."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from kinetoscope.providers.config import (
    Configured,
    ModelRoute,
    ProviderConfig,
    key_word,
    read_providers,
)
from kinetoscope.providers.cost import Cost, Rate, Unit

GOOD = """\
adapter = "byteplus"
base_url = "https://ark.example.com/api/v3/"
queue = "hosted-eu"
order = 2
weight = 3
result_origins = ["https://Files.example.com", "http://10.0.0.7:9000"]
key_name = "byteplus"

[options]
watermark = false
service_tier = "flex"

[models."seedance-20"]
upstream = "dreamina-seedance-2-0"
options = { camera = { fixed = true }, list = [1, 2.5, "x"] }
cost = { unit = "second", usd = { 720p = "0.10", 1080p = "0.235001" } }

[models."gpt-image-2"]
upstream = "x/y"

[[models."gpt-image-2".cost]]
unit = "token_1000_in"
usd = "0.005"
[[models."gpt-image-2".cost]]
unit = "task"
usd = "1"
"""


def read(folder: Path, **files: str) -> Configured:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_providers(folder)


def said(configured: Configured, folder: Path) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in configured.problems]


def test_a_file_says_all_there_is_to_say(tmp_path: Path):
    configured = read(tmp_path, **{"ark-eu": GOOD})
    assert configured.problems == ()
    (config,) = configured.providers
    assert (config.name, config.adapter) == ("ark-eu", "byteplus")
    assert config.base_url == "https://ark.example.com/api/v3"
    assert (config.queue, config.order, config.weight) == ("hosted-eu", 2, 3)
    assert config.key_name == "byteplus"
    assert config.result_origins == {"https://files.example.com", "http://10.0.0.7:9000"}
    assert config.options == {"watermark": False, "service_tier": "flex"}
    assert config.models == {
        "seedance-20": ModelRoute(
            upstream="dreamina-seedance-2-0",
            options={"camera": {"fixed": True}, "list": [1, 2.5, "x"]},
            cost=Cost(
                rates=(Rate(unit=Unit.SECOND, usd_micros={"720p": 100_000, "1080p": 235_001}),)
            ),
        ),
        "gpt-image-2": ModelRoute(
            upstream="x/y",
            options={},
            cost=Cost(
                rates=(
                    Rate(unit=Unit.TOKEN_1000_IN, usd_micros={"": 5000}),
                    Rate(unit=Unit.TASK, usd_micros={"": 1_000_000}),
                )
            ),
        ),
    }


def test_an_adapter_alone_is_enough(tmp_path: Path):
    (config,) = read(tmp_path, fal='adapter = "fal"').providers
    assert (config.base_url, config.queue, config.order) == (None, None, None)
    assert (config.weight, config.key_name, config.models) == (1, None, None)
    assert (config.result_origins, config.options) == (frozenset(), {})


def test_no_models_are_not_the_adapters_own(tmp_path: Path):
    (config,) = read(tmp_path, fal='adapter = "fal"\n[models]').providers
    assert config.models == {}


BAD = [
    ('adapter = "byteplus"\n', "", 1, "adapter: is missing"),
    ('adapter = "byteplus"', 'adapter = "Byte Plus"', 1, "adapter: must be small letters"),
    ('adapter = "byteplus"', 'adaptor = "byteplus"', 1, "adapter: is missing"),
    ("weight = 3", "wait = 3", 5, "wait: unknown key"),
    ("weight = 3", "weight = -1", 5, "weight: must lie between 0 and 10000"),
    ("weight = 3", "weight = 10001", 5, "weight: must lie between 0 and 10000"),
    ("order = 2", "order = 1.5", 4, "order: must be a whole number"),
    ("order = 2", "order = 1001", 4, "order: must lie between"),
    ('queue = "hosted-eu"', 'queue = "Hosted EU"', 3, "queue: must be small letters"),
    ('queue = "hosted-eu"', 'queue = "webhooks"', 3, "queue: must not be webhooks, which is for"),
    ('"https://ark.example.com/api/v3/"', '"ark.example.com"', 2, "base_url: is not an http"),
    ('"https://ark.example.com/api/v3/"', '"https://u:p@x"', 2, "base_url: must not hold a name"),
    ('"https://Files.example.com"', '"files.example.com"', 6, "result_origins: must be such as"),
    ('"https://Files.example.com"', '"https://a/path"', 6, "result_origins: must be such as"),
    ('"https://Files.example.com"', '"https://u@a"', 6, "result_origins: must be such as"),
    ("watermark = false", "watermark = 2026-11-24", 10, "options.watermark: is nothing that JSON"),
    ("watermark = false", "watermark = [nan]", 10, "options.watermark: is nothing that JSON"),
    ("watermark = false", "watermark = 9007199254740993", 10, "options.watermark: is nothing"),
    ("watermark = false", 'api_key = "sk-SECRET"', 10, "options.api_key: does not belong here"),
    ("weight = 3", 'key = "sk-SECRET"', 5, "key: does not belong here; store it with: kinet"),
    ('upstream = "x/y"', 'Token = "sk-SECRET"', 19, "models.gpt-image-2.Token: does not belong"),
    ('upstream = "x/y"', "", 18, "models.gpt-image-2.upstream: is missing"),
    ('upstream = "x/y"', 'upstream = "x/y"\nprice = 1', 20, "models.gpt-image-2.price: unknown"),
    ('unit = "second"', 'unit = "minute"', 16, "cost.unit: 'minute' is none of second, footage_"),
    ('720p = "0.10"', '720p = "0.0000001"', 16, "cost.usd.720p: '0.0000001' is no amount"),
    ('720p = "0.10"', "720p = 0.10", 16, "cost.usd.720p: must be a text"),
    ('{ 720p = "0.10", 1080p = "0.235001" }', "{}", 16, "cost.usd: is empty"),
    ('usd = "0.005"', 'usd = "-1"', 23, "cost[token_1000_in].usd: '-1' is no amount"),
    ('usd = "1"', 'usd = "1"\nper = "task"', 27, "cost[task].per: unknown key"),
    ('unit = "task"\n', "", 24, "cost[?].unit: is missing"),
    ('[models."gpt-image-2"]\nup', '[models."gpt-image-2"\nup', 18, "file: is not TOML"),
    ("[options]", "[[options]]", 9, "options: must be a table"),
]


@pytest.mark.parametrize(("good", "bad", "line", "reason"), BAD)
def test_a_bad_file_is_refused_whole_and_the_others_go_on(
    tmp_path: Path, good: str, bad: str, line: int, reason: str
):
    assert GOOD.count(good) == 1
    configured = read(tmp_path, bad=GOOD.replace(good, bad), good=GOOD)
    assert [config.name for config in configured.providers] == ["good"]
    (problem,) = said(configured, tmp_path)
    assert problem.startswith(f"bad.toml:{line}: ")
    assert reason in problem
    assert "SECRET" not in problem


@pytest.mark.parametrize("name", ["Fal", "fal.ai", "-fal", "fäl", "f al", "f" * 64])
def test_a_file_is_named_as_its_provider(tmp_path: Path, name: str):
    configured = read(tmp_path, **{name: 'adapter = "fal"'})
    assert configured.providers == ()
    assert said(configured, tmp_path)[0].startswith(f"{name}.toml:1: file: its name must be")


@pytest.mark.parametrize("name", ["embedded", "rehearsal"])
def test_no_file_takes_the_place_of_what_is_always_there(tmp_path: Path, name: str):
    configured = read(tmp_path, **{name: GOOD, "good": GOOD})
    assert [config.name for config in configured.providers] == ["good"]
    assert [source.path.stem for source in configured.unused] == [name]
    assert said(configured, tmp_path) == [
        f"{name}.toml:1: file: {name} is a provider of Kinetoscope's own; name the file otherwise"
    ]


def test_two_names_must_not_share_the_variable_of_their_keys(tmp_path: Path):
    configured = read(tmp_path, **{"my-fal": 'adapter = "fal"', "my_fal": 'adapter = "fal"'})
    assert [config.name for config in configured.providers] == ["my-fal"]
    assert said(configured, tmp_path) == [
        "my_fal.toml:1: file: my_fal and my-fal differ in - and _ only"
    ]
    assert key_word("my-fal") == key_word("my_fal") == "MY_FAL"


def test_who_knows_more_can_complain_at_the_line(tmp_path: Path):
    (config,) = read(tmp_path, mine=GOOD).providers
    problem = config.problem(("models", "gpt-image-2"), "there is no such model")
    assert str(problem) == f"{tmp_path}/mine.toml:18: models.gpt-image-2: there is no such model"
    assert config.problem(("adapter",), "is unknown").line == 1


def test_the_guides_example_says_everything(tmp_path: Path):
    guide = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
    example, *others = re.findall(r"```toml\n(adapter.*?)```", guide, re.DOTALL)
    for other in others:
        assert read(tmp_path, other=other).problems == ()
        (tmp_path / "other.toml").unlink()
    (config,) = read(tmp_path, example=example).providers
    said_of = {field.name for field in fields(ProviderConfig)} - {"name", "source"}
    for name in said_of:
        assert re.search(rf"^(\[{name}|{name} = )", example, re.MULTILINE), name
    assert config.models is not None
    assert config.models["seedance-20"].cost is not None
    for unit in Unit:
        assert f"`{unit}`" in guide
