"""An operator's files of models and prices: laid over ours, and refused one by one with a line."""

import random
import re
from pathlib import Path

import pytest
from tests.unit.test_catalog_load import GOOD

from kinetoscope.catalog.model import PerSecond, PerTask
from kinetoscope.catalog.operator import Loaded, load_with
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.credits import parse_credits

BUILTIN = builtin()

PRICES = """\
# Our own list.
[[price]]
model = "kinetoscope-soundscape"
unit = "second"
rates = "9.5"

[[price]]
model = "seedance2.0-mini"
unit = "second"
rates = { 480p = "1", 720p = "2.17" }
"""


def laid(folder: Path, **files: str) -> Loaded:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return load_with(folder)


def said(loaded: Loaded, folder: Path) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in loaded.problems]


@pytest.mark.parametrize("folder", [None, Path("/nowhere/at/all")])
def test_without_files_there_are_the_built_in_models(folder: Path | None):
    loaded = load_with(folder)
    assert loaded.catalog == BUILTIN
    assert loaded.problems == ()


def test_a_model_is_added_by_dropping_a_file(tmp_path: Path):
    loaded = laid(tmp_path, mine=GOOD)
    assert loaded.problems == ()
    assert loaded.catalog.models == (*BUILTIN.models, loaded.catalog.find("test-video"))
    assert BUILTIN.models_by_id.get("test-video") is None, "what is built in stays as it is"


def test_a_model_of_a_built_in_id_takes_its_place(tmp_path: Path):
    loaded = laid(tmp_path, mine=GOOD.replace('id = "test-video"', 'id = "seedance-20"'))
    assert loaded.problems == ()
    assert loaded.catalog.find("seedance-20").title == "Test"
    ids = [model.id for model in loaded.catalog.models]
    assert ids == [model.id for model in BUILTIN.models]


def test_a_price_takes_the_place_of_one_and_of_nothing_else(tmp_path: Path):
    loaded = laid(tmp_path, prices=PRICES)
    assert loaded.problems == ()
    sound, mini = (loaded.catalog.find(i) for i in ("kinetoscope-soundscape", "seedance2.0-mini"))
    assert isinstance(sound.price, PerSecond)
    assert sound.price.rates == {"": parse_credits("9.5")}
    assert isinstance(mini.price, PerSecond)
    assert mini.price.rates == {"480p": 100, "720p": 217}
    assert mini.price.rates_with_video == {}
    before = BUILTIN.find("seedance2.0-mini")
    assert mini.version != before.version, "what is cached under the old price is not used"
    cheaper = laid(tmp_path, prices=PRICES.replace("2.17", "2.16")).catalog
    assert cheaper.find("seedance2.0-mini").version not in {mini.version, before.version}
    assert mini.fields == before.fields
    changed = {model.id for model in loaded.catalog.models if model not in BUILTIN.models}
    assert changed == {"kinetoscope-soundscape", "seedance2.0-mini"}


def test_prices_are_for_models_of_other_files_too_whatever_their_names(tmp_path: Path):
    price = '[[price]]\nmodel = "test-video"\nunit = "task"\nprice = "5"\n'
    loaded = laid(tmp_path, aaa=price.replace('price = "5"', 'price = "6"'), zzz=GOOD)
    assert loaded.problems == ()
    assert loaded.catalog.find("test-video").price == PerTask(price=parse_credits("6"))


BAD_PRICES = [
    ('model = "kinetoscope-soundscape"', 'model = "suno"', 3, "price[suno].model: there is no"),
    ('model = "kinetoscope-soundscape"\n', "", 2, "price[?].model: is missing"),
    ('unit = "second"\nrates = "9', 'unit = "minute"\nrates = "9', 4, ".unit: 'minute' is not"),
    ('rates = "9.5"', 'rates = "9.555"', 5, ".rates: '9.555' credits is finer"),
    ('rates = "9.5"', "rates = 9.5", 5, ".rates: must be a number of credits as a text"),
    ('rates = "9.5"', 'rates = "9"\nprize = "1"', 6, ".prize: unknown key"),
    ('720p = "2.17"', '4k = "2.17"', 10, "rates.720p: is missing"),
    ('720p = "2.17" }', '720p = "2.17", 4k = "9" }', 10, "rates.4k: unknown key"),
    ("# Our own list.", "discount = 5", 1, "discount: unknown key"),
    ('[[price]]\nmodel = "seed', '[[prices]]\nmodel = "seed', 7, "prices: unknown key"),
    ('unit = "second"\nrates = "9.5"', 'unit = "second"\nrates = "9.5', 5, "file: is not TOML"),
    ('model = "seedance2.0-mini"', 'model = "kinetoscope-soundscape"', 8, "is priced twice"),
    ('rates = "9.5"', 'rates = "100000000.01"', 5, ".rates: must be above zero and at most"),
]


@pytest.mark.parametrize(("good", "bad", "line", "reason"), BAD_PRICES)
def test_a_bad_price_refuses_its_file_whole(
    tmp_path: Path, good: str, bad: str, line: int, reason: str
):
    assert PRICES.count(good) == 1
    loaded = laid(tmp_path, mine=GOOD, prices=PRICES.replace(good, bad))
    (problem,) = said(loaded, tmp_path)
    assert problem.startswith(f"prices.toml:{line}: ")
    assert reason in problem
    assert loaded.catalog.models[:-1] == BUILTIN.models, "nothing of it counts"
    assert loaded.catalog.models[-1].id == "test-video", "and the others go on"


def test_a_price_must_be_for_what_the_model_takes(tmp_path: Path):
    unit = '[[price]]\nmodel = "midjourney-v8"\n\nunit = "second"\nrates = "2"\n'
    reason = "its inputs.duration sets the price, so it must be required or defaulted"
    assert said(laid(tmp_path, prices=unit), tmp_path) == [
        f"prices.toml:4: price[midjourney-v8].unit: is not for this model: {reason}"
    ]


BAD_MODELS = [
    ('kind = "video"\nfile', 'kind = "film"\nfile', 'kind = "film"'),
    ("minimum = 1\n", "minimum = 11\n", "minimum = 11"),
    ('["resolution"]', '["duration"]', 'aliases = ["duration"]'),
    ('"16:9" = [854, 480]', '"wide" = [854, 480]', '"wide" = '),
    ('480p = "1"', '480p = "0"', "rates = {"),
    ('unit = "second"\n', 'unit = "task"\n', "[model.price]"),
    ('examples = ["x"]', 'examples = ["x"]\ncots = 4', "cots"),
    ('examples = ["x"]', "", "[[model]]"),
    ('family = "test"', 'famly = "test"', "[[model]]"),
    ("length_max = 100", "", "[inputs.prompt]"),
    ('id = "test-video"', 'id = ""', 'id = ""'),
]


@pytest.mark.parametrize(("good", "bad", "where"), BAD_MODELS)
def test_a_bad_model_refuses_its_file_and_names_the_line(
    tmp_path: Path, good: str, bad: str, where: str
):
    assert GOOD.count(good) == 1
    text = GOOD.replace(good, bad)
    loaded = laid(tmp_path, mine=text, prices=PRICES)
    (problem,) = loaded.problems
    assert problem.file == tmp_path / "mine.toml"
    if where == "[[model]]" and "famly" in bad:
        assert problem.line == 1, "what a whole file lacks is said at its beginning"
    else:
        assert text.splitlines()[problem.line - 1].startswith(where), problem
    assert loaded.catalog.find("seedance2.0-mini") != BUILTIN.find("seedance2.0-mini")
    assert len(loaded.catalog.models) == len(BUILTIN.models)


def test_what_two_files_declare_is_a_problem_of_the_later(tmp_path: Path):
    later = GOOD.replace('title = "Test"', 'title = "Later"')
    price = '[[price]]\nmodel = "test-video"\nunit = "task"\nprice = "{}"\n'
    loaded = laid(tmp_path, a=GOOD, b=later, c=price.format(3), d=price.format(4))
    line = later.splitlines().index('id = "test-video"') + 1
    assert said(loaded, tmp_path) == [
        f"b.toml:{line}: model[test-video].id: is declared twice, in a.toml before",
        "d.toml:2: price[test-video].model: is priced twice, in c.toml before",
    ]
    model = loaded.catalog.find("test-video")
    assert (model.title, model.price) == ("Test", PerTask(price=parse_credits("3")))


def test_a_model_declared_twice_in_one_file_is_named_by_the_second_place(tmp_path: Path):
    again = GOOD[GOOD.index("[[model]]") :]
    loaded = laid(tmp_path, a=GOOD + again)
    text = (GOOD + again).splitlines()
    second = len(text) - text[::-1].index('id = "test-video"')
    assert said(loaded, tmp_path) == [f"a.toml:{second}: model[test-video].id: is declared twice"]
    assert loaded.catalog.models == BUILTIN.models


def test_a_refused_file_takes_nothing_from_the_later_ones(tmp_path: Path):
    """Its first model is good, its second is another file's: neither counts as declared by it."""
    other = GOOD[GOOD.index("[[model]]") :].replace("test-video", "test-other")
    both = GOOD.replace("test-video", "test-third") + other
    third = GOOD.replace("test-video", "test-third")
    price = '[[price]]\nmodel = "{}"\nunit = "task"\nprice = "5"\n'
    prices = price.format("test-third") + price.format("suno")
    loaded = laid(
        tmp_path,
        a=GOOD + other,
        b=both,
        c=third,
        d=prices,
        e=price.format("test-third"),
    )
    assert [problem.file.name for problem in loaded.problems] == ["b.toml", "d.toml"]
    assert loaded.catalog.find("test-third").price == PerTask(price=parse_credits("5"))


def test_the_guides_price_list_is_a_good_one(tmp_path: Path):
    guide = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
    (example,) = re.findall(r"```toml\n(\[\[price]].*?)```", guide, re.DOTALL)
    loaded = laid(tmp_path, prices=example)
    assert loaded.problems == ()
    assert loaded.catalog.find("midjourney-v8").price == PerTask(price=parse_credits("10"))
    lines = [line for line in example.splitlines() if "4k" in line]
    without = laid(tmp_path, prices=example.replace(lines[0], lines[0].replace(', 4k = "180"', "")))
    (problem,) = said(without, tmp_path)
    assert f"models/{problem}" in guide, "and so is the complaint it quotes"


def test_a_refused_family_leaves_the_built_in_one_and_its_price_can_change(tmp_path: Path):
    bad = GOOD.replace('id = "test-video"', 'id = "kinetoscope-soundscape"').replace("= 100", "= 0")
    loaded = laid(tmp_path, bad=bad, prices=PRICES)
    assert [problem.file.name for problem in loaded.problems] == ["bad.toml"]
    sound = loaded.catalog.find("kinetoscope-soundscape")
    assert sound.title == BUILTIN.find("kinetoscope-soundscape").title
    assert sound.price != BUILTIN.find("kinetoscope-soundscape").price


VALUES = ["1", "-1", "0", '""', '"x"', "[]", "{}", "[[]]", "nan", "1e400", "2026-11-24", "true"]
VALUES += ["9223372036854775807", "9" * 30, "9" * 5000, '["x", 1]', "{ x = 1 }", '"9" * 99']


def damaged(chance: random.Random, text: str) -> str:
    """Put something else in the place of a value, or of any few characters."""
    if chance.random() < 0.7:
        lines = text.splitlines()
        place = chance.choice([place for place, line in enumerate(lines) if "=" in line])
        lines[place] = f"{lines[place].split(' = ')[0]} = {chance.choice(VALUES)}"
        return "\n".join(lines) + "\n"
    start = chance.randrange(len(text))
    piece = chance.choice(["[", "]", '"', "'''", "=", "{", "}", "[[", "x.y", "\n", "é", "#"])
    return text[:start] + piece + text[start + chance.randint(0, 20) :]


def test_no_file_whatever_stops_the_loading(tmp_path: Path):
    """Damage good files in many ways: each is taken, or refused with a line of its own."""
    chance = random.Random(5)
    for _ in range(1500):
        text = chance.choice((GOOD, PRICES))
        for _ in range(chance.randint(1, 2)):
            text = damaged(chance, text)
        loaded = laid(tmp_path, damaged=text)
        assert len(loaded.problems) <= 1
        for problem in loaded.problems:
            assert 1 <= problem.line <= text.count("\n") + 1, text
            assert problem.reason
        assert len(loaded.catalog.models) >= len(BUILTIN.models)
