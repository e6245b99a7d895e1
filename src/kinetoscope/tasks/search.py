"""Search: what looking for a provider has learnt of one task; kept when it goes to another queue.

Workers of several queues search for the same task in turn. Without a memory each would begin with
the route that another worker has just been refused by, and hand the task back, for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kinetoscope.kernel.order import JSON
from kinetoscope.providers.contract import Kind, Refused
from kinetoscope.tasks.route import Route

REFUSALS_MAX = 12
RETRY_DELAY_S_MAX = 60.0
SAYS_CHARACTERS_MAX = 200


@dataclass(slots=True)
class Search:
    """What has been tried. `resting_until_s` are Unix times, so that other machines know them."""

    routes: tuple[Route, ...]
    refusals: int = 0
    impossible: dict[str, str] = field(default_factory=dict)
    resting_until_s: dict[str, float] = field(default_factory=dict)
    considered: list[JSON] = field(default_factory=list)

    @property
    def is_hopeless(self) -> bool:
        """Whether no route can make it, and waiting changes nothing."""
        return all(route.provider in self.impossible for route in self.routes)

    @property
    def is_worn_out(self) -> bool:
        """Whether it was refused so often that it is not tried again."""
        return self.refusals >= REFUSALS_MAX

    def pass_over(self, route: Route, says: str) -> None:
        """Note why a route is not taken now."""
        self.considered.append({"provider": route.provider, "says": says})

    def rest(self, route: Route, until_s: float) -> None:
        """Leave a route alone until then."""
        self.resting_until_s[route.provider] = max(
            until_s, self.resting_until_s.get(route.provider, 0.0)
        )

    def note_refusal(self, route: Route, refused: Refused, now_s: float) -> None:
        """Remember what a provider said."""
        says = f"refused: {refused.message}"[:SAYS_CHARACTERS_MAX]
        self.pass_over(route, says)
        if refused.kind is Kind.UNSUPPORTED:
            self.impossible[route.provider] = says
            return
        self.refusals += 1
        delay_s = min(2.0 ** (self.refusals - 1), RETRY_DELAY_S_MAX)
        if refused.retry_after_s is not None:
            delay_s = max(delay_s, refused.retry_after_s)
        self.rest(route, now_s + delay_s)

    def as_json(self) -> dict[str, JSON]:
        """Return the form that is stored."""
        return {
            "refusals": self.refusals,
            "impossible": dict(self.impossible),
            "restingUntil": dict(self.resting_until_s),
        }


def search_of(routes: tuple[Route, ...], stored: JSON) -> Search:
    """Go on with a search from its stored form, or begin one."""
    search = Search(routes)
    if not isinstance(stored, Mapping):
        return search
    refusals, impossible = stored.get("refusals"), stored.get("impossible")
    resting = stored.get("restingUntil")
    search.refusals = refusals if isinstance(refusals, int) else 0
    if isinstance(impossible, dict):
        search.impossible = {name: str(says) for name, says in impossible.items()}
    if isinstance(resting, dict):
        search.resting_until_s = {
            name: float(until_s)
            for name, until_s in resting.items()
            if isinstance(until_s, int | float)
        }
    return search
