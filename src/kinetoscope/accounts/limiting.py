"""Limiting: what an account may do at once, each limit as stated; None is the deployment's."""

from dataclasses import dataclass

from kinetoscope.kernel.errors import InvalidRequest, NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Database

TASKS_RUNNING_MOST = 100_000
REQUESTS_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits of an account."""

    tasks_running_max: int
    requests_per_second: int | None
    requests_burst: int | None
    api_access: bool


async def set_limits(database: Database, account_id: AccountId, limits: Limits) -> None:
    """Set all limits of an account; raises InvalidRequest, NotFound."""
    require_sound(limits)
    changed = await database.execute(
        """
        update account
        set tasks_running_max = %(tasks_running_max)s, api_access = %(api_access)s,
            requests_per_second = %(requests_per_second)s, requests_burst = %(requests_burst)s
        where id = %(id)s
        """,
        {
            "id": account_id,
            "tasks_running_max": limits.tasks_running_max,
            "api_access": limits.api_access,
            "requests_per_second": limits.requests_per_second,
            "requests_burst": limits.requests_burst,
        },
    )
    if changed != 1:
        raise NotFound("There is no such account")


def require_sound(limits: Limits) -> None:
    """Refuse a limit out of range; raises InvalidRequest."""
    if not 0 <= limits.tasks_running_max <= TASKS_RUNNING_MOST:
        raise InvalidRequest(f"Tasks at once must lie between 0 and {TASKS_RUNNING_MOST:,}")
    for pace in (limits.requests_per_second, limits.requests_burst):
        if pace is not None and not 1 <= pace <= REQUESTS_MOST:
            raise InvalidRequest(f"Requests must lie between 1 and {REQUESTS_MOST:,}")
