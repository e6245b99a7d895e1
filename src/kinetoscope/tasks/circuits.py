"""Circuits: what may make a job goes through a worker's breakers; operators see which are open.

Each worker has its own. One that is open is noted again with every probe that fails, so that what
a dead worker left is told from what is.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

import structlog

from kinetoscope.postgres.pool import Database
from kinetoscope.providers.breaker import Change
from kinetoscope.providers.contract import (
    Absent,
    Accepted,
    Done,
    Idempotency,
    Job,
    Kind,
    Provider,
    Refused,
    SubmitOutcome,
    Unknown,
)
from kinetoscope.tasks import alerts
from kinetoscope.tasks.alerts import Alert
from kinetoscope.tasks.task import CANCELLED, Failure
from kinetoscope.tasks.tools import Tools

log = structlog.get_logger(__name__)

SHOWN_FOR = timedelta(minutes=5)
"""Longer than the longest rest and the call after it: an open circuit is noted again by then."""
LIFETIME = timedelta(days=1)
LEFT_ALONE = Unknown(reason="the provider is left alone after too many failures")

Outcome = SubmitOutcome | Absent | Failure
Returned = TypeVar("Returned", bound=Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A provider and model that some worker leaves alone, and when it last found that right."""

    provider: str
    model: str
    noted_at: datetime


async def guarded(
    tools: Tools, provider: str, model: str, call: Callable[[], Awaitable[Returned]]
) -> Returned:
    """Make a call that may make a job, and tell the circuit breaker how that went."""
    breaker = tools.breakers.of(provider, model)
    ticket = breaker.begin()
    try:
        outcome = await call()
    except BaseException:
        breaker.abandon(ticket)
        raise
    fine = is_fine(outcome)
    if fine is None:
        breaker.abandon(ticket)
        return outcome
    change = breaker.record(ticket, tools.clock().timestamp(), fine=fine)
    if change is not None:
        await _tell(tools, provider, model, change)
    if isinstance(outcome, Refused) and outcome.kind is Kind.ACCOUNT:
        await _tell_account(tools, provider, outcome)
    return outcome


async def asked_again(
    tools: Tools, provider: Provider, job: Job, ask: Callable[[], Awaitable[SubmitOutcome | Absent]]
) -> SubmitOutcome | Absent:
    """Ask about a submit that was not answered, unless the provider is left alone now.

    What asks the upstream nothing (where it offers neither a token nor a lookup) is always done.
    """
    if provider.idempotency is Idempotency.NEITHER:
        return await ask()
    if delay_s(tools, provider, job) > 0:
        return LEFT_ALONE
    if provider.idempotency is Idempotency.CLIENT_TOKEN:
        return await guarded(tools, provider.name, job.upstream_model, ask)
    return await _sought(tools, provider, job, ask)


def delay_s(tools: Tools, provider: Provider, job: Job) -> float:
    """Return how long a provider is left alone; 0 where a job can be given to it."""
    breaker = tools.breakers.of(provider.name, job.upstream_model)
    return breaker.delay_s(tools.clock().timestamp())


def is_fine(outcome: Outcome) -> bool | None:
    """Whether an upstream takes jobs as it should; None where nobody can tell."""
    match outcome:
        case Unknown() | Refused(kind=Kind.TEMPORARY | Kind.ACCOUNT):
            return False
        case Failure():
            return None if outcome == CANCELLED else True  # or it was refused for good
        case Accepted() | Done() | Refused():
            return True
        case Absent():
            return None
        case _:
            assert_never(outcome)


async def _sought(
    tools: Tools, provider: Provider, job: Job, ask: Callable[[], Awaitable[SubmitOutcome | Absent]]
) -> SubmitOutcome | Absent:
    """Look a job up. That nothing went wrong there says nothing of submits; a failure does."""
    breaker = tools.breakers.of(provider.name, job.upstream_model)
    ticket = breaker.begin()
    change = None
    try:
        outcome = await ask()
        if isinstance(outcome, Unknown):
            change = breaker.record(ticket, tools.clock().timestamp(), fine=False)
    finally:
        breaker.abandon(ticket)
    if change is not None:
        await _tell(tools, provider.name, job.upstream_model, change)
    return outcome


async def _tell(tools: Tools, provider: str, model: str, change: Change) -> None:
    """Let the operator know that a provider is left alone, or is asked again."""
    log.warning("provider.circuit", provider=provider, model=model, change=change)
    is_open = change is not Change.CLOSED
    worker, now = tools.breakers.worker, tools.clock()
    await note(tools.database, worker, provider, model, is_open=is_open, now=now)


async def _tell_account(tools: Tools, provider: str, refused: Refused) -> None:
    """Let the operator know, once for all tasks, what only the operator can mend."""
    message = f"The account there is in trouble; tasks wait or go elsewhere: {refused.message}"
    alert = Alert(kind="account", provider=provider, task_id=None, message=message)
    await alerts.raise_for_provider(tools.database, alert, tools.clock())


async def note(
    database: Database, worker: str, provider: str, model: str, *, is_open: bool, now: datetime
) -> None:
    """Write down that a worker's circuit is open, or closed; and forget what is long past."""
    await database.execute(
        """
        with forgotten as (delete from provider_circuit where noted_at < %(before)s)
        insert into provider_circuit (provider, model, worker, open, noted_at)
        values (%(provider)s, %(model)s, %(worker)s, %(open)s, %(now)s)
        on conflict (provider, model, worker) do update
        set open = excluded.open, noted_at = excluded.noted_at
        """,
        {
            "provider": provider,
            "model": model,
            "worker": worker,
            "open": is_open,
            "now": now,
            "before": now - LIFETIME,
        },
    )


async def listed(database: Database, now: datetime) -> list[Circuit]:
    """Return the circuits that are open in some worker."""
    return await database.fetch_all(
        Circuit,
        """
        select provider, model, max(noted_at) as noted_at from provider_circuit
        where open and noted_at >= %(since)s
        group by provider, model order by provider, model
        """,
        {"since": now - SHOWN_FOR},
    )
