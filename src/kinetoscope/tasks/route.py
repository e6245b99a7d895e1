"""Who can make what a model offers, in which order they are asked."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kinetoscope.kernel.order import JSON
from kinetoscope.providers.cost import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A provider for a model, and the queue whose workers can reach it.

    Routes of a smaller `order` are asked first; among equals, `weight` is the share of tasks.
    `upstream_model` and `options` are what the provider is given, `cost` what it is paid.
    `is_preview` says that what comes out stands in for the real thing.
    """

    provider: str
    queue: str
    upstream_model: str = ""
    options: Mapping[str, JSON] = field(default_factory=dict)
    order: int = 1
    weight: int = 1
    cost: Cost | None = None
    is_preview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The routes of each model, and the one that test keys always take."""

    by_model: Mapping[str, tuple[Route, ...]]
    test: Route
    queues: Mapping[str, str]
    """Where each provider's tasks wait; providers that no model leads to any more included."""

    def of(self, model: str, provider: str, task_id: str) -> tuple[Route, ...]:
        """Return the routes of a task: those of its model, or the one of test keys."""
        if provider == self.test.provider:
            return (self.test,)
        return self.ranked(model, task_id)

    def ranked(self, model: str, task_id: str) -> tuple[Route, ...]:
        """Return a model's routes in the order in which a task tries them.

        The same task always gets the same order. Weights share tasks out by weighted rendezvous
        hashing: https://www.snia.org/sites/default/files/SDC15_presentations/dist_sys/Jason_Resch_New_Consistent_Hashings_Rev.pdf
        """
        return tuple(
            sorted(
                self.by_model.get(model, ()),
                key=lambda route: (route.order, _distance(route, task_id), route.provider),
            )
        )

    def names(self, model: str) -> str:
        """Name all who may make a model; what is cached for one set is not for another."""
        return ",".join(sorted(route.provider for route in self.by_model.get(model, ())))


def _distance(route: Route, task_id: str) -> float:
    if route.weight == 0:
        return math.inf
    digest = hashlib.sha256(f"{task_id} {route.provider}".encode()).digest()
    share = (int.from_bytes(digest[:8]) + 1) / (2**64 + 1)
    return -math.log(share) / route.weight
