"""The line of every key of a TOML file is found, however the key is written."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kinetoscope.catalog import spec
from kinetoscope.kernel.toml_files import Source, parse, sources
from kinetoscope.kernel.toml_lines import KeyPath, line_at
from kinetoscope.kernel.toml_tables import DeclarationInvalid

EVERYTHING = '''\
# A comment with [a.table] = "in it"
title = "x"  # and one behind

long = """
[not.a.table]
key = 1 \\""" still going
"""
literal = \'\'\'
[[nor.this]]
\'\'\'
same_line = """a "quoted" text""" # line 11
ends = """two quotes more"""""
after = 1

[plain]
dotted.deep.key = 1
"quoted key" = 2
'li.teral' = 3
"esc\\u0061pe" = 4
inline = { a = 1, "b.c" = { d = "}" }, e.f = [1, 2] }
list = [
  "one", # with a comment ]
  { in = "list" },

  [1,
   2],
]
when = 1979-05-27 07:32:00

[[model]]
id = "first"
[model.price]
unit = "second"
rates = { 480p = "1", 4k = "2" }

[[model]]
id = "second"
model.inner = 1
[model.inputs."image.urls"]
type = "media"
[[model.part]]
n = 1
[[model.part]]
n = 2
[ spaced . out ]
key = 1
[a.b]
x = 1
[a]
y = 2
'''

PLACES: list[tuple[KeyPath, int]] = [
    (("title",), 2),
    (("long",), 4),
    (("literal",), 8),
    (("same_line",), 11),
    (("ends",), 12),
    (("after",), 13),
    (("plain",), 15),
    (("plain", "dotted"), 16),
    (("plain", "dotted", "deep", "key"), 16),
    (("plain", "dotted.deep.key"), 16),
    (("plain.dotted.deep.key",), 16),
    (("plain", "quoted key"), 17),
    (("plain", "li.teral"), 18),
    (("plain.li.teral",), 18),
    (("plain", "escape"), 19),
    (("plain", "inline", "a"), 20),
    (("plain.inline.b.c.d",), 20),
    (("plain", "inline", "e", "f"), 20),
    (("plain", "list"), 21),
    (("plain", "list", 0), 22),
    (("plain", "list", 1, "in"), 23),
    (("plain", "list", 2), 25),
    (("plain", "list", 2, 1), 26),
    (("plain", "when"), 28),
    (("model", 0, "id"), 31),
    (("model", 0, "price", "unit"), 33),
    (("model", 0, "price.rates.4k"), 34),
    (("model", 1, "id"), 37),
    (("model", 1, "model", "inner"), 38),
    (("model", 1, "inputs", "image.urls", "type"), 40),
    (("model", 1, "inputs.image.urls.type"), 40),
    (("model", 1, "part", 0, "n"), 42),
    (("model", 1, "part", 1, "n"), 44),
    (("spaced", "out", "key"), 46),
    (("a", "b", "x"), 48),
    (("a",), 49),
    (("a", "y"), 50),
    # What is not there: the line of the table that lacks it.
    (("model", 0, "price", "missing"), 32),
    (("model", 0, "price", "missing", "deeper"), 32),
    (("model", 1, "missing"), 36),
    (("model", 7, "id"), 30),
    (("plain", "list", 1, "missing"), 23),
    (("missing",), 1),
    ((), 1),
    # A model's error about what stands at the top for all: there.
    (("model", 0, "plain.quoted key"), 17),
    (("model", 0, "title"), 2),
]


@pytest.mark.parametrize(("path", "line"), PLACES, ids=str)
def test_a_key_has_a_line(path: KeyPath, line: int):
    tomllib.loads(EVERYTHING)
    assert line_at(EVERYTHING, path) == line
    assert line_at(EVERYTHING.replace("\n", "\r\n"), path) == line


def paths_of(content: object, above: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*above, key)
            yield from paths_of(value, (*above, key))
    if isinstance(content, list):
        for place, item in enumerate(content):
            yield from paths_of(item, (*above, place))


@pytest.mark.parametrize(
    "file",
    sorted((Path(spec.__file__).parent / "models").glob("*.toml")),
    ids=lambda path: path.name,
)
def test_every_key_of_the_packaged_models_is_on_its_line(file: Path):
    text = file.read_text()
    lines = text.splitlines()
    for path in paths_of(tomllib.loads(text)):
        assert str(path[-1]) in lines[line_at(text, path) - 1], path


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)
VALUES = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(['"a # ] } text"', "'''\n[x]\n'''", '"""\nb = 1\n\\"""\n"""', "1.5", "true"]),
    st.sampled_from(["[1, [2, '#'],\n]", '["a", # ]\n"b"]', "[]", "07:32:00", "{ }"]),
)


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


PAIRS = st.lists(st.tuples(KEYS, VALUES), unique_by=lambda pair: pair[0], max_size=5)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(KEYS, PAIRS), max_size=5))
def test_any_file_of_tables_is_read_along(tables: list[tuple[str, list[tuple[str, str]]]]):
    text, places = "", []
    for number, (name, pairs) in enumerate(tables):
        text += f"[[{quoted(f'{number}{name}')}]] # [x]\n"
        for key, value in pairs:
            places.append(((f"{number}{name}", 0, key), text.count("\n") + 1))
            text += f"{quoted(key)} = {value}\n"
    tomllib.loads(text)
    for path, line in places:
        assert line_at(text, path) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \nc = 3\n", 2),
        ("a = 1\na = 2", 2),
        ('a = 1\nb = "', 2),
        ("a = 1\n\nb = [1,", 3),
        (f"a = {'9' * 5000}", 1),
        ("a = " + "[" * 20_000, 1),
        ("a = 2026-13-45", 1),
        ("\ufeffa = 1", 1),
    ],
    ids=range(8),
)
def test_what_is_no_toml_is_refused_with_its_line(text: str, line: int):
    with pytest.raises(DeclarationInvalid) as refused:
        parse("x.toml", text)
    assert refused.value.reason.startswith("is not TOML: ")
    assert "at line" not in refused.value.reason
    assert Source(path=Path("x.toml"), text=text).problem(refused.value).line == line


def test_only_toml_files_are_read_and_what_cannot_be_is_named(tmp_path: Path):
    for name in ("b.toml", "a.toml", "notes.md", ".hidden.toml", "c.toml~"):
        (tmp_path / name).write_text("x = 1")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'a = "\xff"')
    (tmp_path / "nowhere.toml").symlink_to(tmp_path / "gone")
    found, problems = sources(tmp_path)
    assert [source.path.name for source in found] == ["a.toml", "b.toml"]
    assert [str(problem) for problem in problems] == [
        f"{tmp_path}/folder.toml:1: cannot be read: is not a file",
        f"{tmp_path}/latin.toml:1: cannot be read: is not a text file in UTF-8",
        f"{tmp_path}/nowhere.toml:1: cannot be read: is not a file",
    ]


def test_there_need_not_be_a_folder(tmp_path: Path):
    assert sources(tmp_path / "nowhere") == ((), ())
    (tmp_path / "file").write_text("")
    assert [str(problem) for problem in sources(tmp_path / "file")[1]] == [
        f"{tmp_path}/file:1: cannot be read: Not a directory"
    ]


def test_of_two_ways_to_read_a_name_with_dots_the_longest_key_goes_first():
    text = 'x.b = 1\n"x.b" = 2\n'
    assert line_at(text, ("x.b",)) == 2
    assert line_at(text, ("x", "b")) == 1
