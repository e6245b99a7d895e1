"""An installation without the server, as far as imports go: all that is not light is missing."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

PROGRAM = """
import runpy, sys

light = set(sys.argv.pop(1).split(",")) | set(sys.stdlib_module_names)

class Light:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in light and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Light())
{then}
"""

COMMAND = 'sys.argv[0] = "kinetoscope"; runpy.run_module("kinetoscope", run_name="__main__")'


def distributions() -> set[str]:
    """Return what an installation without extras brings, by the metadata of what is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["client"] == []
    wanted = [Requirement(text) for text in project["dependencies"]]
    found: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        wanted += [Requirement(text) for text in requires(name) or ()]
    return found


def modules() -> set[str]:
    """Return the modules that such an installation has."""
    names = distributions()
    return {"kinetoscope"} | {
        module
        for module, owners in packages_distributions().items()
        if names & {canonicalize_name(owner) for owner in owners}
    }


def run(
    *arguments: str, then: str = COMMAND, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, or a program, in such an installation."""
    program = PROGRAM.replace("{then}", then)
    return subprocess.run(
        [sys.executable, "-c", program, ",".join(modules()), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
