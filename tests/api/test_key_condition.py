"""The key's check exists as SQL (`OPENS`) and as Python (`admit`, `require`): they agree.

And the limiter counts a request exactly where the key opens, whatever its scopes.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from tests.conftest import World

from kinetoscope.accounts import accounts, keys, opening
from kinetoscope.accounts.caps import Caps, read_range
from kinetoscope.kernel.errors import Forbidden, Unauthenticated
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import KeyMode, PresentedKey, issue_key
from kinetoscope.limits.gcra import Pace
from kinetoscope.limits.limiter import Limiter

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
            if scope == "tasks:read":
                assert await is_counted(world, presented) == expected
    assert opened == 2


RANGES = (
    None,
    ("203.0.113.0/24",),
    ("198.51.100.0/24", "203.0.113.7"),
    ("2001:db8::/32",),
    ("0.0.0.0/0",),
    ("::/0",),
)

ADDRESSES = (None, "203.0.113.7", "203.0.113.8", "203.0.114.7", "2001:db8::7", "2001:db9::7")

INSIDE = {
    (ranges, address)
    for ranges, addresses in (
        (RANGES[0], ADDRESSES),
        (RANGES[1], ADDRESSES[1:3]),
        (RANGES[2], ADDRESSES[1:2]),
        (RANGES[3], ADDRESSES[4:5]),
        (RANGES[4], ADDRESSES[1:4]),
        (RANGES[5], ADDRESSES[4:]),
    )
    for address in addresses
}


@pytest.mark.parametrize("ranges", RANGES, ids=str)
async def test_both_checks_decide_alike_about_addresses(
    world: World, ranges: tuple[str, ...] | None
):
    alice = await world.person("alice")
    caps = Caps(ip_ranges=None if ranges is None else tuple(read_range(text) for text in ranges))
    issued = await keys.create(
        world.runtime.database,
        alice.account_id,
        "from somewhere",
        mode=KeyMode.LIVE,
        expires_at=None,
        caps=caps,
        now=world.clock(),
    )
    for address in ADDRESSES:
        presented = opening.present(f"Bearer {issued.text}", address)
        expected = (ranges, address) in INSIDE
        assert await opens_by_sql(world, presented, "tasks:read") == expected, address
        assert await opens_by_python(world, presented, "tasks:read") == expected, address
        assert await is_counted(world, presented) == expected, address


async def is_counted(world: World, presented: PresentedKey) -> bool:
    """Whether the limiter counts a request, asked for it alone and together with another."""
    limiter = Limiter(world.runtime.database, Pace(1000, 100_000), world.clock)
    nobody = opening.present(f"Bearer {issue_key(KeyMode.LIVE).text}")
    alone = await limiter.ask(presented)
    together, nothing = await asyncio.gather(limiter.ask(presented), limiter.ask(nobody))
    assert nothing is None
    assert (alone is None) == (together is None)
    return alone is not None
