"""What a pipeline's call takes, read from the library's source: the worker never imports torch.

Of the pipelines of diffusers 0.42 all but two write their `__call__` themselves, with names that
mean the same everywhere. So one mapping serves them all.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from kinetoscope.kernel.order import JSON, MediaKind

NEEDED = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
"""What must be importable; the optional extra brings all of it."""

FRAMES = ("num_frames", "frames", "video_length")
SECONDS = ("audio_end_in_s", "audio_length_in_s", "audio_duration", "audio_duration_s", "duration")
RATES = ("frame_rate", "fps")
IMAGES = ("image", "images")

TAKES_MANY = frozenset({"QwenImageEditPlusPipeline"})
"""Take several images, and their annotation does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a call. `default` is None where it has none, or none that JSON can say."""

    annotation: str
    required: bool
    default: JSON

    @property
    def may_be_missing(self) -> bool:
        """Whether the call works without it: its annotation is more honest than its default."""
        return not self.required and ("None" in self.annotation or "Optional" in self.annotation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A pipeline's call."""

    class_name: str
    parameters: Mapping[str, Parameter]

    def first(self, names: tuple[str, ...]) -> str | None:
        """Return the first of the names that it takes."""
        return next((name for name in names if name in self.parameters), None)

    @property
    def kind(self) -> MediaKind:
        """What comes out."""
        if self.first(FRAMES):
            return MediaKind.VIDEO
        if self.first(SECONDS):
            return MediaKind.AUDIO
        return MediaKind.VIDEO if "video" in self.parameters else MediaKind.IMAGE

    def takes_many(self, name: str) -> bool:
        """Whether it takes several images as several, not as a batch of its own."""
        if name in {"images", "reference_images"} or self.class_name in TAKES_MANY:
            return True
        parameter = self.parameters[name]
        return parameter.may_be_missing and "list[PIL.Image.Image" in parameter.annotation

    def needs(self, name: str) -> bool:
        """Whether it cannot do without this medium."""
        parameter = self.parameters.get(name)
        if parameter is None or parameter.may_be_missing:
            return False
        others = {"conditions", "image", "video"} - {name}
        return parameter.required or not others & self.parameters.keys()


def missing(needed: tuple[str, ...]) -> tuple[str, ...]:
    """Return which packages are not installed, without importing any."""
    return tuple(name for name in needed if find_spec(name) is None)


def library() -> Path | None:
    """Return the folder of the installed library."""
    spec = find_spec("diffusers")
    places = None if spec is None else spec.submodule_search_locations
    return Path(places[0]) if places else None


@cache
def signature_of(class_name: str, folder: Path) -> Signature | None:
    """Return the call of a pipeline class of the library; None if there is no such class."""
    for path in sorted((folder / "pipelines").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if f"class {class_name}(" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name == class_name:
                call = _call_of(node)
                if call is not None:
                    return Signature(class_name=class_name, parameters=_parameters(call))
    return None


def _call_of(node: ast.ClassDef) -> ast.FunctionDef | None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__call__":
            return item
    return None


def _parameters(call: ast.FunctionDef) -> dict[str, Parameter]:
    positional, named = call.args.args, call.args.kwonlyargs
    bare = len(positional) - len(call.args.defaults)
    defaults: list[ast.expr | None] = [*[None] * bare, *call.args.defaults, *call.args.kw_defaults]
    return {
        argument.arg: Parameter(
            annotation="" if argument.annotation is None else ast.unparse(argument.annotation),
            required=default is None,
            default=_literal(default),
        )
        for argument, default in zip([*positional, *named], defaults, strict=True)
        if argument.arg != "self"
    }


def _literal(node: ast.expr | None) -> JSON:
    try:
        value = None if node is None else ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, bool | int | float | str) else None
