"""Advance: take a task up wherever it stands and carry it to its end.

This is what the engine runs. It may be killed at any moment, and then runs again: each step
commits before the next begins, and a step that was done is not done twice.
"""

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

import structlog

from kinetoscope.catalog import check
from kinetoscope.kernel.errors import InvalidInputs, KinetoscopeError, LeaseLost, UnknownModel
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import Order
from kinetoscope.providers.contract import (
    Done,
    FetchedReference,
    Idempotency,
    Job,
    Lost,
    Provider,
    Rehearsal,
)
from kinetoscope.tasks import (
    alerts,
    ending,
    finish,
    follow,
    gather,
    intents,
    late_checks,
    outcomes,
    place,
    store,
    unanswered,
)
from kinetoscope.tasks.alerts import Alert
from kinetoscope.tasks.finish import Finished
from kinetoscope.tasks.place import Moved, Unbegun
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.task import GENERATION_FAILED, Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

PLACES_MAX = 20
"""Bounds a provider that keeps forgetting; restarts of our own workers stay well below."""

CLAIMS_MAX = 300
CLAIM_DELAY_S = 60
"""A task that was taken up this often and never ended brings its workers down; give it up. What
only waits for a provider or model to be set up again is taken up once in so many seconds."""


class OrderUnreadable(KinetoscopeError):
    """This worker's catalog does not have what was ordered: another's may, or this one's soon."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The provider does not know the job any more."""

    by: Provider


async def advance(tools: Tools, task_id: TaskId) -> None:
    """Carry one task to its end, unless it has ended or another worker takes it over."""
    task = await store.claim(tools.database, task_id)
    if task is None:
        return
    folder = tools.folder / f"{task.id}-{task.epoch}"
    structlog.contextvars.bind_contextvars(task=task.id)
    try:
        with tools.wakes.remembering(task.id):
            await _walk(tools, task, gather.folder_for(folder))
    except LeaseLost:
        log.info("task.lease_lost", task=task.id, epoch=task.epoch)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _walk(tools: Tools, task: Task, folder: gather.Folder) -> None:
    stopped = None if is_begun(task) else ending.stopped(tools, task)
    if stopped is not None:
        await finish.fail(tools, task, stopped)  # nobody has it, so nothing is lost
        return
    order = _order(tools, task)
    if order is None and not ending.is_hopeless(tools, task):
        raise OrderUnreadable(f"{task.id} is for {task.model}, which is not offered here like that")
    if order is None or task.epoch > _claims_max(tools, task):
        log.error("task.given_up", task=task.id, provider=task.provider, epoch=task.epoch)
        if is_begun(task):
            await _tell_given_up(tools, task)
        await finish.fail(tools, task, GENERATION_FAILED)
        return
    ended = await _make(tools, task, order, folder)
    match ended:
        case Finished():
            await finish.succeed(tools, task, order, ended)
        case Failure():
            await finish.fail(tools, task, ended)
        case Moved():
            log.info("task.moved", task=task.id)
        case _:
            assert_never(ended)


def _claims_max(tools: Tools, task: Task) -> float:
    age = tools.clock() - task.created_at
    return CLAIMS_MAX + age.total_seconds() / CLAIM_DELAY_S


async def _make(
    tools: Tools, task: Task, order: Order, folder: gather.Folder
) -> Finished | Failure | Moved:
    """Have the task made, and again where its provider forgot it."""
    for _ in range(PLACES_MAX):
        made = await _make_once(tools, task, order, folder)
        if isinstance(made, Unbegun):
            task = replace(task, submit_started_at=None)  # with its references, this time
            continue
        if not isinstance(made, Forgotten):
            return made
        if made.by.idempotency is Idempotency.NEITHER:
            return GENERATION_FAILED
        is_bound = made.by.polling is not None  # it may have made it, and billed it
        await intents.lose(tools.database, task, is_bound=is_bound)
        accepted_by = made.by.name if is_bound else None
        task = replace(task, submit_started_at=None, upstream_id=None, accepted_by=accepted_by)
    return GENERATION_FAILED


async def _make_once(
    tools: Tools, task: Task, order: Order, folder: gather.Folder
) -> Finished | Failure | Moved | Unbegun | Forgotten:
    references: tuple[FetchedReference, ...] = ()
    if _needs_references(tools, task):
        gathered = await _gathered(tools, task, order, folder)
        if isinstance(gathered, Failure):
            return gathered
        references = gathered
    placed = await place.place(tools, task, partial(_job, tools, task, order, folder, references))
    if isinstance(placed, Failure | Moved | Unbegun):
        return placed
    if isinstance(placed.outcome, Done):
        return outcomes.finished(task, placed, placed.outcome)
    if references and placed.provider.polling is not None:
        shutil.rmtree(folder.references, ignore_errors=True)  # the upstream has them
    upstream_id = placed.outcome.upstream_id
    ended = await follow.follow(tools, task, placed.provider, placed.job, upstream_id)
    match ended:
        case Failure():
            return outcomes.billed(task, placed, ended)
        case Done():
            return outcomes.finished(task, placed, ended)
        case Lost():
            return Forgotten(placed.provider)
        case _:
            assert_never(ended)


async def _tell_given_up(tools: Tools, task: Task) -> None:
    """Let the operator know of what an upstream may finish, and nobody will come for."""
    message = "The model is not what it was when the task was created; the upstream may bill it."
    alert = Alert(kind="given_up", provider=task.provider, task_id=task.id, message=message)
    await alerts.raise_alert(tools.database, alert, tools.clock())


def is_begun(task: Task) -> bool:
    """Whether an upstream has the task, or may have it."""
    return task.submit_started_at is not None or task.upstream_id is not None


def _needs_references(tools: Tools, task: Task) -> bool:
    """Whether the task may have to be submitted; not if a distant upstream has it."""
    provider = tools.providers.get(task.provider)
    if provider is None and is_begun(task):
        return False  # it can only wait until its provider is set up again
    if provider is None or provider.polling is None or not is_begun(task):
        return True
    return task.upstream_id is None and provider.idempotency is Idempotency.CLIENT_TOKEN


async def _gathered(
    tools: Tools, task: Task, order: Order, folder: gather.Folder
) -> tuple[FetchedReference, ...] | Failure:
    gathered = await gather.gather(tools, order, folder, task.created_at)
    if not isinstance(gathered, Failure):
        model = tools.catalog.find(task.model)
        return late_checks.check(model, order, gathered) or gathered
    provider = tools.providers.get(task.provider)
    if is_begun(task) and provider is not None and provider.polling is not None:
        # It cannot be sent again without them, and nobody knows whether it arrived.
        return await unanswered.give_up(tools, task, provider)
    return gathered


def _job(
    tools: Tools,
    task: Task,
    order: Order,
    folder: gather.Folder,
    references: tuple[FetchedReference, ...],
    route: Route,
) -> Job:
    begun_as = task.upstream_model if is_begun(task) else None
    return Job(
        task_id=task.id,
        order=order,
        seed=task.seed,
        references=references,
        folder=folder.outputs,
        upstream_model=route.upstream_model if begun_as is None else begun_as,
        options=route.options,
        callback_url=tools.callback_url and tools.callback_url(route.provider, task.id),
        rehearsal=None if task.rehearsal is None else Rehearsal(task.rehearsal),
        may_wait=task.is_sample,
    )


def _order(tools: Tools, task: Task) -> Order | None:
    """Read the stored inputs again; None if the catalog no longer offers what was ordered."""
    try:
        return check.check(tools.catalog.find(task.model), task.inputs, auto_fix=False)
    except (UnknownModel, InvalidInputs) as error:
        log.warning("task.order_unreadable", task=task.id, model=task.model, error=str(error))
        return None
