"""What the built-in models take, for type checkers: the stub beside this file has it all.

While a program runs, inputs are plain dicts and a method is a method: nothing of the catalog is
loaded. `python -m tests.client.generate` writes the stub from the catalog.
"""

from typing import TypeVar

Function = TypeVar("Function")


def by_model(function: Function) -> Function:
    """Let type checkers see what each model takes."""
    return function


def __getattr__(name: str) -> type[dict[str, object]]:
    """Give the names of inputs, such as Seedance20Inputs, a meaning at run time."""
    if name.endswith("Inputs"):
        return dict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
