"""The operator's own engines that take more than an adapter: what their files say, and its use.

With `upstreams` and `wiring` the only module that names concrete providers.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.toml_files import Problem
from kinetoscope.providers.adapter import Site
from kinetoscope.providers.comfyui.provider import ComfyUIProvider
from kinetoscope.providers.comfyui.workflow import Workflow, WorkflowInvalid, load
from kinetoscope.providers.config import ProviderConfig
from kinetoscope.providers.diffusers.options import OptionInvalid, engine_options, model_options
from kinetoscope.providers.diffusers.provider import DiffusersProvider, Setup

COMFYUI = "comfyui"
COMFYUI_URL = "http://127.0.0.1:8188"
DIFFUSERS = "diffusers"
NAMES = frozenset({COMFYUI, DIFFUSERS})

DIFFUSERS_QUEUE = "diffusers"
TASKS_BESIDE_MAKING = 8
"""More may be gathering references and storing results meanwhile, so that no device waits."""


def problems(config: ProviderConfig) -> list[Problem]:
    """Return why an engine's file cannot be used; of other providers, nothing."""
    if config.adapter not in NAMES:
        return []
    if not config.models:
        return [config.problem(("adapter",), "needs [models] with what they are made by")]
    wrong = _workflow_problems if config.adapter == COMFYUI else _option_problems
    return list(wrong(config))


def queue_of(config: ProviderConfig) -> str | None:
    """Return where tasks wait whose file does not say it; None where nothing is special."""
    return DIFFUSERS_QUEUE if config.adapter == DIFFUSERS else None


def tasks_at_once(config: ProviderConfig) -> int | None:
    """Return how many tasks a process takes on that makes them itself; None if it does not."""
    if config.adapter != DIFFUSERS:
        return None
    return len(engine_options(config.options).devices) + TASKS_BESIDE_MAKING


def comfyui(config: ProviderConfig, key: Callable[[], str], caller: Caller) -> ComfyUIProvider:
    """Make a ComfyUI's provider; `problems` has seen to it that it can be made."""
    base_url = (config.base_url or COMFYUI_URL).rstrip("/")

    def site() -> Site:
        return Site(base_url=base_url, key=key())

    workflows = dict(_workflows(config))
    return ComfyUIProvider(name=config.name, site=site, workflows=workflows, caller=caller)


def diffusers(config: ProviderConfig, folder: Path) -> DiffusersProvider:
    """Make a diffusers engine with scratch space below `folder`.

    Whether its directories hold pipelines is found out where they are used: other machines read
    the same files, and need not have the weights.
    """
    options = engine_options(config.options)
    beside = config.source.path.parent
    setup = Setup(
        directories={
            route.upstream: beside / route.upstream for route in (config.models or {}).values()
        },
        devices=options.devices,
        folder=folder / config.name,
        keep=options.keep,
    )
    return DiffusersProvider(name=config.name, setup=setup)


def _workflows(config: ProviderConfig) -> Iterator[tuple[str, Workflow]]:
    """Read a ComfyUI's workflows, from beside its file; raises WorkflowInvalid."""
    folder = config.source.path.parent
    for route in (config.models or {}).values():
        yield route.upstream, load(folder / route.upstream, route.options)


def _workflow_problems(config: ProviderConfig) -> Iterator[Problem]:
    for model, route in (config.models or {}).items():
        try:
            load(config.source.path.parent / route.upstream, route.options)
        except WorkflowInvalid as error:
            yield config.problem(("models", model, "upstream"), str(error))


def _option_problems(config: ProviderConfig) -> Iterator[Problem]:
    try:
        engine_options(config.options)
    except OptionInvalid as error:
        yield config.problem(("options", error.name), error.reason)
    for model, route in (config.models or {}).items():
        try:
            model_options(route.options)
        except OptionInvalid as error:
            yield config.problem(("models", model, "options", error.name), error.reason)
