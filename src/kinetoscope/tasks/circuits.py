"""Circuits: which providers workers leave alone at the moment, for operators to see."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.postgres.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """The last that a worker saw of a provider and model."""

    provider: str
    model: str
    open: bool
    changed_at: datetime


async def note(
    database: Database, provider: str, model: str, *, is_open: bool, now: datetime
) -> None:
    """Write down that a circuit opened or closed."""
    await database.execute(
        """
        insert into provider_circuit (provider, model, open, changed_at)
        values (%(provider)s, %(model)s, %(open)s, %(now)s)
        on conflict (provider, model) do update
        set open = excluded.open, changed_at = excluded.changed_at
        """,
        {"provider": provider, "model": model, "open": is_open, "now": now},
    )


async def listed(database: Database) -> list[Circuit]:
    """Return what is known of every circuit that was ever open."""
    return await database.fetch_all(
        Circuit,
        "select provider, model, open, changed_at from provider_circuit order by provider, model",
        {},
    )
