"""Circuit breakers: an upstream that fails most calls is left alone for a while. Pure.

One per provider and model in each worker. Open means that a task waits or goes elsewhere; it is
never failed or charged for that.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from kinetoscope.kernel.ids import random_base36

WINDOW_S = 30.0
CALLS_MIN = 20
FAILURES_SHARE = 0.5
REST_S = 5.0
REST_S_MAX = 60.0
WORKER_LENGTH = 12


class Change(StrEnum):
    """What a result did to a breaker."""

    OPENED = "opened"
    PROLONGED = "prolonged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """One call, from its beginning on. `openings` is how often the circuit had opened by then."""

    openings: int


@dataclass(slots=True)
class Breaker:
    """Counts the results of the last half minute. Open, it lets one call through now and then."""

    results: deque[tuple[float, bool]] = field(default_factory=deque)
    rest_s: float = 0.0
    opened_s: float | None = None
    openings: int = 0
    probe: Ticket | None = None

    def delay_s(self, now_s: float) -> float:
        """Return how long to leave the upstream alone; 0 where a call may be made."""
        if self.opened_s is None:
            return 0.0
        left_s = self.opened_s + self.rest_s - now_s
        if left_s > 0:
            return left_s
        return self.rest_s if self.probe is not None else 0.0

    def begin(self) -> Ticket:
        """Note that a call is made; in an open circuit the first is the one that finds out."""
        ticket = Ticket(self.openings)
        if self.opened_s is not None and self.probe is None:
            self.probe = ticket
        return ticket

    def record(self, ticket: Ticket, now_s: float, *, fine: bool) -> Change | None:
        """Note how a call ended. An open circuit believes its probe only."""
        if ticket is self.probe:
            return self._probed(now_s, fine=fine)
        if self.opened_s is not None or ticket.openings != self.openings:
            return None  # it began before the circuit opened: that is judged already
        self.results.append((now_s, fine))
        while self.results and self.results[0][0] < now_s - WINDOW_S:
            self.results.popleft()
        failures = sum(not was_fine for _, was_fine in self.results)
        enough = len(self.results) >= CALLS_MIN
        if not enough or failures < FAILURES_SHARE * len(self.results):
            return None
        self.results.clear()
        self.opened_s, self.rest_s = now_s, REST_S
        self.openings += 1
        return Change.OPENED

    def abandon(self, ticket: Ticket) -> None:
        """Note that a call ended without telling anything of the upstream."""
        if ticket is self.probe:
            self.probe = None

    def _probed(self, now_s: float, *, fine: bool) -> Change:
        self.probe = None
        if fine:
            self.opened_s, self.rest_s = None, 0.0
            return Change.CLOSED
        self.opened_s, self.rest_s = now_s, min(2 * self.rest_s, REST_S_MAX)
        return Change.PROLONGED


@dataclass(frozen=True, slots=True)
class Breakers:
    """A worker's breakers by provider and model. `worker` names it among others, for this life."""

    worker: str = field(default_factory=lambda: random_base36(WORKER_LENGTH))
    known: dict[tuple[str, str], Breaker] = field(default_factory=dict)

    def of(self, provider: str, model: str) -> Breaker:
        """Return the breaker of a provider and model."""
        return self.known.setdefault((provider, model), Breaker())
