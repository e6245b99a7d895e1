"""From an Authorization header to a caller, and a note of which keys are in use."""

from datetime import datetime

from starlette.requests import Request

from kinetoscope.accounts import keys, opening
from kinetoscope.kernel.addresses import Address, Network, is_within, read_address
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


def presented(
    request: Request, trusted_proxies: tuple[Network, ...], authorization: str | None = None
) -> PresentedKey:
    """Read the key a request brings, and where it comes from; raises Unauthenticated.

    `authorization` is what counts in the header's place, for clients that bring it elsewhere.
    """
    given = authorization or request.headers.get("authorization")
    return opening.present(given, client_ip(request, trusted_proxies))


def client_ip(request: Request, trusted_proxies: tuple[Network, ...]) -> str | None:
    """Return the address a request comes from; None where the server cannot tell.

    Behind trusted proxies it is the last one in X-Forwarded-For that is none of them: whatever
    stands before that, the client may have written itself.
    """
    client = request.scope.get("client")
    nearest = _read(client[0]) if client else None
    if nearest is None:
        return None
    if trusted_proxies and is_within(nearest, trusted_proxies):
        # All lines of the header: a proxy may write a new one below the client's.
        hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(hops):
            address = _read(hop.strip())
            if address is None:
                break
            nearest = address
            if not is_within(address, trusted_proxies):
                break
    return str(nearest)


def _read(text: str) -> Address | None:
    """Read an address without its zone; what is IPv4 in the dress of IPv6 counts as IPv4.

    A zone (`fe80::1%eth0`) names an interface of this machine, and the database takes none.
    """
    address = read_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
