"""The pace of requests over the wire: refusals, and headers that tell clients how they stand.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request
from starlette.types import Message, Scope, Send

from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.errors import RateLimited
from kinetoscope.kernel.secrets import KeyMode, PresentedKey
from kinetoscope.limits.gcra import Pace, Standing
from kinetoscope.limits.limiter import ADDRESS, AddressLimiter, Limiter, Verdict
from kinetoscope.wiring import Runtime

STANDINGS = "kinetoscope.standings"
"""Where a request's scope keeps what its answer will tell."""


ADDRESS_BURST_S = 10
"""A page full of pictures, or a player's ranges, come at once."""

IPV6_SITE_BITS = 64
"""What one client has of IPv6 addresses, at least."""


@dataclass(frozen=True, slots=True)
class Limiters:
    """What decides about requests with a key, and about those that only have an address."""

    keys: Limiter
    addresses: AddressLimiter | None


def limiter_of(runtime: Runtime) -> Limiters | None:
    """Return what decides about requests, or None where the settings have no limit."""
    settings = runtime.settings
    if settings.requests_per_second == 0:
        return None
    usual = Pace(settings.requests_per_second, settings.requests_burst)
    clock = None if runtime.clock is system_clock else runtime.clock
    addresses = None
    if settings.requests_per_address > 0:
        per_second = settings.requests_per_address
        pace = Pace(per_second, per_second * ADDRESS_BURST_S)
        addresses = AddressLimiter(runtime.database, pace, clock)
    return Limiters(Limiter(runtime.database, usual, clock), addresses)


async def keep_pace(limiters: Limiters | None, request: Request, key: PresentedKey) -> None:
    """Count a request of a key that opens; raises RateLimited."""
    if limiters is None:
        return
    if key.mode is KeyMode.DEMO:
        # Everybody shares the demo key: one fast poller would lock out the rest.
        await keep_address_pace(limiters, key.client_ip)
        return
    verdict = await limiters.keys.ask(key)
    if verdict is None:
        return
    request.scope[STANDINGS] = verdict
    if verdict.refused_by is not None:
        raise RateLimited(
            limit=verdict.refused_by.pace.per_second, wait_s=verdict.refused_by.wait_s
        )


async def keep_address_pace(limiters: Limiters | None, address: str | None) -> None:
    """Count a request of somebody known by address alone; raises RateLimited.

    Nobody is counted whose address the server cannot tell: one pace for all of them would let any
    of them lock out the rest.
    """
    if limiters is None or limiters.addresses is None or address is None:
        return
    verdict = await limiters.addresses.ask(owner_of(address))
    if verdict is not None and verdict.refused_by is not None:
        refused_by = verdict.refused_by
        raise RateLimited(limit=refused_by.pace.per_second, wait_s=refused_by.wait_s)


def owner_of(address: str) -> str:
    """Return whose pace a request from an address counts for: of IPv6, a whole site's."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return f"{ADDRESS}{ip_network((found, IPV6_SITE_BITS), strict=False)}"
    return f"{ADDRESS}{found}"


def telling(scope: Scope, send: Send) -> Send:
    """Wrap `send` so that the answer says how its sender stands, whoever writes it."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            verdict = scope.get(STANDINGS)
            if verdict is not None:
                message["headers"] = [*message["headers"], *headers(verdict)]
        await send(message)

    return tell


def headers(verdict: Verdict) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Return the two headers, as structured fields."""
    policy, left = _policy("account", verdict.account), _left("account", verdict.account)
    if verdict.key is not None:
        policy += ", " + _policy("key", verdict.key)
        left += ", " + _left("key", verdict.key)
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())


def _policy(name: str, standing: Standing) -> str:
    return f'"{name}";q={standing.pace.burst};w={standing.pace.window_s}'


def _left(name: str, standing: Standing) -> str:
    return f'"{name}";r={standing.left};t={standing.wait_s}'
