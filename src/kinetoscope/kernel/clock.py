"""The time, as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the current time, aware, in UTC. The only reader of the machine's clock."""
    return datetime.now(UTC)  # noqa: TID251 - this is the clock the rule speaks of


def unix_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the wire format of the public contract."""
    return round(moment.timestamp() * 1000)
