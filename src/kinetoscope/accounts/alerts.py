"""Low-balance alerts: below which balance an account's people want to be told."""

from dataclasses import dataclass

from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import NotFound
from kinetoscope.kernel.ids import AccountId
from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceAlert:
    """What is available, and below what that is low; None where nobody asked to be told."""

    available: Credits
    below: Credits | None

    @property
    def is_low(self) -> bool:
        """Whether people are to be told."""
        return is_low(self.available, self.below)


def is_low(available: Credits, below: Credits | None) -> bool:
    """Whether a balance is below what an account's owner asked to be told about."""
    return below is not None and available < below


async def of_account(database: Database, account_id: AccountId) -> BalanceAlert:
    """Return how an account stands; raises NotFound."""
    found = await database.fetch_one(
        BalanceAlert,
        "select available, alert_below as below from account where id = %(id)s",
        {"id": account_id},
    )
    if found is None:
        raise NotFound(f"There is no account with the id {account_id!r}")
    return found


async def tell_below(database: Database, account_id: AccountId, below: Credits | None) -> None:
    """Tell an account's people when its balance is below an amount; None: do not."""
    await database.execute(
        "update account set alert_below = %(below)s where id = %(id)s",
        {"id": account_id, "below": below},
    )
