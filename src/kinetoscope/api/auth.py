"""From an Authorization header to a caller, and a note of which keys are in use."""

from datetime import datetime

from starlette.requests import Request

from kinetoscope.accounts import keys
from kinetoscope.accounts.keys import Caller
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import PresentedKey
from kinetoscope.postgres.pool import Database


class KeysSeen:
    """Collects which keys were used, so that noting it costs requests nothing.

    Losing a minute of notes in a crash is harmless: they only tell people which keys are idle.
    """

    def __init__(self) -> None:
        self.seen: set[KeyId] = set()

    def add(self, key_id: KeyId) -> None:
        """Remember a key."""
        self.seen.add(key_id)

    async def write_down(self, database: Database, now: datetime) -> None:
        """Note all remembered keys as used just now."""
        if self.seen:
            seen, self.seen = self.seen, set()
            await keys.note_use(database, sorted(seen), now)


def presented(request: Request) -> PresentedKey:
    """Read the key a request brings; raises Unauthenticated."""
    return keys.present(request.headers.get("authorization"))


async def authenticate(database: Database, key: PresentedKey, scope: str, now: datetime) -> Caller:
    """Return who is asking; raises Unauthenticated or Forbidden."""
    caller = await keys.authenticate(database, key, now)
    keys.require(caller, scope)
    return caller
