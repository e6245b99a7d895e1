"""Estimate: what a task would cost, who would make it, and whether it would be taken. No more."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.accounts.opening import Caller
from kinetoscope.catalog.model import PerEditedSecond, PerFootageSecond, PerToken
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import CapReached, CreditsShort, Refusal
from kinetoscope.kernel.order import Order
from kinetoscope.postgres.pool import Connection, Database
from kinetoscope.tasks import creation, key_caps, request
from kinetoscope.tasks.request import FREE, Plan, Request
from kinetoscope.tasks.route import Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What createTask would do with a request just now.

    `price` is what would be held. It `settles` where only the finished job shows what it is.
    `uncacheable` says why earlier media could never do, where that was asked for. `refusal` is the
    error createTask would answer with, None if it would take the task.
    """

    order: Order
    price: Credits
    settles: bool
    cached: bool
    uncacheable: str | None
    provider: str
    available: Credits
    refusal: Refusal | None


async def estimate(
    database: Database,
    catalog: Catalog,
    routes: Routes,
    caller: Caller,
    asked: Request,
    now: datetime,
) -> Estimate:
    """Go through what creating would, and write nothing.

    Raises UnknownModel, ModelUnavailable, InvalidInputs or InvalidRequest as createTask does.
    """
    planned = request.plan(catalog, routes, caller.mode, asked)

    async def steps(connection: Connection) -> tuple[bool, Refusal | None]:
        may_reuse = asked.reuse and planned.uncacheable is None
        cached = may_reuse and await creation.reusable_within(
            connection, caller.account_id, planned.cache_key, now
        )
        try:
            await _check_key(connection, caller, planned, cached=cached, now=now)
        except Refusal as refusal:
            return cached, refusal
        return cached, None

    cached, refusal = await database.transact(steps)
    balance = await creation.balance(database, caller.account_id, is_test=planned.is_test)
    price = FREE if cached else planned.held
    if not cached and refusal is None:
        refusal = _short(balance, price)
    return Estimate(
        order=planned.order,
        price=price,
        settles=not cached
        and not planned.is_test
        and isinstance(planned.model.price, PerFootageSecond | PerEditedSecond | PerToken),
        cached=cached,
        uncacheable=planned.uncacheable if asked.reuse else None,
        provider=planned.route("").provider,
        available=balance.available,
        refusal=refusal,
    )


async def _check_key(
    connection: Connection, caller: Caller, planned: Plan, *, cached: bool, now: datetime
) -> None:
    line = key_caps.UNBOUND
    if caller.capped:
        line = await key_caps.locked(connection, caller.key_id)
    key_caps.require_model(line.caps, planned.order.model)
    if not cached:
        await key_caps.require(connection, line, planned.held, now)


def _short(balance: creation.Balance, price: Credits) -> Refusal | None:
    if balance.tasks_running >= balance.tasks_running_max:
        return CapReached(limit=balance.tasks_running_max, current=balance.tasks_running)
    if balance.available < price:
        return CreditsShort(required=price, available=balance.available)
    return None
