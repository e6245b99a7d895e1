"""Which queues a worker serves: as it was told, checked against those there are."""

from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.tasks.route import Routes

WEBHOOKS = "webhooks"
"""Not a queue of tasks, but chosen like one: who serves it delivers webhooks."""
NONE = "none"


def served_queues(told: tuple[str, ...], routes: Routes) -> frozenset[str] | None:
    """Return the queues that were named; None is every queue. Raises SettingInvalid."""
    if not told:
        return None
    if told == (NONE,):
        return frozenset()
    known = {*routes.queues.values(), WEBHOOKS}
    unknown = sorted(set(told) - known)
    if unknown:
        raise SettingInvalid(
            f"there is no queue {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    return frozenset(told)
