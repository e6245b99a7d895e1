"""Create: check, price, and then one statement that holds, records and enqueues, or does nothing.

The caller is already authenticated. Everything that can be refused is refused before anything is
written; what is left to the database, the cap and the credits, is one conditional UPDATE.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from kinetoscope.accounts.keys import Caller
from kinetoscope.catalog import check, price
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import CapReached, CreditsShort
from kinetoscope.kernel.ids import AccountId, TaskId, new_media_name, new_task_id
from kinetoscope.kernel.order import Order
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import store
from kinetoscope.tasks.route import Route, Routes

SEED_MAX = 2**31 - 1
"""The largest seed that every model accepts."""

FREE = Credits(0)


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
    caller: Caller,
    request: Request,
    now: datetime,
) -> TaskId:
    """Create a task and hold its price; return its id.

    Raises UnknownModel, InvalidInputs, CreditsShort or CapReached, and then nothing was written.
    """
    model = catalog.find(request.model)
    order = check.check(model, request.inputs, auto_fix=request.auto_fix)
    is_test = caller.mode is KeyMode.TEST
    held = FREE if is_test else price.hold(model, order)
    route = routes.test if is_test else routes.by_model[model.id]
    task_id = new_task_id()
    await _write(
        database,
        caller.account_id,
        held,
        {
            "task_id": task_id,
            "account_id": caller.account_id,
            "key_id": caller.key_id,
            "price": held,
            "callback_url": request.callback_url,
            "now": now,
            **_what(order, route),
        },
    )
    return task_id


def _what(order: Order, route: Route) -> dict[str, object]:
    return {
        "model": order.model,
        "inputs": Jsonb(order.inputs),
        "seed": secrets.randbelow(SEED_MAX) if order.seed is None else order.seed,
        "media_name": new_media_name(),
        "provider": route.provider,
        "queue": route.queue,
    }


async def _write(
    database: Database, account_id: AccountId, required: Credits, parameters: dict[str, object]
) -> None:
    # The balance may change between the refused statement and the look at it; then try again.
    # Bounded, because an account that is fed and drained all the time could go on like that.
    attempts_left = 3
    while not await _written(database, parameters):
        attempts_left -= 1
        balance = await store.balance(database, account_id)
        if balance.tasks_running >= balance.tasks_running_max or attempts_left == 0:
            raise CapReached(limit=balance.tasks_running_max, current=balance.tasks_running)
        if balance.available < required:
            raise CreditsShort(required=required, available=balance.available)


async def _written(database: Database, parameters: dict[str, object]) -> bool:
    try:
        return await store.create(database, parameters)
    except UniqueViolation:
        # The connection broke after the statement took effect, and it was repeated: the id is
        # ours alone, so the task that has it is the one we wanted.
        return True
