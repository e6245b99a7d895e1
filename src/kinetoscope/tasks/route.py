"""Which provider makes what a model offers."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """A provider, and the queue whose workers can reach it."""

    provider: str
    queue: str


@dataclass(frozen=True, slots=True)
class Routes:
    """The route of each model, and the one that test keys always take."""

    by_model: Mapping[str, Route]
    test: Route

    def queue_of_provider(self) -> dict[str, str]:
        """Return where each provider's tasks wait."""
        return {route.provider: route.queue for route in (*self.by_model.values(), self.test)}
