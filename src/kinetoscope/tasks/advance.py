"""Advance: take a task up wherever it stands and carry it to its end.

This is what the engine runs. It may be killed at any moment, and then runs again: each step
commits before the next begins, and a step that was done is not done twice.
"""

import shutil

import structlog

from kinetoscope.catalog import check
from kinetoscope.kernel.errors import InvalidInputs, LeaseLost, UnknownModel
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.order import Order
from kinetoscope.providers.contract import Job, Provider, Rehearsal
from kinetoscope.tasks import finish, follow, gather, late_checks, store, submit
from kinetoscope.tasks.task import GENERATION_FAILED, Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

CLAIMS_MAX = 30
"""A task that was taken up this often and never ended brings its workers down; give it up."""


async def advance(tools: Tools, task_id: TaskId) -> None:
    """Carry one task to its end, unless it has ended or another worker takes it over."""
    task = await store.claim(tools.database, task_id)
    if task is None:
        return
    folder = tools.folder / f"{task.id}-{task.epoch}"
    structlog.contextvars.bind_contextvars(task=task.id)
    try:
        await _walk(tools, task, gather.folder_for(folder))
    except LeaseLost:
        log.info("task.lease_lost", task=task.id, epoch=task.epoch)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _walk(tools: Tools, task: Task, folder: gather.Folder) -> None:
    order = _order(tools, task)
    provider = tools.providers.get(task.provider)
    if order is None or provider is None or task.epoch > CLAIMS_MAX:
        log.error("task.given_up", task=task.id, provider=task.provider, epoch=task.epoch)
        await finish.fail(tools, task, GENERATION_FAILED)
        return
    gathered = await gather.gather(tools, order, folder, task.created_at)
    if not isinstance(gathered, Failure):
        model = tools.catalog.find(task.model)
        gathered = late_checks.check(model, order, gathered) or gathered
    if isinstance(gathered, Failure):
        await finish.fail(tools, task, gathered)
        return
    job = Job(
        task_id=task.id,
        order=order,
        seed=task.seed,
        references=gathered,
        folder=folder.outputs,
        rehearsal=None if task.rehearsal is None else Rehearsal(task.rehearsal),
        may_wait=task.is_sample,
    )
    await _make(tools, task, provider, job)


async def _make(tools: Tools, task: Task, provider: Provider, job: Job) -> None:
    if task.upstream_id is None and follow.is_late(tools, task):
        await finish.fail(tools, task, follow.TIMED_OUT)  # nothing was begun, so nothing is lost
        return
    submitted = await submit.submit(tools, task, provider, job)
    if isinstance(submitted, Failure):
        await finish.fail(tools, task, submitted)
        return
    ended = await follow.follow(tools, task, provider, job, submitted)
    if isinstance(ended, Failure):
        await finish.fail(tools, task, ended)
    else:
        await finish.succeed(tools, task, job.order, ended)


def _order(tools: Tools, task: Task) -> Order | None:
    """Read the stored inputs again; None if the catalog no longer offers what was ordered."""
    try:
        return check.check(tools.catalog.find(task.model), task.inputs, auto_fix=False)
    except (UnknownModel, InvalidInputs) as error:
        log.warning("task.order_unreadable", task=task.id, model=task.model, error=str(error))
        return None
