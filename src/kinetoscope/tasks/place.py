"""Place: find the provider that takes a task, and write down who was asked and why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import assert_never

import structlog

from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.breaker import Breaker
from kinetoscope.providers.contract import Accepted, Done, Job, Provider, Refused, Unknown
from kinetoscope.tasks import circuits, intents, submit
from kinetoscope.tasks.ending import TIMED_OUT, is_hopeless, stopped
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.search import Search, search_of
from kinetoscope.tasks.submit import Submitted
from kinetoscope.tasks.task import Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

PAUSE_S_MAX = 30.0
UNSERVED_DELAY_S = 5.0
MOVED_DELAY_S = 1.0
"""A route that was passed over has this long until the next worker would hand the task back."""

UNAVAILABLE = Failure(
    code="500", message="Service temporarily unavailable. Please try again later."
)
UNSUPPORTED = Failure(code="500", message="No provider can make this at the moment.")


class ProviderMissing(KinetoscopeError):
    """The task is at a provider that this worker does not have: set up again, it can go on."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The task went to the workers of another queue."""


@dataclass(frozen=True, slots=True)
class Unbegun:
    """Nobody has the task after all: it begins anew, as if it had never been submitted."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A provider has the task; or made it already."""

    route: Route
    provider: Provider
    job: Job
    outcome: Accepted | Done


@dataclass(frozen=True, slots=True)
class Begun:
    """One submit that is about to be made."""

    provider: Provider
    job: Job
    decision: JSON


JobFor = Callable[[Route], Job]


async def place(tools: Tools, task: Task, job_for: JobFor) -> Placed | Moved | Unbegun | Failure:
    """Return who has the task. Raises LeaseLost, and ProviderMissing."""
    routes = _allowed(task, tools.routes.of(task.model, task.provider, task.id))
    if task.upstream_id is not None or task.submit_started_at is not None:
        return await _take_up(tools, task, routes, job_for)
    if not routes or _only_previews(task, routes):
        raise ProviderMissing(f"{task.id} is for {task.provider}, which is not set up here")
    search = search_of(routes, task.search)
    while True:
        for route in routes:
            ended = stopped(tools, task)
            if ended is not None:
                return ended  # nobody has it, so nothing is lost
            tried = await _try(tools, task, search, route, job_for)
            if tried is not None:
                return tried
        if search.is_hopeless:
            log.error("task.no_route", task=task.id, model=task.model, tried=search.impossible)
            return UNSUPPORTED
        if search.is_worn_out:
            return UNAVAILABLE
        await tools.wakes.pause(task.id, _pause_s(tools, search))


async def _take_up(
    tools: Tools, task: Task, routes: tuple[Route, ...], job_for: JobFor
) -> Placed | Unbegun | Failure:
    """Go on with the provider that has the task, or may have it."""
    provider = tools.providers.get(task.provider)
    if provider is None:
        if is_hopeless(tools, task):
            log.error("task.provider_missing", task=task.id, provider=task.provider)
            return TIMED_OUT
        raise ProviderMissing(f"{task.id} is at {task.provider}, which is not set up here")
    known = [route for route in routes if route.provider == task.provider]
    route = known[0] if known else Route(provider=task.provider, queue="")
    job = job_for(route)
    if task.upstream_id is not None:
        return Placed(route, provider, job, Accepted(upstream_id=task.upstream_id))
    submitted = await submit.clear_up(tools, task, provider, job)
    match submitted:
        case Accepted() | Done():
            return Placed(route, provider, job, submitted)
        case Refused():
            return Unbegun()
        case Failure():
            return submitted
        case _:
            assert_never(submitted)


async def _try(
    tools: Tools, task: Task, search: Search, route: Route, job_for: JobFor
) -> Placed | Moved | Failure | None:
    """Ask one provider; None if it does not take the task now."""
    breaker = tools.breakers.of(route.provider, route.upstream_model)
    says = _why_not(tools.clock().timestamp(), search, route, breaker)
    if says is not None:
        search.pass_over(route, says)
        return None
    provider = tools.providers.get(route.provider)
    decision = _decision(tools.clock(), search, route)
    if tools.queues is not None and route.queue not in tools.queues:
        return await _move(tools, task, search, route, decision)
    if provider is None:
        search.impossible[route.provider] = "is not set up"
        return None
    job = job_for(route)
    submitted = await _guarded(tools, task, route, Begun(provider, job, decision))
    if isinstance(submitted, Unknown):
        submitted = await submit.clear_up(tools, task, provider, job)
    search.considered = []
    match submitted:
        case Accepted() | Done():
            return Placed(route, provider, job, submitted)
        case Failure():
            return submitted
        case Refused() as refused:
            search.note_refusal(route, refused, tools.clock().timestamp())
            return None


async def _move(
    tools: Tools, task: Task, search: Search, route: Route, decision: JSON
) -> Moved | None:
    """Hand a task to the workers of another queue, if there are any."""
    now_s = tools.clock().timestamp()
    if not tools.served.has(route.queue):
        search.pass_over(route, "nobody works on its queue")
        search.rest(route, now_s + UNSERVED_DELAY_S)
        return None
    for passed in search.routes[: search.routes.index(route)]:
        # The others do not know this worker's breakers, and would hand the task back at once.
        breaker = tools.breakers.of(passed.provider, passed.upstream_model)
        search.rest(passed, now_s + max(breaker.delay_s(now_s), MOVED_DELAY_S))
    await intents.move(tools.database, task, route, decision, search.as_json())
    return Moved()


def _allowed(task: Task, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Leave out everybody else where somebody distant has accepted a task: two would be paid."""
    if task.accepted_by is None:
        return routes
    return tuple(route for route in routes if route.provider == task.accepted_by)


def _only_previews(task: Task, routes: tuple[Route, ...]) -> bool:
    """Whether this worker would draw what was ordered, and priced, of somebody real."""
    return all(route.is_preview and route.provider != task.provider for route in routes)


async def _guarded(tools: Tools, task: Task, route: Route, begun: Begun) -> Submitted | Unknown:
    """Submit, and tell the circuit breaker how that went."""
    submitting = partial(submit.submit, tools, task, begun.provider, begun.job, begun.decision)
    return await circuits.guarded(tools, route.provider, route.upstream_model, submitting)


def _why_not(now_s: float, search: Search, route: Route, breaker: Breaker) -> str | None:
    if route.provider in search.impossible:
        return search.impossible[route.provider]
    if breaker.delay_s(now_s) > 0:
        return "is left alone after too many failures"
    if search.resting_until_s.get(route.provider, 0.0) > now_s:
        return "asked to wait"
    return None


def _decision(now: datetime, search: Search, route: Route) -> JSON:
    return {
        "at": unix_ms(now),
        "passedOver": list(search.considered[-len(search.routes) :]),
        "chosen": route.provider,
        "upstreamModel": route.upstream_model,
        "order": route.order,
        "weight": route.weight,
    }


def _pause_s(tools: Tools, search: Search) -> float:
    """Return how long nobody needs to be asked."""
    now_s = tools.clock().timestamp()
    delays_s = []
    for route in search.routes:
        if route.provider in search.impossible:
            continue
        breaker = tools.breakers.of(route.provider, route.upstream_model)
        resting_s = search.resting_until_s.get(route.provider, now_s) - now_s
        delays_s.append(max(breaker.delay_s(now_s), resting_s))
    return min(max(0.05, min(delays_s, default=1.0)), PAUSE_S_MAX)
