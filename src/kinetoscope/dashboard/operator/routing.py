"""What a task's routing says, for people: who was asked in which order, and who was not. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from kinetoscope.kernel.order import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A provider that was passed over, and why."""

    provider: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who was asked once, and who was passed over before."""

    chosen: str
    passed: tuple[Passed, ...]


def decisions_of(routing: Sequence[JSON]) -> list[Decision]:
    """Read what was written down; what cannot be read is left out."""
    return [
        Decision(chosen=str(each.get("chosen")), passed=_passed(each.get("passedOver")))
        for each in routing
        if isinstance(each, dict)
    ]


def _passed(listed: JSON) -> tuple[Passed, ...]:
    if not isinstance(listed, list):
        return ()
    return tuple(
        Passed(provider=str(each.get("provider")), says=str(each.get("says")))
        for each in listed
        if isinstance(each, dict)
    )
