"""The catalog's types: up to date, and of use to a type checker."""

import re
import subprocess
import sys
from pathlib import Path

from tests.client.generate import ROOT, STUB, class_name, stub

from kinetoscope.catalog.spec import builtin
from kinetoscope.client import catalog_types

FLAGS = ("--no-warn-unused-configs", "--allow-untyped-defs", "--allow-untyped-calls")

PROGRAM = """\
from pathlib import Path
from typing import assert_type
from kinetoscope.client import AsyncKinetoscope, Estimate, Kinetoscope, Submitted, Task
from kinetoscope.client.catalog_types import Seedance20Inputs

client = Kinetoscope()
inputs: Seedance20Inputs = {"prompt": "x", "imageUrls": [Path("a.png"), "https://example.com/b"]}
assert_type(client.run("seedance-20", inputs, timeout_s=60), Task)
assert_type(client.submit("seedance-20", {"prompt": "x", "duration": 5}), Submitted)
assert_type(client.estimate("my-own-model", {"anything": [1, 2]}), Estimate)
model = input()
assert_type(client.run(model, {"anything": 1}), Task)
client.run("seedance-20", {"promt": "x"}).outputs  # WRONG
client.run("seedance-20", {"prompt": "x", "duration": "long"}).outputs  # WRONG
client.submit("seedance-20", {"duration": 5}).id  # WRONG
client.run("seedance-20", {"prompt": "x", "mode": "no-such-word"}).outputs  # WRONG
client.submit("seedance-20", {"prompt": "x"}, timeout_s=60)  # WRONG

async def main() -> None:
    again = AsyncKinetoscope()
    assert_type(await again.run("seedance-20", {"prompt": "x"}), Task)
    await again.submit("seedance-20", {"promt": "x"})  # WRONG
"""


def test_the_types_are_those_of_the_catalog():
    assert STUB.read_text() == stub(), "run python -m tests.client.generate"


def guide() -> str:
    """Return the guide's programs as one."""
    text = (ROOT / "docs" / "python.md").read_text()
    return "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


def test_a_wrong_input_is_an_error_and_a_model_of_ones_own_is_none(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "guide.py").write_text(guide())
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *FLAGS, str(program), str(tmp_path / "guide.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "guide.py" not in done.stdout, done.stdout
    found = {int(line) for line in re.findall(r"program\.py:(\d+): error", done.stdout)}
    lines = PROGRAM.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# WRONG")}
    assert found == wrong, done.stdout + done.stderr


def test_the_names_of_inputs_mean_something_while_a_program_runs():
    for model in builtin().models:
        assert getattr(catalog_types, class_name(model.id))(prompt="x") == {"prompt": "x"}
