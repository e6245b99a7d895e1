"""The models, for people: a hub with short prices, and a page that tells all of each."""

from collections import Counter

from starlette.responses import RedirectResponse, Response

from kinetoscope.api.model_text import find, input_rows
from kinetoscope.api.models import limits_json
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_summary, price_table
from kinetoscope.dashboard import snippets
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.order import MediaKind
from kinetoscope.wiring import Runtime

TEMPORARY = 307


def mount(pages: Pages) -> None:
    """Add /models and its pages."""
    pages.add("GET", "/models", "anyone", hub)
    pages.add("GET", "/models/{id}", "anyone", show)


async def hub(visit: Visit) -> Response:
    """Show all models or those of a kind, or lead to the one that is asked for."""
    catalog = visit.runtime.catalog
    asked = visit.query("model")
    if asked:
        return RedirectResponse(f"/models/{find(catalog, asked).id}#try", TEMPORARY)
    kinds = Counter(model.kind for model in catalog.models)
    chosen = visit.query("kind")
    kind = MediaKind(chosen) if chosen in set(MediaKind) else None
    shown = [model for model in catalog.models if kind in {None, model.kind}]
    models = [(model, price_summary(model), maker(visit.runtime, model)) for model in shown]
    return visit.render(
        "models/hub.html",
        kind=kind,
        kinds=[(each, kinds[each]) for each in MediaKind if kinds[each]],
        models=models,
        all_previews=all(made_by == "preview" for _, _, made_by in models),
    )


async def show(visit: Visit) -> Response:
    """Show a model."""
    model = find(visit.runtime.catalog, visit.request.path_params["id"])
    return visit.render(
        "models/model.html",
        model=model,
        summary=price_summary(model),
        prices=price_table(model),
        inputs=input_rows(model),
        sizes=limits_json(model).get("sizes", {}),
        samples=snippets.of_model(model, visit.runtime.settings.public_url),
        maker=maker(visit.runtime, model),
        family=[
            other
            for other in visit.runtime.catalog.models
            if other.family == model.family and other.id != model.id
        ],
    )


def maker(runtime: Runtime, model: Model) -> str:
    """Say who makes it here: `real`, a `preview` in its place, or just now `nobody`."""
    routes = runtime.routes.by_model.get(model.id, ())
    if not routes:
        return "nobody"
    return "preview" if all(route.is_preview for route in routes) else "real"
