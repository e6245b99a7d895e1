"""The arithmetic of a pace: a burst that comes back evenly (the generic cell rate algorithm).

All that is known of an account is the moment when its whole burst will be there again; every
request moves that moment on. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from dataclasses import dataclass

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests may come per second in the long run, and how many at once."""

    per_second: int
    burst: int

    @property
    def interval_ns(self) -> int:
        """How long it takes until one request more may come: rounded up, never too fast."""
        return (NS_PER_S - 1) // self.per_second + 1

    @property
    def window_ns(self) -> int:
        """How long it takes until the whole burst is there again."""
        return self.burst * self.interval_ns

    @property
    def window_s(self) -> int:
        """The same in whole seconds, rounded up."""
        return -(-self.window_ns // NS_PER_S)

    def with_own(self, per_second: int | None, burst: int | None) -> "Pace":
        """Return the pace of an account or key that departs from this one; None: it does not.

        A burst that is not said is twice the pace, and at most the usual one.
        """
        if burst is None:
            burst = self.burst if per_second is None else min(self.burst, 2 * per_second)
        return Pace(self.per_second if per_second is None else per_second, burst)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account or a key stands after a decision."""

    pace: Pace
    left: int
    """How many requests may still come at once."""
    wait_s: int
    """How long until the whole burst is there again; where nothing is left, until one request."""


def decide(full_at_ns: int, now_ns: int, pace: Pace, asked: int) -> tuple[int, int]:
    """Return how many of the requests that ask may come, and when all will be there again.

    The limiter's statement does the same; a test holds the two against each other.
    """
    latest_ns = now_ns + pace.window_ns
    # Bounded above as well: neither a clock that was set back nor a burst that was made smaller
    # locks anybody out for longer than a burst takes.
    base_ns = min(max(full_at_ns, now_ns), latest_ns)
    granted = min(asked, (latest_ns - base_ns) // pace.interval_ns)
    return granted, base_ns + granted * pace.interval_ns


def standing(full_at_ns: int, now_ns: int, pace: Pace) -> Standing:
    """Tell how an account or a key stands."""
    room_ns = now_ns + pace.window_ns - full_at_ns
    left = room_ns // pace.interval_ns
    wait_ns = full_at_ns - now_ns if left else pace.interval_ns - room_ns
    return Standing(pace, left, -(-wait_ns // NS_PER_S))
