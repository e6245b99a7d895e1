"""Runs: what the studio's form sets going, seen until it has ended."""

import hashlib
from dataclasses import dataclass, replace
from secrets import token_urlsafe

import orjson
from starlette.responses import JSONResponse, Response

from kinetoscope.accounts import audit, sessions
from kinetoscope.api.uploads import promised
from kinetoscope.catalog.model import Model
from kinetoscope.dashboard.pages import Pages, cookie_name
from kinetoscope.dashboard.studio import key_of, mode_of, models_of, order_of, problems_of
from kinetoscope.dashboard.visit import Form, Visit
from kinetoscope.kernel.errors import (
    IdempotencyBusy,
    IdempotencyMismatch,
    InvalidInputs,
    InvalidRequest,
    KinetoscopeError,
    Refusal,
)
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks import create
from kinetoscope.tasks.cancel import cancel
from kinetoscope.tasks.idempotency import Once
from kinetoscope.tasks.inputs import asked_of
from kinetoscope.tasks.request import Request
from kinetoscope.tasks.watch import Seen, seen
from kinetoscope.wiring import lifetimes_of

BEGUN_BEFORE = "What this form said before is running already. Run again to run this as well."


def mount(pages: Pages) -> None:
    """Add what the studio's buttons do."""
    pages.add("POST", "/studio/run", "person", run)
    pages.add("GET", "/studio/runs/{task_id}", "person", show)
    pages.add("POST", "/studio/runs/{task_id}/cancel", "person", stop)
    pages.add("POST", "/studio/uploads", "person", upload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A run that did not begin, and why.

    `is_busy` where the same form is being taken already, `was_before` where it said something else
    before.
    """

    model: Model
    problems: tuple[str, ...]
    is_busy: bool = False
    was_before: bool = False


async def run(visit: Visit) -> Response:
    """Create a task with each of the form's models."""
    form = await visit.form()
    begun: list[Seen] = []
    refused: list[Refused] = []
    for model in models_of(visit, form):
        result = await _begin(visit, form, model)
        if isinstance(result, Refused):
            refused.append(result)
        else:
            begun.append(result)
    if not visit.is_partial:
        if begun:
            return visit.go(f"/tasks/{begun[0].record.id}")
        raise InvalidRequest("; ".join(refused[0].problems))
    return visit.render(
        "studio/begun.html",
        200 if begun else 422,
        begun=begun,
        refused=refused,
        once=_next_token(form, begun, refused),
        visitor=await afresh(visit),
        signer=visit.runtime.signer,
    )


def _next_token(form: Form, begun: list[Seen], refused: list[Refused]) -> str:
    """Return what makes the form's next run one run.

    What was refused made nothing, so that the next try is another. But of models that are compared
    some may have begun: sent again for the others, the form must not begin those once more.
    """
    is_open = any(each.is_busy for each in refused) or (
        bool(begun) and bool(refused) and not any(each.was_before for each in refused)
    )
    return form["once"] if is_open else token_urlsafe(16)


async def _begin(visit: Visit, form: Form, model: Model) -> Seen | Refused:
    """Create one task. The form's token makes it one, however often the form is sent."""
    runtime, mode = visit.runtime, mode_of(form)
    order = order_of(model, form)
    said = orjson.dumps([order, mode.value], option=orjson.OPT_SORT_KEYS)
    once = None
    if form["once"]:
        name = f"studio {form['once'][:64]} {model.id}"
        once = Once(key=name, body_sha256=hashlib.sha256(said).digest())
    asked = Request(
        model=model.id, inputs=order["inputs"], auto_fix=False, callback_url=None, once=once
    )
    key = replace(await key_of(visit, mode), client_ip=visit.client_ip)
    try:
        created = await create.create(
            runtime.database, runtime.catalog, runtime.routes, key, asked, visit.now
        )
    except InvalidInputs as error:
        return Refused(model=model, problems=problems_of(model, error))
    except IdempotencyMismatch:
        return Refused(model=model, problems=(BEGUN_BEFORE,), was_before=True)
    except IdempotencyBusy as error:
        return Refused(model=model, problems=(str(error),), is_busy=True)
    except Refusal as error:
        return Refused(model=model, problems=(str(error),))
    return await seen(runtime.database, visit.me.account_id, created.task_id, visit.now)


async def show(visit: Visit) -> Response:
    """Show how a run stands; its script asks again until it has ended."""
    task_id = TaskId(visit.request.path_params["task_id"])
    found = await seen(visit.runtime.database, visit.me.account_id, task_id, visit.now)
    return visit.render("studio/run_now.html", run=found, signer=visit.runtime.signer)


async def stop(visit: Visit) -> Response:
    """Ask for a run's end."""
    runtime, account_id = visit.runtime, visit.me.account_id
    task_id = TaskId(visit.request.path_params["task_id"])
    asked = await asked_of(runtime.database, account_id, task_id, visit.now)
    mode = KeyMode.TEST if asked.is_test else KeyMode.LIVE
    await cancel(
        runtime.database, lifetimes_of(runtime.settings), account_id, task_id, visit.now, mode=mode
    )
    await audit.note(
        runtime.database, visit.actor, "task.cancel", task_id, visit.now, account_id=account_id
    )
    if not visit.is_partial:
        return visit.go(f"/tasks/{task_id}", "Cancelling")
    found = await seen(runtime.database, account_id, task_id, visit.now)
    return visit.render(
        "studio/run_now.html",
        run=found,
        signer=runtime.signer,
        visitor=await afresh(visit),
    )


async def upload(visit: Visit) -> Response:
    """Make a place for a file; the page's script then puts the bytes there."""
    name = (await visit.form())["fileName"]
    try:
        place = await promised(visit.runtime, visit.me.account_id, name, at_store=False)
    except KinetoscopeError as error:
        return JSONResponse({"message": str(error)}, 400)
    base = visit.runtime.signer.base_url
    return JSONResponse({**place, "uploadUrl": str(place["uploadUrl"]).removeprefix(base)})


async def afresh(visit: Visit) -> sessions.Visitor:
    """Return who is signed in with their balance as it now is."""
    token = visit.request.cookies.get(cookie_name(visit.runtime.settings.public_url), "")
    found = await sessions.visitor(visit.runtime.database, token, visit.now)
    return found or visit.me
