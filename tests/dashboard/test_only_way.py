"""Of two ways in that are removed at once, one stays."""

import asyncio

import pytest
from tests.conftest import World
from tests.dashboard.signed_in import signed_in

from kinetoscope.accounts import identities, passkeys
from kinetoscope.kernel.errors import Conflict

pytestmark = pytest.mark.anyio

PASSKEY = """
insert into passkey (credential_id, id, person_id, name, public_key, sign_count, created_at)
values (decode(md5(%(id)s::text), 'hex'), %(id)s::text, %(person)s, 'x', 'x', 0, %(now)s)
on conflict do nothing
"""

IDENTITY = """
insert into identity (issuer, subject, id, person_id, email, created_at, used_at)
values ('x', 'x', %(id)s, %(person)s, 'x', %(now)s, %(now)s) on conflict do nothing
"""


async def test_of_ways_that_are_removed_at_once_one_stays(world: World):
    database, now = world.runtime.database, world.clock()
    async with signed_in(world, "ada") as ada:

        async def remove(way: str) -> bool:
            try:
                if way == "identity_a":
                    await identities.unlink(database, ada.person_id, way)
                else:
                    await passkeys.remove(database, ada.person_id, way)
            except Conflict:
                return False
            return True

        for _ in range(20):
            for way in ("passkey_a", "passkey_b", "identity_a"):
                query = IDENTITY if way == "identity_a" else PASSKEY
                values = {"id": way, "person": ada.person_id, "now": now}
                await database.execute(query, values)
            ways = ("passkey_a", "passkey_b", "identity_a")
            removed = await asyncio.gather(*map(remove, ways))
            assert sorted(removed) == [False, True, True]
            assert await world.count("passkey") + await world.count("identity") == 1
