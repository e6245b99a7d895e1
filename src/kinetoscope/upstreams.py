"""Which providers there are: the operator's files and keys in, providers and routes out.

With `wiring` the only module that names concrete providers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from kinetoscope import own_engines
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.calling import Caller
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.kernel.outbound import Egress
from kinetoscope.kernel.toml_files import Problem, Source
from kinetoscope.providers.adapter import Adapter, Site
from kinetoscope.providers.byteplus import BYTEPLUS, VOLCENGINE
from kinetoscope.providers.config import (
    ModelRoute,
    ProviderConfig,
    key_word,
    models_named,
    read_providers,
)
from kinetoscope.providers.contract import Provider
from kinetoscope.providers.elevenlabs import ELEVENLABS
from kinetoscope.providers.fal import FAL
from kinetoscope.providers.google import GOOGLE
from kinetoscope.providers.hosted import HostedProvider
from kinetoscope.providers.kie import KIE
from kinetoscope.providers.kinovi import KINETOSCOPE, KINOVI
from kinetoscope.providers.openai import OPENAI
from kinetoscope.providers.openai_media import OPENAI_MEDIA
from kinetoscope.providers.origins import key_names
from kinetoscope.providers.replicate import REPLICATE
from kinetoscope.providers.runway import RUNWAY
from kinetoscope.providers.signatures import Claim, Signed
from kinetoscope.settings import Settings
from kinetoscope.tasks.route import Route, Routes

EMBEDDED = Route(provider="embedded", queue="embedded", is_preview=True)
REHEARSAL = Route(provider="rehearsal", queue="test")
"""Its own queue: test tasks that take their time keep nobody else waiting."""

OWN = own_engines.NAMES | {OPENAI_MEDIA.name}

HOSTED_QUEUE = "hosted"
OWN_ORDER, HOSTED_ORDER = 1, 2

OWN_ADAPTERS: tuple[Adapter, ...] = (
    BYTEPLUS,
    VOLCENGINE,
    FAL,
    REPLICATE,
    OPENAI,
    GOOGLE,
    RUNWAY,
    KIE,
    KINOVI,
    KINETOSCOPE,
    ELEVENLABS,
    OPENAI_MEDIA,
)

Adapters = Mapping[str, Adapter]
"""Every hosted upstream we can speak to, by name."""


def adapters_of(modules: tuple[str, ...]) -> Adapters:
    """Return our adapters and those of the operator's own modules; raises SettingInvalid."""
    found = {adapter.name: adapter for adapter in OWN_ADAPTERS}
    for module in modules:
        try:
            added = import_module(module).ADAPTERS
        except (ImportError, AttributeError) as error:
            raise SettingInvalid(f"KINETOSCOPE_ADAPTERS: {module}: {error}") from None
        found.update({adapter.name: adapter for adapter in added})
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What providers are made of. `key` returns a key by its name, or an empty text.

    `folder` is scratch space of this process's own.
    """

    adapters: Adapters
    key: Callable[[str], str]
    caller: Caller
    egress: Egress
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The providers whose files can be used, and what is wrong with the others.

    `withheld` are models that one of the others may make: nobody stands in for it.
    """

    adapters: Adapters
    configs: tuple[ProviderConfig, ...]
    problems: tuple[Problem, ...]
    withheld: frozenset[str]


def setup_of(settings: Settings, catalog: Catalog) -> Setup:
    """Read the operator's provider files, and add the adapters for which settings hold a key."""
    adapters = adapters_of(settings.adapters)
    read = read_providers(settings.config_dir / "providers")
    problems = list(read.problems)
    configs, unused = [], list(read.unused)
    for config in read.providers:
        wrong = _problems(config, adapters, catalog)
        problems += wrong
        if wrong:
            unused.append(config.source)
        else:
            configs.append(config)
    files = (*(config.source for config in read.providers), *read.unused)
    named = {key_word(source.path.stem) for source in files}
    for adapter in adapters.values():
        word = key_word(adapter.name)
        if word in settings.provider_keys and word not in named:
            configs.append(config_of(adapter.name))
    withheld = frozenset[str]().union(*(_withheld(each, adapters, catalog) for each in unused))
    return Setup(
        adapters=adapters, configs=tuple(configs), problems=tuple(problems), withheld=withheld
    )


def _withheld(source: Source, adapters: Adapters, catalog: Catalog) -> frozenset[str]:
    """Return what a provider would make if its file could be used; all, if nobody can tell."""
    adapter, named = models_named(source)
    if named is not None:
        return named
    if adapter in adapters:
        return frozenset(adapters[adapter].models)
    return frozenset(catalog.models_by_id)


def config_of(adapter: str) -> ProviderConfig:
    """Return what a file that names nothing but an adapter would say."""
    return ProviderConfig(
        name=adapter,
        adapter=adapter,
        base_url=None,
        key_name=None,
        queue=None,
        order=None,
        weight=1,
        result_origins=frozenset(),
        options={},
        models=None,
        source=Source(path=Path(f"{adapter}.toml"), text=""),
    )


def _problems(config: ProviderConfig, adapters: Adapters, catalog: Catalog) -> list[Problem]:
    if config.adapter not in {*adapters, *own_engines.NAMES}:
        known = ", ".join(sorted({*adapters, *own_engines.NAMES}))
        return [config.problem(("adapter",), f"{config.adapter!r} is none of {known}")]
    unknown = [
        config.problem(("models", model), f"there is no model {model!r}")
        for model in config.models or ()
        if model not in catalog.models_by_id
    ]
    return unknown + own_engines.problems(config)


def routes_of(setup: Setup, catalog: Catalog) -> Routes:
    """Return the routes of every model: the configured ones, or the embedded renderer.

    A model with a configured route has no other: previews never stand in for it, not even while
    its provider's file cannot be used.
    """
    by_model: dict[str, tuple[Route, ...]] = {}
    for model in catalog.models:
        listed = [
            _route(config, offered)
            for config in setup.configs
            if (offered := offers(config, setup.adapters).get(model.id)) is not None
        ]
        otherwise = () if model.id in setup.withheld else (EMBEDDED,)
        by_model[model.id] = tuple(sorted(listed, key=lambda route: route.order)) or otherwise
    queues = {config.name: queue_of(config) for config in setup.configs}
    own = {route.provider: route.queue for route in (EMBEDDED, REHEARSAL)}
    return Routes(by_model=by_model, test=REHEARSAL, queues={**queues, **own})


def offers(config: ProviderConfig, adapters: Adapters) -> Mapping[str, ModelRoute]:
    """Return what a provider makes: what its file lists, or all that its adapter knows."""
    if config.models is not None:
        return config.models
    adapter = adapters.get(config.adapter)
    known = {} if adapter is None else adapter.models
    return {
        model: ModelRoute(upstream=upstream, options={}, cost=None)
        for model, upstream in known.items()
    }


def queue_of(config: ProviderConfig) -> str:
    """Return where a provider's tasks wait."""
    return config.queue or own_engines.queue_of(config) or HOSTED_QUEUE


def tasks_at_once(setup: Setup, hosted_tasks: int) -> dict[str, int]:
    """Return how many tasks of each configured queue a worker has at once.

    Those of distant providers cost it next to nothing. A process that makes media itself takes
    no more than it can begin soon, so that other workers of the queue get their share.
    """
    found: dict[str, int] = {}
    for config in setup.configs:
        queue = queue_of(config)
        tasks = own_engines.tasks_at_once(config) or hosted_tasks
        found[queue] = max(tasks, found.get(queue, 0))
    return found


def _route(config: ProviderConfig, offered: ModelRoute) -> Route:
    return Route(
        provider=config.name,
        queue=queue_of(config),
        upstream_model=offered.upstream,
        options=offered.options,
        order=order_of(config),
        weight=config.weight,
        cost=offered.cost,
    )


def order_of(config: ProviderConfig) -> int:
    """Return how soon it is asked: own engines before hosted ones, unless the file says so."""
    if config.order is not None:
        return config.order
    return OWN_ORDER if config.adapter in OWN else HOSTED_ORDER


def providers_of(setup: Setup, parts: Parts) -> dict[str, Provider]:
    """Make every configured provider."""
    return {config.name: provider_of(config, parts) for config in setup.configs}


def provider_of(config: ProviderConfig, parts: Parts) -> Provider:
    """Make one provider; `setup_of` has seen to it that it can be made."""
    if config.adapter == own_engines.COMFYUI:
        key = partial(parts.key, config.key_name or config.name)
        return own_engines.comfyui(config, key, parts.caller)
    if config.adapter == own_engines.DIFFUSERS:
        return own_engines.diffusers(config, parts.folder)
    adapter = parts.adapters[config.adapter]
    return HostedProvider(
        name=config.name,
        adapter=adapter,
        site=partial(_site, config, adapter, parts.key),
        caller=parts.caller,
        egress=parts.egress,
        result_origins=config.result_origins,
    )


def _site(config: ProviderConfig, adapter: Adapter, key: Callable[[str], str]) -> Site:
    """Look at the upstream as it is set up now: keys may have changed since the start."""
    return Site(
        base_url=(config.base_url or adapter.base_url).rstrip("/"),
        key=next(filter(None, map(key, key_names(config, adapter))), ""),
        options=config.options,
    )


def claims_of(setup: Setup) -> Mapping[str, Claim]:
    """Return how each provider's callbacks name the job."""
    known = {adapter.name: adapter.claim for adapter in setup.adapters.values()}
    named = {
        config.name: setup.adapters[config.adapter].claim
        for config in setup.configs
        if config.adapter in setup.adapters
    }
    return known | named


def signatures_of(setup: Setup) -> Mapping[str, Signed]:
    """Return how the callbacks of each provider that signs them are checked."""
    named = {
        config.name: setup.adapters[config.adapter]
        for config in setup.configs
        if config.adapter in setup.adapters
    }
    known = {**setup.adapters, **named}
    return {name: each.signed for name, each in known.items() if each.signed is not None}
