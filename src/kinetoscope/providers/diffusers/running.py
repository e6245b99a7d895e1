"""Calls a loaded pipeline: with measured sizes and a seed, telling how far it is, stoppable.

Progress and stopping go through the pipeline's own progress bar, which every pipeline has; its
callbacks only some have, and setting `interrupt` gives a broken result instead of none.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from kinetoscope.providers.diffusers.inputs import arguments_from_media
from kinetoscope.providers.diffusers.loading import Pipeline, PipelineRefused
from kinetoscope.providers.diffusers.making import Made, Making
from kinetoscope.providers.diffusers.mapping import MULTIPLE, TEMPORAL, Factors, measures
from kinetoscope.providers.diffusers.outputs import write
from kinetoscope.providers.diffusers.signature import Signature, library, signature_of

STEPS_SHARE = 0.9
"""How much of the work is steps; the rest is decoding and writing files."""
SEED_MAX = 2**63

SPATIAL_NAMES = ("vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_scale_factor")
TEMPORAL_NAMES = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")

Tell = Callable[[float], None]
Asks = Callable[[], bool]


class Stopped(BaseException):
    """Nobody wants this any more. No `except Exception` of a library may swallow it."""


class Withheld(Exception):
    """The pipeline's safety checker has blacked out what it made."""


def run(
    pipeline: Pipeline, making: Making, tell: Tell, is_unwanted: Asks
) -> tuple[list[Made], dict[str, float]]:
    """Make everything that is asked for, and return it with what it took; raises Stopped."""
    torch = import_module("torch")
    signature = _signature(making)
    factors = factors_of(pipeline)
    arguments: dict[str, Any] = {**making.arguments, **measures(making, signature, factors)}
    arguments |= arguments_from_media(making, signature, factors, arguments)
    made: list[Made] = []
    began_s = time.monotonic()
    for number in range(making.count):
        seed = (making.seed + number) % SEED_MAX
        generator = torch.Generator("cpu").manual_seed(seed)
        seeded = {"generator": generator} if "generator" in signature.parameters else {}
        with _watched(pipeline, _share(tell, number, making.count), is_unwanted):
            try:
                output = pipeline(**arguments, **seeded)
            finally:
                pipeline.maybe_free_model_hooks()
        if is_unwanted():
            raise Stopped
        if any(getattr(output, "nsfw_content_detected", None) or ()):
            raise Withheld
        path = Path(making.folder) / f"made-{number + 1}"
        made.append(write(path, making, arguments, output, (pipeline, seed)))
        tell((number + 1) / making.count)
    return made, _took(torch, time.monotonic() - began_s)


def factors_of(pipeline: Pipeline) -> Factors:
    """Read from a pipeline what its sides and frames must be multiples of."""
    patch = 1
    config = getattr(getattr(pipeline, "transformer", None), "config", None)
    stated = getattr(config, "patch_size", 1)
    if isinstance(stated, list | tuple) and stated:
        stated = stated[-1]
    if isinstance(stated, int) and stated > 0:
        patch = stated
    spatial = _number(pipeline, SPATIAL_NAMES, 8)
    return Factors(
        multiple=math.lcm(MULTIPLE, spatial * patch),
        temporal=_number(pipeline, TEMPORAL_NAMES, TEMPORAL),
    )


def _number(pipeline: Pipeline, names: tuple[str, ...], default: int) -> int:
    for name in names:
        value = getattr(pipeline, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return default


def _signature(making: Making) -> Signature:
    folder = library()
    signature = None if folder is None else signature_of(making.call_as, folder)
    if signature is None:
        raise PipelineRefused(f"there is no {making.call_as} in this diffusers")
    return signature


def _share(tell: Tell, number: int, count: int) -> Tell:
    """Turn the share of one call's steps into the share of the whole; it never falls."""
    most = 0.0

    def told(share: float) -> None:
        nonlocal most
        if share > most:
            most = share
            tell((number + min(share, 1.0) * STEPS_SHARE) / count)

    return told


class _Bar:
    """What pipelines take for tqdm's progress bar."""

    def __init__(
        self,
        iterable: Iterable[Any] | None,
        total: int | None,
        tell: Tell,
        check: Callable[[], None],
    ) -> None:
        self.items = iterable
        self.total = total or (len(iterable) if hasattr(iterable, "__len__") else 0)  # type: ignore[arg-type]
        self.passed = 0.0
        self.tell = tell
        self.check = check

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        for item in self.items or ():
            yield item
            self.update()

    def update(self, steps: float = 1) -> None:
        self.check()
        self.passed += steps
        if self.total:
            self.tell(self.passed / self.total)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Take whatever else a bar can be told (a description, its closing), and do nothing."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_positional, **_named: None


@contextmanager
def _watched(pipeline: Pipeline, tell: Tell, is_unwanted: Asks) -> Iterator[None]:
    """Put our progress bar into a pipeline and those within it, and look before each part runs."""

    def check(*_call: object) -> None:
        if is_unwanted():
            raise Stopped

    def bar(iterable: Iterable[Any] | None = None, total: int | None = None) -> _Bar:
        return _Bar(iterable, total, tell, check)

    torch, base = import_module("torch"), import_module("diffusers").DiffusionPipeline
    inner = [value for value in vars(pipeline).values() if isinstance(value, base)]
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    hooks = [part.register_forward_pre_hook(check) for part in parts]
    for watched in (pipeline, *inner):
        watched.progress_bar = bar
    try:
        check()
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for watched in (pipeline, *inner):
            del watched.progress_bar


def _took(torch: Any, make_s: float) -> dict[str, float]:  # noqa: ANN401 - a module
    took = {"make_s": round(make_s, 3)}
    if torch.cuda.is_available():
        took["peak_mib"] = torch.cuda.max_memory_allocated() // 2**20
        torch.cuda.reset_peak_memory_stats()
    return took
