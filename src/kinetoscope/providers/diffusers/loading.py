"""Loads pipelines, from the operator's directories and from nowhere else, and keeps a few.

Never a program that lies beside the weights, and never weights that can be one.
"""

import gc
from importlib import import_module
from pathlib import Path
from typing import Any

from kinetoscope.providers.diffusers.directory import DirectoryInvalid, class_name_of
from kinetoscope.providers.diffusers.making import Loading, Making

Pipeline = Any
"""A diffusers.DiffusionPipeline, which has no types of its own."""


class PipelineRefused(Exception):
    """A pipeline cannot be loaded; the text says why."""


class Loader:
    """The pipelines of one device, the least recently used first."""

    def __init__(self, *, device: str, keep: int) -> None:
        self.device = device
        self.keep = keep
        self.kept: dict[Loading, Pipeline] = {}

    def load(self, making: Making) -> Pipeline:
        """Return the pipeline that makes this, with weights that may serve another class too."""
        loading = making.loading
        pipeline = self.kept.pop(loading, None)
        if pipeline is None:
            self._make_room()
            pipeline = load(loading, self.device)
        self.kept[loading] = pipeline
        if making.call_as == type(pipeline).__name__:
            return pipeline
        return _class(making.call_as).from_pipe(pipeline, torch_dtype=pipeline.dtype)

    def _make_room(self) -> None:
        while len(self.kept) >= self.keep:
            del self.kept[next(iter(self.kept))]
        gc.collect()
        torch = import_module("torch")
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


def load(loading: Loading, device: str) -> Pipeline:
    """Load a pipeline and bring it to its device; raises PipelineRefused."""
    torch = import_module("torch")
    directory = Path(loading.directory)
    try:
        class_name_of(directory)
    except DirectoryInvalid as error:
        raise PipelineRefused(str(error)) from None
    dtype = loading.dtype or ("float32" if device == "cpu" else "bfloat16")
    try:
        pipeline = _class(loading.class_name).from_pretrained(
            str(directory),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            torch_dtype=getattr(torch, dtype),
            variant=loading.variant or None,
        )
    except (OSError, ValueError) as error:
        raise PipelineRefused(f"{directory} cannot be loaded: {error}") from error
    _place(pipeline, loading, device)
    if loading.tiling:
        pipeline.vae.enable_tiling()
    return pipeline


def _place(pipeline: Pipeline, loading: Loading, device: str) -> None:
    """Bring it to the device, all at once or part by part as it works."""
    if loading.offload == "none":
        pipeline.to(device)
    elif device == "cpu":
        raise PipelineRefused("offload needs a device other than the processor")
    elif loading.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)


def _class(name: str) -> Any:  # noqa: ANN401 - a class of the library
    library = import_module("diffusers")
    found = getattr(library, name, None)
    if not (isinstance(found, type) and issubclass(found, library.DiffusionPipeline)):
        raise PipelineRefused(f"{name} is no pipeline of diffusers {library.__version__}")
    return found
