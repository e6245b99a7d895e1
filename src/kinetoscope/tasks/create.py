"""Create: check, price, and then one statement that holds, records and enqueues, or does nothing.

Everything that can be refused by looking is refused before the database is asked. The rest, key,
cap and credits, is the condition of one UPDATE; where it does not hold, the reason is looked up
afterwards. Requests with further conditions take a longer way, see `tasks/conditions.py`.
"""

from dataclasses import replace
from datetime import datetime

from psycopg.errors import UniqueViolation

from kinetoscope.accounts import opening
from kinetoscope.accounts.opening import Caller
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.errors import CapReached, CreditsShort, DatabaseUnavailable
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.postgres.pool import Database
from kinetoscope.tasks import conditions, creation, request
from kinetoscope.tasks.request import SCOPE, Attempt, Created, Request
from kinetoscope.tasks.route import Routes

ATTEMPTS_MAX = 3


async def create(
    database: Database,
    catalog: Catalog,
    routes: Routes,
    key: PresentedKey,
    asked: Request,
    now: datetime,
) -> Created:
    """Create a task and hold its price.

    Raises UnknownModel, ModelUnavailable, InvalidInputs or InvalidRequest before the key was
    looked at; then Unauthenticated, Forbidden, CreditsShort, KeySpent or CapReached, and for a
    request with an Idempotency-Key also IdempotencyBusy, IdempotencyMismatch or IdempotencyGone.
    Whatever it raises, nothing was written.
    """
    planned = request.plan(catalog, routes, key.mode, asked)
    attempt = request.attempt(key, planned, asked, now)
    try:
        created = await _write(database, attempt)
    except DatabaseUnavailable as error:
        # Nobody knows whether the task exists; its id lets the client find out later.
        raise DatabaseUnavailable(attempt.task_id) from error
    return replace(created, uncacheable=planned.uncacheable) if asked.reuse else created


async def _write(database: Database, attempt: Attempt) -> Created:
    parameters = request.parameters(attempt)
    attempts_left = ATTEMPTS_MAX
    in_one_step = attempt.once is None and not attempt.reuse
    while True:
        if in_one_step and await _written(database, attempt, parameters):
            return Created(attempt.task_id)
        caller = await opening.authenticate(database, attempt.key, attempt.now)
        opening.require(caller, SCOPE)
        if caller.capped or not in_one_step:
            in_one_step = False
            created = await conditions.create(database, caller, attempt, parameters)
            if created is not None:
                return created
        # What was refused may be allowed by the time it is explained; then it is tried again,
        # but not for ever, since an account may be fed and drained all the time.
        attempts_left -= 1
        await _explain(database, caller, attempt, final=attempts_left == 0)


async def _explain(database: Database, caller: Caller, attempt: Attempt, *, final: bool) -> None:
    """Raise the reason why a task could not be created."""
    balance = await creation.balance(database, caller.account_id, is_test=attempt.plan.is_test)
    if balance.tasks_running >= balance.tasks_running_max or final:
        raise CapReached(limit=balance.tasks_running_max, current=balance.tasks_running)
    if balance.available < attempt.plan.held:
        raise CreditsShort(required=attempt.plan.held, available=balance.available)


async def _written(database: Database, attempt: Attempt, parameters: dict[str, object]) -> bool:
    """Try the one statement; a repetition of it that finds its own task is content."""
    try:
        return await creation.create(database, parameters) or await creation.exists(
            database, attempt.task_id
        )
    except UniqueViolation:
        # The connection broke after the statement took effect, and it was repeated: the id is
        # ours alone, so the task that has it is the one we wanted.
        return True
