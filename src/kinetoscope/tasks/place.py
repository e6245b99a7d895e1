"""Place: find the provider that takes a task, and write down who was asked and why."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

import structlog

from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.errors import KinetoscopeError
from kinetoscope.kernel.order import JSON
from kinetoscope.providers.breaker import Breaker, Change
from kinetoscope.providers.contract import Accepted, Done, Job, Kind, Provider, Refused, Unknown
from kinetoscope.tasks import circuits, intents, submit
from kinetoscope.tasks.ending import TIMED_OUT, is_hopeless, stopped
from kinetoscope.tasks.route import Route
from kinetoscope.tasks.submit import Submitted
from kinetoscope.tasks.task import Failure, Task
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

REFUSALS_MAX = 12
RETRY_DELAY_S_MAX = 60.0
PAUSE_S_MAX = 30.0

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


@dataclass(slots=True)
class Search:
    """What has been tried for one task."""

    routes: tuple[Route, ...]
    refusals: int = 0
    impossible: dict[str, str] = field(default_factory=dict)
    resting_until_s: dict[str, float] = field(default_factory=dict)
    considered: list[JSON] = field(default_factory=list)

    def pass_over(self, route: Route, says: str) -> None:
        """Note why a route is not taken now."""
        self.considered.append({"provider": route.provider, "says": says})


async def place(tools: Tools, task: Task, job_for: JobFor) -> Placed | Moved | Failure:
    """Return who has the task. Raises LeaseLost, and ProviderMissing."""
    routes = tools.routes.of(task.model, task.provider, task.id)
    if task.upstream_id is not None or task.submit_started_at is not None:
        return await _take_up(tools, task, routes, job_for)
    search = Search(routes)
    while True:
        for route in routes:
            ended = stopped(tools, task)
            if ended is not None:
                return ended  # nobody has it, so nothing is lost
            tried = await _try(tools, task, search, route, job_for)
            if tried is not None:
                return tried
        if len(search.impossible) == len(routes):
            log.error("task.no_route", task=task.id, model=task.model, tried=search.impossible)
            return UNSUPPORTED
        if search.refusals >= REFUSALS_MAX:
            return UNAVAILABLE
        await tools.wakes.pause(task.id, _pause_s(tools, search))


async def _take_up(
    tools: Tools, task: Task, routes: tuple[Route, ...], job_for: JobFor
) -> Placed | Failure | Moved:
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
    assert task.submit_started_at is not None  # noqa: S101 - or it would be nobody's
    submitted = await submit.clear_up(tools, task, provider, job, task.submit_started_at)
    match submitted:
        case Accepted() | Done():
            return Placed(route, provider, job, submitted)
        case Refused():
            # Nobody has it after all: it begins anew, as if it had never been submitted.
            return await place(tools, replace(task, submit_started_at=None), job_for)
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
        await intents.move(tools.database, task, route.provider, route.queue, decision)
        return Moved()
    if provider is None:
        search.impossible[route.provider] = "is not set up"
        return None
    job = job_for(route)
    began_at = tools.clock()
    submitted = await _guarded(tools, task, route, Begun(provider, job, decision))
    if isinstance(submitted, Unknown):
        submitted = await submit.clear_up(tools, task, provider, job, began_at)
    search.considered = []
    match submitted:
        case Accepted() | Done():
            return Placed(route, provider, job, submitted)
        case Failure():
            return submitted
        case Refused() as refused:
            _note_refusal(search, route, refused, tools.clock().timestamp())
            return None


async def _guarded(tools: Tools, task: Task, route: Route, begun: Begun) -> Submitted | Unknown:
    """Submit, and tell the circuit breaker how that went."""
    breaker = tools.breakers.of(route.provider, route.upstream_model)
    breaker.begin()
    try:
        submitted = await submit.submit(tools, task, begun.provider, begun.job, begun.decision)
    except BaseException:
        breaker.abandon()
        raise
    busy = isinstance(submitted, Refused) and submitted.kind is Kind.TEMPORARY
    fine = not busy and not isinstance(submitted, Unknown)
    change = breaker.record(tools.clock().timestamp(), fine=fine)
    if change is not None:
        await _tell(tools, route, change)
    return submitted


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


def _note_refusal(search: Search, route: Route, refused: Refused, now_s: float) -> None:
    search.pass_over(route, f"refused: {refused.message}"[:200])
    if refused.kind is Kind.UNSUPPORTED:
        search.impossible[route.provider] = f"refused: {refused.message}"[:200]
        return
    search.refusals += 1
    delay_s = min(2.0 ** (search.refusals - 1), RETRY_DELAY_S_MAX)
    if refused.retry_after_s is not None:
        delay_s = max(delay_s, refused.retry_after_s)
    search.resting_until_s[route.provider] = now_s + delay_s


async def _tell(tools: Tools, route: Route, change: Change) -> None:
    """Let the operator know that a provider is left alone, or is asked again."""
    provider, model = route.provider, route.upstream_model
    log.warning("provider.circuit", provider=provider, model=model, change=change)
    is_open = change is Change.OPENED
    await circuits.note(tools.database, provider, model, is_open=is_open, now=tools.clock())


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
