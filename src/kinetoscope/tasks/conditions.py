"""Creation with conditions: an Idempotency-Key, a capped key, an earlier task's media.

The same statement as in `tasks/create.py`, as one step of a transaction that looks at these
things first. Requests without them, nearly all, never come here.
"""

import asyncio
from dataclasses import dataclass, replace

from kinetoscope.accounts.opening import Caller
from kinetoscope.kernel.errors import IdempotencyBusy
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import creation, idempotency, key_caps
from kinetoscope.tasks.idempotency import Once
from kinetoscope.tasks.request import Attempt, Created
from kinetoscope.webhooks import outbox


@dataclass(frozen=True, slots=True)
class Busy:
    """An equal request is running."""


async def create(
    database: Database, caller: Caller, attempt: Attempt, parameters: dict[str, object]
) -> Created | None:
    """Create a task, or find the one there is; None if the account's cap or credits forbade it.

    Raises Forbidden, KeySpent or CapReached for the key's own caps, IdempotencyMismatch,
    IdempotencyGone, or IdempotencyBusy where an equal request does not end in time.
    """

    async def steps(connection: Connection) -> Created | Busy | None:
        return await _steps(connection, caller, attempt, parameters)

    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + idempotency.BUSY_TIMEOUT_S
    while True:
        outcome = await database.transact_pipelined(steps)
        if not isinstance(outcome, Busy):
            return outcome
        if loop.time() >= deadline_s:
            raise IdempotencyBusy
        await asyncio.sleep(idempotency.BUSY_DELAY_S)


async def _steps(
    connection: Connection, caller: Caller, attempt: Attempt, parameters: dict[str, object]
) -> Created | Busy | None:
    reused = await creation.made_within(connection, attempt.task_id)
    if reused is not None:
        # The answer to an earlier commit of these steps was lost, and they are repeated.
        return Created(attempt.task_id, reused=reused)
    once = _of_mode(caller, attempt.once)
    if once is not None:
        if not await idempotency.lock(connection, caller.account_id, once.key):
            return Busy()
        before = await idempotency.remembered(connection, caller.account_id, once, attempt.now)
        if before is not None:
            return Created(before.task_id, replayed=True, reused=before.reused)
    created = await _create(connection, caller, attempt, parameters)
    if created is not None and once is not None:
        await idempotency.remember(
            connection, caller.account_id, once, created.task_id, attempt.now
        )
    return created


async def _create(
    connection: Connection, caller: Caller, attempt: Attempt, parameters: dict[str, object]
) -> Created | None:
    planned, key_id = attempt.plan, caller.key_id
    own = {**parameters, "account_id": caller.account_id, "caps_checked": True}
    line = await key_caps.locked(connection, key_id) if caller.capped else key_caps.UNBOUND
    key_caps.require_model(line.caps, planned.order.model)
    may_reuse = attempt.reuse and planned.uncacheable is None
    if may_reuse and await creation.reuse_within(connection, own):
        # It has ended in the same moment.
        await outbox.put(connection, attempt.task_id, attempt.now)
        return Created(attempt.task_id, reused=True)
    await key_caps.require(connection, line, planned.held, attempt.now)
    # Once more, with the key's row locked: a repetition of us may have waited for its original.
    reused = await creation.made_within(connection, attempt.task_id)
    if reused is not None:
        return Created(attempt.task_id, reused=reused)
    if await creation.create_within(connection, own):
        return Created(attempt.task_id)
    return None


def _of_mode(caller: Caller, once: Once | None) -> Once | None:
    """Keep live and test keys apart: no live request is answered with a test key's task."""
    if once is None:
        return None
    return replace(once, key=f"{caller.mode}:{once.key}")
