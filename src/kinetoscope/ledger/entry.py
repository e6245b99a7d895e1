"""What an entry of the ledger is: a movement between four places that adds up to zero."""

from dataclasses import dataclass
from enum import StrEnum

from kinetoscope.kernel.credits import Credits


class EntryKind(StrEnum):
    """The four movements."""

    GRANT = "grant"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How much an entry adds to each place, in 1/100 credit; the sum is zero."""

    kind: EntryKind
    granted: int = 0
    available: int = 0
    held: int = 0
    spent: int = 0

    def __post_init__(self) -> None:
        assert self.granted + self.available + self.held + self.spent == 0  # noqa: S101


def grant(amount: Credits) -> Movement:
    """Give credits to an account; a negative amount takes unused ones back."""
    return Movement(kind=EntryKind.GRANT, granted=-amount, available=amount)


def hold(amount: Credits) -> Movement:
    """Set credits aside for a task."""
    return Movement(kind=EntryKind.HOLD, available=-amount, held=amount)


def capture(held: Credits, charged: Credits, available: Credits) -> Movement:
    """End a hold by charging for the task.

    Where the charge is below the hold, the rest goes back. Where it is above, the difference is
    taken from what is available and no further: a balance never goes below zero, and what it
    cannot cover is the operator's to bear, because the client was told the lower price. No charge
    gives credits.
    """
    charge = max(Credits(0), min(charged, Credits(held + available)))
    return Movement(kind=EntryKind.CAPTURE, available=held - charge, held=-held, spent=charge)


def release(held: Credits) -> Movement:
    """End a hold by giving it all back."""
    return Movement(kind=EntryKind.RELEASE, available=held, held=-held)
