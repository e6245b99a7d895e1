"""The key's check exists as SQL (`OPENS`) and as Python (`admit`, `require`): they agree."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from tests.conftest import World

from kinetoscope.accounts import accounts, keys, opening
from kinetoscope.kernel.errors import Forbidden, Unauthenticated
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import KeyMode, PresentedKey

pytestmark = pytest.mark.anyio

QUERY = f"select count(*)::int as keys from api_key cross join account where {opening.OPENS}"

EXPIRIES = (None, timedelta(seconds=-1), timedelta(0), timedelta(seconds=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    keys: int


async def opens_by_sql(world: World, presented: PresentedKey, scope: str) -> bool:
    parameters = {**opening.opens_parameters(presented, scope), "now": world.clock()}
    opened = await world.runtime.database.fetch_one(Opened, QUERY, parameters)
    assert opened is not None
    return opened.keys == 1


async def opens_by_python(world: World, presented: PresentedKey, scope: str) -> bool:
    try:
        caller = await opening.authenticate(world.runtime.database, presented, world.clock())
        opening.require(caller, scope)
    except (Unauthenticated, Forbidden):
        return False
    return True


async def test_both_checks_decide_alike_in_every_state(world: World):
    alice = await world.person("alice")
    await world.person("bob")
    good = opening.present(f"Bearer {alice.key}")
    presentations = (
        good,
        replace(good, secret_sha256=bytes(32)),
        replace(good, id=KeyId("000000000000")),
        replace(good, mode=KeyMode.TEST),
    )
    opened = 0
    states = product((True, False), EXPIRIES, (True, False))
    for active, expiry, api_access in states:
        expires_at: datetime | None = None if expiry is None else world.clock() + expiry
        database = world.runtime.database
        await keys.set_active(database, alice.key_id, active=active)
        await keys.set_expiry(database, alice.key_id, expires_at)
        await accounts.limit(database, "alice", tasks_running_max=None, api_access=api_access)
        for presented, scope in product(presentations, ("tasks:read", "keys:write")):
            by_sql = await opens_by_sql(world, presented, scope)
            assert by_sql == await opens_by_python(world, presented, scope)
            expected = (
                presented is good
                and scope == "tasks:read"
                and active
                and api_access
                and expiry in {None, timedelta(seconds=1)}
            )
            assert by_sql == expected
            opened += by_sql
    assert opened == 2
