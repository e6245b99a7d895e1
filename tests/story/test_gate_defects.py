"""A gate that lets all pass is none: two defects here, the rest by `./dev bench defects`."""

import pytest
from tests.story.defects import DEFECTS, NOBODY, ROOT, noticed


@pytest.mark.parametrize(("file", "guard"), [(file, guard) for file, guard, _ in DEFECTS.values()])
def test_every_guard_is_where_the_defects_look_for_it(file: str, guard: str):
    assert (ROOT / "src" / "kinetoscope" / file).read_text().count(guard) == 1


@pytest.mark.parametrize(
    "name",
    [
        "what nobody answered is sent again",
        "nothing is looked up before sending again",
    ],
)
def test_the_gate_misses_a_guard(name: str):
    assert noticed(name) != NOBODY
