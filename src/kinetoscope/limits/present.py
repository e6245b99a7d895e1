"""How accounts stand with their pace just now, without counting anything."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.limits.gcra import Pace, Standing, decide, standing
from kinetoscope.limits.limiter import unix_ns
from kinetoscope.postgres.pool import Database

TEST = " test"
"""Behind an account's id it names the pace of its test keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    owner: str
    full_at_ns: int


async def standings(
    database: Database, account_id: str, pace: Pace, now: datetime
) -> tuple[Standing, Standing]:
    """Return how an account's live keys stand, and how its test keys."""
    rows = await database.fetch_all(
        _Row,
        "select owner, full_at_ns from request_pace where owner = any(%(owners)s)",
        {"owners": [account_id, account_id + TEST]},
    )
    full_at_ns = {row.owner: row.full_at_ns for row in rows}
    live, test = (
        _standing(full_at_ns.get(owner, 0), pace, now) for owner in (account_id, account_id + TEST)
    )
    return live, test


def _standing(full_at_ns: int, pace: Pace, now: datetime) -> Standing:
    now_ns = unix_ns(now)
    _, as_if_asked_ns = decide(full_at_ns, now_ns, pace, 0)
    return standing(as_if_asked_ns, now_ns, pace)
