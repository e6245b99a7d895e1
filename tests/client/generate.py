"""Writes the types of the built-in models' inputs: `python -m tests.client.generate`.

And the programs of the guide as one module, for mypy to read. A test compares what it would write
with what there is.
"""

import re
import subprocess
import sys
from pathlib import Path

from kinetoscope.catalog.fields import Boolean, Choice, Field, Integer, Media, Number, Text
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import builtin

ROOT = Path(__file__).parents[2]
STUB = ROOT / "src" / "kinetoscope" / "client" / "catalog_types.pyi"

GUIDE = ROOT / "tests" / "client" / "guide.py"

GUIDE_HEAD = """\
# ruff: noqa: ANN001, E402, T201, TID251
# fmt: off
\"\"\"The programs of docs/python.md. Written by `python -m tests.client.generate`.\"\"\"

"""

HEAD = """\
# What the built-in models take. Written by `python -m tests.client.generate`: do not edit.
# mypy: disable-error-code="overload-overlap"

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

from typing_extensions import deprecated

from kinetoscope.client.values import File

_S = TypeVar("_S")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)

# What a call with a wrong input comes to, for type checkers: of no use to anybody.
class InputsDoNotFitThisModel: ...
"""

METHOD = """
# A method of a client that takes a model and its inputs.
class Method(Generic[_S, _P, _R]):
    def __get__(self, instance: _S, owner: type[_S] | None = None) -> ByModel[_P, _R]: ...

def by_model(
    function: Callable[Concatenate[_S, str, Mapping[str, Any], _P], _R],
) -> Method[_S, _P, _R]: ...
"""


def class_name(model_id: str) -> str:
    """Return `Seedance20MiniInputs` for `seedance2.0-mini`."""
    parts = re.findall(r"[A-Za-z0-9]+", model_id)
    return "".join(part[0].upper() + part[1:] for part in parts) + "Inputs"


def type_of(field: Field) -> str:
    match field:
        case Text():
            return "str"
        case Integer():
            return "int"
        case Number():
            return "float"
        case Boolean():
            return "bool"
        case Choice(options=options):
            return f"Literal[{', '.join(repr(option) for option in options)}]"
        case Media():
            return "Sequence[File] | PathLike[str]"
    raise AssertionError(field)


def inputs_of(model: Model) -> str:
    lines = [f"# {model.title}", f"class {class_name(model.id)}(TypedDict, total=False):"]
    for field in model.fields:
        assert field.name.isidentifier()
        stated = type_of(field)
        lines.append(f"    {field.name}: " + (f"Required[{stated}]" if field.required else stated))
    return "\n".join(lines)


def overload(model: str, inputs: str, result: str = "_R_co", mark: str = "") -> str:
    return f"""    @overload{mark}
    def __call__(
        self, model: {model}, inputs: {inputs}, *args: _P.args, **kwargs: _P.kwargs
    ) -> {result}: ..."""


def stub() -> str:
    models = builtin().models
    every = ", ".join(repr(model.id) for model in models)
    wrong = '\n    @deprecated("These inputs do not fit this model")'
    called = [
        "# A call that knows what each built-in model takes; of others it takes anything.",
        "class ByModel(Protocol[_P, _R_co]):",
        *(overload(f"Literal[{model.id!r}]", class_name(model.id)) for model in models),
        overload("BuiltinModel", "Mapping[str, object]", "InputsDoNotFitThisModel", wrong),
        overload("str", "Mapping[str, object]"),
    ]
    text = "\n".join(
        [
            HEAD,
            f"BuiltinModel: TypeAlias = Literal[{every}]",
            *(f"\n{inputs_of(model)}" for model in models),
            "",
            *called,
            METHOD,
        ]
    )
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(STUB), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout


def guide() -> str:
    """Return the guide's programs as one."""
    text = (ROOT / "docs" / "python.md").read_text()
    return GUIDE_HEAD + "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


if __name__ == "__main__":
    STUB.write_text(stub())
    GUIDE.write_text(guide())
