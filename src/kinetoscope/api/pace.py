"""The pace of requests over the wire: refusals, and headers that tell clients how they stand.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from starlette.requests import Request
from starlette.types import Message, Scope, Send

from kinetoscope.kernel.clock import system_clock
from kinetoscope.kernel.errors import RateLimited
from kinetoscope.kernel.secrets import KeyMode, PresentedKey
from kinetoscope.limits.gcra import Pace, Standing
from kinetoscope.limits.limiter import Limiter, Verdict
from kinetoscope.wiring import Runtime

STANDINGS = "kinetoscope.standings"
"""Where a request's scope keeps what its answer will tell."""


def limiter_of(runtime: Runtime) -> Limiter | None:
    """Return what decides about requests, or None where the settings have no limit."""
    settings = runtime.settings
    if settings.requests_per_second == 0:
        return None
    usual = Pace(settings.requests_per_second, settings.requests_burst)
    clock = None if runtime.clock is system_clock else runtime.clock
    return Limiter(runtime.database, usual, clock)


async def keep_pace(limiter: Limiter | None, request: Request, key: PresentedKey) -> None:
    """Count a request of a key that opens; raises RateLimited."""
    # Everybody shares the demo key: one fast poller would lock out the rest.
    if limiter is None or key.mode is KeyMode.DEMO:
        return
    verdict = await limiter.ask(key)
    if verdict is None:
        return
    request.scope[STANDINGS] = verdict
    if verdict.refused_by is not None:
        raise RateLimited(
            limit=verdict.refused_by.pace.per_second, wait_s=verdict.refused_by.wait_s
        )


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
