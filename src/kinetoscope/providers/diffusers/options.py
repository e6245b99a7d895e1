"""What an operator may say about a pipeline and about the engine, checked when it is read. Pure.

adapter = "diffusers"
queue = "gpu"
[options]
devices = ["cuda:0", "cuda:1"]          # one process for each; ["cuda:0"] if not said
keep = 1                                # pipelines kept loaded on each
[models."my-model"]
upstream = "/models/wan-2.2-t2v"        # the directory with model_index.json
[models."my-model".options]
steps = 30
guidance = 5.0
fps = 16
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON

DEVICE = re.compile(r"cpu|mps|(cuda|xpu)(:\d{1,2})?")
CLASS = re.compile(r"[A-Z][A-Za-z0-9_]{0,99}")
DTYPES = ("float32", "float16", "bfloat16")
OFFLOADS = ("none", "model", "sequential")
DEVICES = ("cuda:0",)
KEEP_MAX = 16
OURS = frozenset(
    {"generator", "output_type", "prompt", "return_dict", "callback", "callback_on_step_end"}
)
"""Arguments that are not the operator's to set."""


class OptionInvalid(KinetoscopeError):
    """An option cannot be used; `name` is which."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Which devices work, and how many pipelines each keeps loaded."""

    devices: tuple[str, ...] = DEVICES
    keep: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How one pipeline is loaded and called; None and empty leave it to the pipeline.

    `pipeline` is the class to load it as, `with_image` the class for orders with an image, which
    shares its weights. `arguments` go into the call as they are, `inputs` name fields of the
    order's own and the argument each goes to; both only where the call takes them.
    """

    pipeline: str = ""
    with_image: str = ""
    dtype: str = ""
    variant: str = ""
    offload: str = "none"
    tiling: bool = False
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str = ""
    fps: float | None = None
    size_multiple: int | None = None
    arguments: Mapping[str, JSON] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


def engine_options(options: Mapping[str, JSON]) -> EngineOptions:
    """Read the engine's options; raises OptionInvalid."""
    _refuse_unknown(options, ("devices", "keep"))
    devices = options.get("devices", list(DEVICES))
    if not isinstance(devices, list) or not devices:
        raise OptionInvalid("devices", 'must be a list such as ["cuda:0"]')
    names = tuple(_matching("devices", device, DEVICE) for device in devices)
    if len(set(names)) != len(names):
        raise OptionInvalid("devices", "names one twice")
    return EngineOptions(devices=names, keep=_whole(options, "keep", KEEP_MAX) or 1)


def model_options(options: Mapping[str, JSON]) -> ModelOptions:
    """Read a pipeline's options; raises OptionInvalid."""
    _refuse_unknown(options, tuple(ModelOptions.__dataclass_fields__))
    return ModelOptions(
        pipeline=_class(options, "pipeline"),
        with_image=_class(options, "with_image"),
        dtype=_one_of(options, "dtype", ("", *DTYPES)),
        variant=_text(options, "variant"),
        offload=_one_of(options, "offload", OFFLOADS),
        tiling=_flag(options, "tiling"),
        steps=_whole(options, "steps", 1000),
        guidance=_number(options, "guidance", 0, 1000),
        negative_prompt=_text(options, "negative_prompt"),
        fps=_number(options, "fps", 1, 240),
        size_multiple=_whole(options, "size_multiple", 1024),
        arguments=_arguments(options),
        inputs={
            field_name: _text({"inputs": argument}, "inputs")
            for field_name, argument in _table(options, "inputs").items()
        },
    )


def _arguments(options: Mapping[str, JSON]) -> Mapping[str, JSON]:
    arguments = _table(options, "arguments")
    for name in sorted(OURS & arguments.keys()):
        raise OptionInvalid("arguments", f"must not set {name}")
    return arguments


def _refuse_unknown(options: Mapping[str, JSON], known: tuple[str, ...]) -> None:
    for name in options:
        if name not in known:
            raise OptionInvalid(name, f"is none of {', '.join(known)}")


def _table(options: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    value = options.get(name, {})
    if not isinstance(value, dict):
        raise OptionInvalid(name, "must be a table")
    return value


def _text(options: Mapping[str, JSON], name: str) -> str:
    value = options.get(name, "")
    if not isinstance(value, str):
        raise OptionInvalid(name, "must be a text")
    return value


def _flag(options: Mapping[str, JSON], name: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise OptionInvalid(name, "must be true or false")
    return value


def _one_of(options: Mapping[str, JSON], name: str, words: tuple[str, ...]) -> str:
    value = options.get(name, words[0])
    if not isinstance(value, str) or value not in words:
        raise OptionInvalid(name, f"must be one of {', '.join(filter(None, words))}")
    return value


def _class(options: Mapping[str, JSON], name: str) -> str:
    return _matching(name, options[name], CLASS) if name in options else ""


def _matching(name: str, value: JSON, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OptionInvalid(name, f"cannot be {value!r}")
    return value


def _whole(options: Mapping[str, JSON], name: str, largest: int) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
        raise OptionInvalid(name, f"must be a whole number from 1 to {largest}")
    return value


def _number(
    options: Mapping[str, JSON], name: str, smallest: float, largest: float
) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionInvalid(name, "must be a number")
    if not smallest <= value <= largest:
        raise OptionInvalid(name, f"must lie between {smallest} and {largest}")
    return float(value)
