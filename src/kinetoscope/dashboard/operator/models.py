"""Models and prices as they are in force: who makes each, and what is wrong with files."""

from dataclasses import dataclass

from starlette.responses import Response

from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_lines
from kinetoscope.catalog.spec import builtin
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.tasks import served
from kinetoscope.tasks.route import Route
from kinetoscope.wiring import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A model, what it costs, and who is asked for it in which order."""

    model: Model
    prices: list[str]
    routes: tuple[Route, ...]
    unserved: frozenset[str]
    is_own: bool

    @property
    def condition(self) -> str:
        """Whether it can be made: `none` by nobody, `idle` by nobody who runs, or `preview`."""
        if not self.routes:
            return "none"
        if all(route.queue in self.unserved for route in self.routes):
            return "idle"
        return "preview" if all(route.is_preview for route in self.routes) else "real"


def mount(pages: Pages) -> None:
    """Add /operator/models."""
    pages.add("GET", "/operator/models", "operator", show)


async def show(visit: Visit) -> Response:
    """List all models."""
    runtime = visit.runtime
    unserved = await unserved_queues(runtime)
    usual = builtin().models_by_id
    shown = [
        Shown(
            model=model,
            prices=price_lines(model),
            routes=runtime.routes.by_model.get(model.id, ()),
            unserved=unserved,
            is_own=usual.get(model.id) != model,
        )
        for model in runtime.catalog.models
    ]
    return visit.render(
        "operator/models.html",
        shown=shown,
        problems=runtime.problems,
        folder=runtime.settings.config_dir / "models",
        providers_folder=runtime.settings.config_dir / "providers",
    )


async def unserved_queues(runtime: Runtime) -> frozenset[str]:
    """Return the queues that nobody works on just now."""
    seen = {each.queue: each.ago_s for each in await served.listed(runtime.database)}
    return frozenset(
        queue
        for queue in runtime.routes.queues.values()
        if seen.get(queue, served.UNSERVED_S) >= served.UNSERVED_S
    )
