"""The studio: a form for every model, its price as it is filled in, and what was made with it."""

from dataclasses import dataclass
from secrets import token_urlsafe

from starlette.responses import Response

from kinetoscope.accounts import studio as studio_keys
from kinetoscope.accounts.opening import Caller
from kinetoscope.api import snippets
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_summary
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.studio_form import Filled, Prefilled, controls, from_inputs, inputs_of
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.errors import InvalidInputs, KinetoscopeError
from kinetoscope.kernel.order import JSON
from kinetoscope.kernel.secrets import KeyMode, PresentedKey
from kinetoscope.tasks.estimate import Estimate, estimate
from kinetoscope.tasks.inputs import asked_of
from kinetoscope.tasks.listing import Wanted, page
from kinetoscope.tasks.read import Record
from kinetoscope.tasks.request import Request

COMPARED_MAX = 3
RECENT = 6

FIRST_MODEL = "seedance-20"
"""What the studio opens with, where the catalog has it."""


def mount(pages: Pages) -> None:
    """Add /studio and what its form asks for while it is filled in."""
    pages.add("GET", "/studio", "person", show)
    pages.add("POST", "/studio/price", "person", price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a form would cost with one model, or what is wrong with it."""

    model: Model
    estimate: Estimate | None
    problems: tuple[str, ...]


async def show(visit: Visit) -> Response:
    """Show the form of a model, filled in from the address or an earlier task."""
    catalog = visit.runtime.catalog
    query = visit.request.query_params
    filled: Filled = Prefilled({name: query.getlist(name) for name in query})
    model_id, is_test = query.get("model", ""), query.get("test") == "1"
    if query.get("task"):
        asked = await asked_of(
            visit.runtime.database, visit.me.account_id, query["task"], visit.now
        )
        filled, model_id, is_test = from_inputs(asked.inputs), asked.model, asked.is_test
    models = catalog.models
    usual = catalog.models_by_id.get(FIRST_MODEL, models[0])
    model = catalog.find(model_id) if model_id else usual
    compared = {name for name in query.getlist("compare") if name in catalog.models_by_id}
    recent = await recent_runs(visit)
    return visit.render(
        "studio/studio.html",
        model=model,
        models=models,
        prices={each.id: price_summary(each) for each in models},
        available={each.id for each in models if is_available(visit, each)},
        controls=controls(model, filled),
        compared=compared,
        is_test=is_test,
        once=token_urlsafe(16),
        recent=recent,
        signer=visit.runtime.signer,
    )


async def recent_runs(visit: Visit) -> list[Record]:
    """Return the studio's latest tasks, live and test."""
    database = visit.runtime.database
    runs: list[Record] = []
    for mode in (KeyMode.LIVE, KeyMode.TEST):
        key = await key_of(visit, mode)
        found, _ = await page(
            database, visit.me.account_id, Wanted(key_id=key.id), None, RECENT, visit.now
        )
        runs += found
    return sorted(runs, key=lambda record: record.created_at, reverse=True)[:RECENT]


def is_available(visit: Visit, model: Model) -> bool:
    """Whether anybody can make it just now."""
    return bool(visit.runtime.routes.by_model.get(model.id))


async def key_of(visit: Visit, mode: KeyMode) -> PresentedKey:
    """Return the key that the studio uses for who is signed in."""
    return await studio_keys.presented(visit.runtime.database, visit.me.account_id, mode, visit.now)


def mode_of(form: Form) -> KeyMode:
    """Return what kind of run a form asks for."""
    return KeyMode.TEST if form["test"] == "1" else KeyMode.LIVE


def models_of(visit: Visit, form: Form) -> list[Model]:
    """Return the models that a form is to be run with: its own, and those it is compared with."""
    catalog = visit.runtime.catalog
    first = catalog.find(form["model"])
    others = [catalog.find(name) for name in form.all("compare") if name != first.id]
    return [first, *[model for model in others if model.kind is first.kind]][:COMPARED_MAX]


def order_of(model: Model, form: Form) -> dict[str, JSON]:
    """Return a form as an order of one of its models."""
    return {"model": model.id, "inputs": inputs_of(model, form)}


def shown_order(model: Model, form: Form) -> dict[str, JSON]:
    """Return the same with an example in place of a prompt that is not written yet."""
    return {"model": model.id, "inputs": {"prompt": model.examples[0], **inputs_of(model, form)}}


async def price(visit: Visit) -> Response:
    """Say what the form would cost, what is wrong with it, and how a program would say it."""
    form = await visit.form()
    models, mode = models_of(visit, form), mode_of(form)
    caller = Caller(
        account_id=visit.me.account_id,
        key_id=(await key_of(visit, mode)).id,
        mode=mode,
        scopes=studio_keys.SCOPES,
        capped=False,
    )
    priced = [await _priced(visit, caller, model, form) for model in models]
    order = shown_order(models[0], form)
    public_url = visit.runtime.settings.public_url
    return visit.render(
        "studio/price.html",
        priced=priced,
        total=sum(each.estimate.price for each in priced if each.estimate is not None),
        is_test=mode is KeyMode.TEST,
        snippets={
            "curl": snippets.curl(order, public_url, indent=2),
            "python": snippets.python(order, public_url, indent=2),
            "javascript": snippets.javascript(order, public_url, indent=2),
            "cli": snippets.command(order, public_url, indent=2),
        },
    )


async def _priced(visit: Visit, caller: Caller, model: Model, form: Form) -> Priced:
    runtime = visit.runtime
    # A price does not wait for the prompt.
    inputs = shown_order(model, form)["inputs"]
    asked = Request(model=model.id, inputs=inputs, auto_fix=False, callback_url=None)
    try:
        found = await estimate(
            runtime.database, runtime.catalog, runtime.routes, caller, asked, visit.now
        )
    except InvalidInputs as error:
        return Priced(model=model, estimate=None, problems=problems_of(model, error))
    except KinetoscopeError as error:
        return Priced(model=model, estimate=None, problems=(str(error),))
    problems = () if found.refusal is None else (str(found.refusal),)
    return Priced(model=model, estimate=found, problems=problems)


def problems_of(model: Model, error: InvalidInputs) -> tuple[str, ...]:
    """Return what is wrong with inputs, by the names that the form has for them."""
    texts = []
    for issue in error.issues:
        field = model.fields_by_name.get(str(issue.path[0])) if issue.path else None
        texts.append(f"{field.title}: {issue.message}" if field else issue.message)
    return tuple(texts)
