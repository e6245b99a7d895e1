"""The rules of CONTRIBUTING.md and the promises of the documents, checked."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from tests.long_files import SECONDS

from kinetoscope.server import create_app
from kinetoscope.settings import Settings, load_settings, variable_of
from kinetoscope.wiring import build_runtime

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "kinetoscope"
MODULES = sorted(SOURCE.rglob("*.py"))

LINES_PER_FILE_MAX = 300
LINES_PER_FUNCTION_MAX = 50


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_small_and_says_why_it_exists(path: Path):
    text = path.read_text()
    tree = ast.parse(text)
    docstring = ast.get_docstring(tree)
    assert docstring, "a module begins with a sentence"
    assert docstring.splitlines()[0].endswith("."), "and the first line is one"
    assert len(text.splitlines()) <= LINES_PER_FILE_MAX
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= LINES_PER_FUNCTION_MAX, f"{node.name} has {lines} lines"


def test_only_the_pool_and_transactions_end_transactions():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in {"commit", "rollback"}, name_of(path)


@pytest.mark.parametrize("module", ["kinetoscope.cli.api", "kinetoscope.cli.worker"])
def test_a_process_that_answers_or_works_loads_nothing_that_makes_media(module: str):
    heavy = {"av", "numpy", "PIL", "torch", "diffusers", "kinetoscope.providers.embedded.render"}
    program = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert printed.stdout == b"[]\n"


def test_the_map_names_every_module():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    words = set(re.findall(r"[a-z_]+", text))
    missing = [
        name_of(path)
        for path in MODULES
        if not path.stem.startswith("__") and path.stem not in words
    ]
    assert missing == []


def test_the_map_links_to_files_that_exist():
    for document in ("ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / document).read_text()):
            assert (ROOT / link).exists(), f"{document}: {link}"


def test_the_readme_names_every_setting():
    text = (ROOT / "README.md").read_text()
    for setting in fields(Settings):
        assert f"`{variable_of(setting)}`" in text


def test_the_files_that_take_long_are_there():
    assert [name for name in SECONDS if not (ROOT / name).exists()] == []


def test_a_decision_has_its_parts():
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        text = path.read_text()
        if "small-choices" in path.name:
            continue
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Enforced by**"):
            assert part in text, f"{path.name} lacks {part}"


def test_the_guide_names_only_routes_that_exist(tmp_path: Path):
    settings = load_settings({"KINETOSCOPE_DATA_DIR": str(tmp_path)})
    app = create_app(build_runtime(settings, "postgresql:///nowhere", patience_s=1))
    paths = {route.path for route in app.state.declared}
    named = set(re.findall(r"/api/v1/[A-Za-z/{}]+", (ROOT / "docs" / "api.md").read_text()))
    assert len(named) > 20
    assert named - paths == set()
