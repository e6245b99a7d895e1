"""Create: check, price, and then one statement that holds, records and enqueues, or does nothing.

Everything that can be refused by looking is refused before the database is asked. The rest, key,
cap and credits, is the condition of one UPDATE; where it does not hold, the reason is looked up
afterwards.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from kinetoscope.accounts import opening
from kinetoscope.catalog import check, price
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import CapReached, CreditsShort, DatabaseUnavailable
from kinetoscope.kernel.ids import TaskId, new_media_name, new_task_id
from kinetoscope.kernel.order import Order
from kinetoscope.kernel.secrets import KeyMode, PresentedKey
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import store
from kinetoscope.tasks.route import Route, Routes

SEED_MAX = 2**31 - 1
"""The largest seed that every model accepts."""

FREE = Credits(0)

SCOPE = "tasks:write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks for, as it came."""

    model: str
    inputs: object
    auto_fix: bool
    callback_url: str | None


async def create(
    database: Database,
    catalog: Catalog,
    routes: Routes,
    key: PresentedKey,
    request: Request,
    now: datetime,
) -> TaskId:
    """Create a task and hold its price; return its id.

    Raises UnknownModel or InvalidInputs before the key was looked at; then Unauthenticated,
    Forbidden, CreditsShort or CapReached. Whatever it raises, nothing was written.
    """
    model = catalog.find(request.model)
    order = check.check(model, request.inputs, auto_fix=request.auto_fix)
    is_test = key.mode is KeyMode.TEST
    held = FREE if is_test else price.hold(model, order)
    route = routes.test if is_test else routes.by_model[model.id]
    attempt = Attempt(new_task_id(), key, held, now, request.callback_url)
    try:
        await _write(database, attempt, _what(order, route))
    except DatabaseUnavailable as error:
        # Nobody knows whether the task exists; its id lets the client find out later.
        raise DatabaseUnavailable(attempt.task_id) from error
    return attempt.task_id


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who wants to create which task for how much, and when."""

    task_id: TaskId
    key: PresentedKey
    held: Credits
    now: datetime
    callback_url: str | None


async def _write(database: Database, attempt: Attempt, what: dict[str, object]) -> None:
    parameters = {
        **opening.opens_parameters(attempt.key, SCOPE),
        **what,
        "task_id": attempt.task_id,
        "price": attempt.held,
        "callback_url": attempt.callback_url,
        "now": attempt.now,
    }
    attempts_left = 3
    while not await _written(database, parameters):
        if await store.exists(database, attempt.task_id):
            # Repeated after it took effect, see below, and now short of what it then took.
            return
        # What was refused may be allowed by the time it is explained; then it is tried again,
        # but not for ever, since an account may be fed and drained all the time.
        attempts_left -= 1
        await _explain(database, attempt, final=attempts_left == 0)


async def _explain(database: Database, attempt: Attempt, *, final: bool) -> None:
    """Raise the reason why a task could not be created."""
    caller = await opening.authenticate(database, attempt.key, attempt.now)
    opening.require(caller, SCOPE)
    balance = await store.balance(database, caller.account_id)
    if balance.tasks_running >= balance.tasks_running_max or final:
        raise CapReached(limit=balance.tasks_running_max, current=balance.tasks_running)
    if balance.available < attempt.held:
        raise CreditsShort(required=attempt.held, available=balance.available)


def _what(order: Order, route: Route) -> dict[str, object]:
    return {
        "model": order.model,
        "inputs": Jsonb(order.inputs),
        "seed": secrets.randbelow(SEED_MAX) if order.seed is None else order.seed,
        "media_name": new_media_name(),
        "provider": route.provider,
        "queue": route.queue,
    }


async def _written(database: Database, parameters: dict[str, object]) -> bool:
    try:
        return await store.create(database, parameters)
    except UniqueViolation:
        # The connection broke after the statement took effect, and it was repeated: the id is
        # ours alone, so the task that has it is the one we wanted.
        return True
