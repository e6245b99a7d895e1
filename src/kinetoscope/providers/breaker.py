"""Circuit breakers: an upstream that fails most calls is left alone for a while. Pure.

One per provider and model in each worker. Open means that a task waits or goes elsewhere; it is
never failed or charged for that.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

WINDOW_S = 30.0
CALLS_MIN = 20
FAILURES_SHARE = 0.5
REST_S = 5.0
REST_S_MAX = 60.0


class Change(StrEnum):
    """What a result did to a breaker."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(slots=True)
class Breaker:
    """Counts the results of the last half minute. Open, it lets one call through now and then."""

    results: deque[tuple[float, bool]] = field(default_factory=deque)
    rest_s: float = 0.0
    opened_s: float | None = None
    probing: bool = False

    def delay_s(self, now_s: float) -> float:
        """Return how long to leave the upstream alone; 0 where a call may be made."""
        if self.opened_s is None:
            return 0.0
        left_s = self.opened_s + self.rest_s - now_s
        if left_s > 0:
            return left_s
        return self.rest_s if self.probing else 0.0

    def begin(self) -> None:
        """Note that a call is made; in an open circuit it is the one that finds out."""
        if self.opened_s is not None:
            self.probing = True

    def record(self, now_s: float, *, fine: bool) -> Change | None:
        """Note how a call ended."""
        if self.opened_s is not None:
            return self._probed(now_s, fine=fine)
        self.results.append((now_s, fine))
        while self.results and self.results[0][0] < now_s - WINDOW_S:
            self.results.popleft()
        failures = sum(not was_fine for _, was_fine in self.results)
        enough = len(self.results) >= CALLS_MIN
        if not enough or failures < FAILURES_SHARE * len(self.results):
            return None
        self.results.clear()
        self.opened_s, self.rest_s, self.probing = now_s, REST_S, False
        return Change.OPENED

    def abandon(self) -> None:
        """Note that a call ended without telling anything of the upstream."""
        self.probing = False

    def _probed(self, now_s: float, *, fine: bool) -> Change | None:
        if not self.probing:
            return None  # a call from before it opened
        self.probing = False
        if fine:
            self.opened_s, self.rest_s = None, 0.0
            return Change.CLOSED
        self.opened_s, self.rest_s = now_s, min(2 * self.rest_s, REST_S_MAX)
        return None


@dataclass(frozen=True, slots=True)
class Breakers:
    """A worker's breakers by provider and model."""

    known: dict[tuple[str, str], Breaker] = field(default_factory=dict)

    def of(self, provider: str, model: str) -> Breaker:
        """Return the breaker of a provider and model."""
        return self.known.setdefault((provider, model), Breaker())
