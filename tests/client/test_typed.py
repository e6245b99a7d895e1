"""The catalog's types: up to date, and of use while a program runs.

Of use to a type checker: `typed.py` and `guide.py`, which mypy reads with everything else.
"""

from tests.client.generate import GUIDE, STUB, class_name, guide, stub

from kinetoscope.catalog.spec import builtin
from kinetoscope.client import catalog_types


def test_the_types_are_those_of_the_catalog_and_the_programs_those_of_the_guide():
    assert STUB.read_text() == stub(), "run python -m tests.client.generate"
    assert GUIDE.read_text() == guide(), "run python -m tests.client.generate"


def test_the_names_of_inputs_mean_something_while_a_program_runs():
    for model in builtin().models:
        assert getattr(catalog_types, class_name(model.id))(prompt="x") == {"prompt": "x"}
