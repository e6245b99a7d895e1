"""Providers: who makes what, whether they are well, and what is earned with each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from starlette.responses import Response

from kinetoscope import upstreams
from kinetoscope.dashboard.operator.models import unserved_queues
from kinetoscope.dashboard.operator.provider_keys import KeyShown, KeysShown, keys_shown
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.credits import Credits
from kinetoscope.providers.config import ProviderConfig
from kinetoscope.providers.cost import format_usd
from kinetoscope.tasks import alerts, circuits
from kinetoscope.tasks import margins as margin_steps
from kinetoscope.tasks.circuits import Circuit
from kinetoscope.tasks.margins import Margin
from kinetoscope.wiring import Runtime

SPANS = ("1", "7", "30", "60")
"""How many days margins may look back: as long as alerts are kept."""
SPAN_USUAL = "30"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A provider: its file, what it makes, and what keeps it from working. None of `file`: ours."""

    name: str
    adapter: str
    file: Path | None
    queue: str
    is_served: bool
    order: int | None
    weight: int | None
    models: tuple[str, ...]
    key: KeyShown | None
    needs_key: bool
    has_callbacks: bool
    callbacks: KeyShown | None
    circuits: tuple[Circuit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """A line of the margins, written out in dollars."""

    margin: Margin
    cost: str
    lost: str
    earned: str
    is_loss: bool


def mount(pages: Pages) -> None:
    """Add /operator/providers."""
    pages.add("GET", "/operator/providers", "operator", show)


async def show(visit: Visit) -> Response:
    """List all providers, and what is earned with them."""
    runtime, now = visit.runtime, visit.now
    database = runtime.database
    days = visit.query("days") if visit.query("days") in SPANS else SPAN_USUAL
    since = now - timedelta(days=int(days))
    found = await margin_steps.margins(database, since)
    keys = await keys_shown(runtime)
    open_circuits = await circuits.listed(database, now)
    unserved = await unserved_queues(runtime)
    rate = runtime.settings.credit_usd_micros
    total = sum(margin.earned_usd_micros(rate) for margin in found)
    return visit.render(
        "operator/providers.html",
        shown=providers_shown(runtime, keys, open_circuits, unserved),
        idle=keys.idle,
        problems=runtime.setup.problems,
        folder=runtime.settings.config_dir / "providers",
        days=days,
        spans=SPANS,
        margins=[earned(margin, rate) for margin in found],
        charged=Credits(sum(margin.charged for margin in found)),
        total=usd(total),
        credit_usd=format_usd(rate),
        alerts=await alerts.recent(database, now - timedelta(days=7)),
        unserved=sorted(unserved),
        key_problems=[key for key in keys.of_provider.values() if key.problem],
        signs=runtime.credentials is not None,
    )


def providers_shown(
    runtime: Runtime, keys: KeysShown, open_circuits: list[Circuit], unserved: frozenset[str]
) -> list[Shown]:
    """Join everything known of each provider; the operator's come first, then ours."""
    by_provider: Mapping[str, tuple[Circuit, ...]] = {
        name: tuple(each for each in open_circuits if each.provider == name)
        for name in {each.provider for each in open_circuits}
    }
    setup, routes = runtime.setup, runtime.routes
    shown = []
    for config in sorted(setup.configs, key=lambda config: config.name):
        queue = upstreams.queue_of(config)
        shown.append(
            Shown(
                name=config.name,
                adapter=config.adapter,
                file=config.source.path if config.source.text else None,
                queue=queue,
                is_served=queue not in unserved,
                order=upstreams.order_of(config),
                weight=config.weight,
                models=tuple(upstreams.offers(config, setup.adapters)),
                key=keys.of_provider.get(config.name),
                needs_key=_needs_key(config, runtime),
                has_callbacks=config.name in keys.callbacks,
                callbacks=keys.callbacks.get(config.name),
                circuits=by_provider.get(config.name, ()),
            )
        )
    configured = {each.name for each in shown}
    for name, queue in sorted(routes.queues.items()):
        if name not in configured:
            makes = tuple(
                model
                for model, listed in routes.by_model.items()
                if name in {route.provider for route in listed}
            )
            shown.append(_ours(name, queue, makes, is_served=queue not in unserved))
    return shown


def _needs_key(config: ProviderConfig, runtime: Runtime) -> bool:
    """Whether it is a hosted upstream at its usual address: none of those works without one."""
    adapter = runtime.setup.adapters.get(config.adapter)
    return adapter is not None and config.adapter not in upstreams.OWN


def _ours(name: str, queue: str, models: tuple[str, ...], *, is_served: bool) -> Shown:
    return Shown(
        name=name,
        adapter="built in",
        file=None,
        queue=queue,
        is_served=is_served,
        order=None,
        weight=None,
        models=models,
        key=None,
        needs_key=False,
        has_callbacks=False,
        callbacks=None,
        circuits=(),
    )


def earned(margin: Margin, credit_usd_micros: int) -> Earned:
    """Write a line of the margins in dollars."""
    left = margin.earned_usd_micros(credit_usd_micros)
    return Earned(
        margin=margin,
        cost=usd(margin.cost_usd_micros),
        lost=usd(margin.lost_usd_micros),
        earned=usd(left),
        is_loss=left < 0,
    )


def usd(usd_micros: int) -> str:
    """Write dollars with their sign in front of the money's: `-$0.10`."""
    text = format_usd(usd_micros)
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"
