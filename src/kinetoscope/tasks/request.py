"""What a client asks for, as it came, and what creating a task makes of it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from kinetoscope.accounts import opening
from kinetoscope.catalog import check, price
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import ModelUnavailable
from kinetoscope.kernel.ids import TaskId, new_media_name, new_task_id
from kinetoscope.kernel.order import JSON, Order
from kinetoscope.kernel.secrets import KeyMode, PresentedKey
from kinetoscope.tasks.idempotency import Once
from kinetoscope.tasks.rehearsal import asked as asked_outcome
from kinetoscope.tasks.reuse import cache_key, obstacle
from kinetoscope.tasks.route import Route, Routes

SCOPE = "tasks:write"

SEED_MAX = 2**31 - 1
"""The largest seed that every model accepts."""

FREE = Credits(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """In whose words a task is asked for, where those are not our own.

    Its webhooks answer in the same words. `details` are what only that dialect knows what to do
    with. `events` are what its webhook tells of: some of start, logs, output and completed; None is
    its end alone.
    """

    dialect: str
    details: Mapping[str, JSON] = field(default_factory=dict)
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client waits for its task to begin, and to end; None where it does not say."""

    start: timedelta | None = None
    end: timedelta | None = None


PATIENT = Patience()
"""A client that does not say how long it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks for, as it came.

    `once` is the client's own name for this request, if it gave one. With `reuse` an equal
    earlier task's media will do. `outcome` is how a test key wants its task to end. `spoken` is
    None where it was asked for in our own words.
    """

    model: str
    inputs: object
    auto_fix: bool
    callback_url: str | None
    reuse: bool = False
    once: Once | None = None
    outcome: str | None = None
    spoken: Spoken | None = None
    patience: Patience = PATIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a request comes to: what will be made, by whom, and what is held for it."""

    model: Model
    order: Order
    routes: Routes
    held: Credits
    is_test: bool
    rehearsal: str | None
    cache_key: bytes | None

    @property
    def uncacheable(self) -> str | None:
        """Why no earlier task's media will ever do; None if it may."""
        return obstacle(self.model, self.order, is_rehearsal=self.rehearsal is not None)

    def route(self, task_id: str) -> Route:
        """Return the first route of a task; the worker looks for another if it must."""
        if self.is_test:
            return self.routes.test
        return self.routes.ranked(self.model.id, task_id)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to create a task, under the id it will have."""

    task_id: TaskId
    key: PresentedKey
    plan: Plan
    callback_url: str | None
    reuse: bool
    once: Once | None
    spoken: Spoken | None
    patience: Patience
    now: datetime


@dataclass(frozen=True, slots=True)
class Created:
    """The task there is now.

    `replayed` if an equal request made it before; `reused` if it shows an earlier task's media;
    `uncacheable` says why it never could, where that was asked for.
    """

    task_id: TaskId
    replayed: bool = False
    reused: bool = False
    uncacheable: str | None = None


def plan(catalog: Catalog, routes: Routes, mode: KeyMode, request: Request) -> Plan:
    """Check a request and price it.

    Raises UnknownModel, InvalidInputs, InvalidRequest or ModelUnavailable.
    """
    model = catalog.find(request.model)
    order = check.check(model, request.inputs, auto_fix=request.auto_fix)
    is_test = mode is KeyMode.TEST
    if not is_test and not routes.by_model.get(model.id):
        raise ModelUnavailable("This model is not available at the moment")
    made_by = routes.test.provider if is_test else routes.names(model.id)
    return Plan(
        model=model,
        order=order,
        routes=routes,
        held=FREE if is_test else price.hold(model, order),
        is_test=is_test,
        rehearsal=asked_outcome(order.prompt, request.outcome, is_test=is_test),
        cache_key=cache_key(model, order, made_by, is_test=is_test),
    )


def attempt(key: PresentedKey, planned: Plan, request: Request, now: datetime) -> Attempt:
    """Give a planned task its id."""
    return Attempt(
        task_id=new_task_id(),
        key=key,
        plan=planned,
        callback_url=request.callback_url,
        reuse=request.reuse,
        once=request.once,
        spoken=request.spoken,
        patience=request.patience,
        now=now,
    )


def parameters(attempt: Attempt) -> dict[str, object]:
    """Return what the creating statement needs."""
    planned = attempt.plan
    order = planned.order
    route = planned.route(attempt.task_id)
    return {
        **opening.opens_parameters(attempt.key, SCOPE),
        "caps_checked": False,
        "task_id": attempt.task_id,
        "price": planned.held,
        "callback_url": attempt.callback_url,
        "model": order.model,
        "inputs": Jsonb(order.inputs),
        "seed": secrets.randbelow(SEED_MAX) if order.seed is None else order.seed,
        "media_name": new_media_name(),
        "provider": route.provider,
        "queue": route.queue,
        "is_test": planned.is_test,
        "rehearsal": planned.rehearsal,
        "cache_key": planned.cache_key,
        **_spoken_parameters(attempt),
        "now": attempt.now,
    }


def _spoken_parameters(attempt: Attempt) -> dict[str, object]:
    spoken, patience, now = attempt.spoken, attempt.patience, attempt.now
    return {
        "dialect": None if spoken is None else spoken.dialect,
        "dialect_details": None if spoken is None else Jsonb(spoken.details),
        "events": None if spoken is None or spoken.events is None else list(spoken.events),
        "start_by": None if patience.start is None else now + patience.start,
        "end_by": None if patience.end is None else now + patience.end,
    }
