"""Somebody who is signed in, as a program of theirs sees it: with a key."""

from tests.conftest import Person, World
from tests.dashboard.signed_in import SignedIn

from kinetoscope.accounts import keys
from kinetoscope.kernel.secrets import KeyMode


async def key_of(
    world: World, who: SignedIn, name: str = "key", mode: KeyMode = KeyMode.LIVE
) -> Person:
    """Make a key of somebody's account."""
    issued = await keys.create(
        world.runtime.database,
        who.account_id,
        name,
        mode=mode,
        expires_at=None,
        now=world.clock(),
    )
    return Person(name=who.email, account_id=who.account_id, key=issued.text, key_id=issued.id)
