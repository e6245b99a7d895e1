"""Margins: what clients paid for finished tasks, beside what the upstreams took for them."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.postgres.pool import Database

HUNDREDTHS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The finished tasks of a model at a provider. Costs are millionths of a dollar.

    Tasks whose cost nobody told are `unpriced`; the sums are without them.
    """

    model: str
    provider: str
    tasks: int
    unpriced: int
    charged: Credits
    charged_priced: Credits
    cost_usd_micros: int

    def earned_usd_micros(self, credit_usd_micros: int) -> int:
        """Return what is left of the priced tasks' income, rounded down."""
        return self.charged_priced * credit_usd_micros // HUNDREDTHS - self.cost_usd_micros


async def margins(database: Database, since: datetime) -> list[Margin]:
    """Add up the tasks of live keys that ended well since a time, by model and provider."""
    return await database.fetch_all(
        Margin,
        """
        select
          model, provider, count(*) as tasks,
          count(*) filter (where upstream_cost_usd_micros is null) as unpriced,
          coalesce(sum(price), 0)::bigint as charged,
          coalesce(sum(price) filter (where upstream_cost_usd_micros is not null), 0)::bigint
            as charged_priced,
          coalesce(sum(upstream_cost_usd_micros), 0)::bigint as cost_usd_micros
        from task
        where status = 'success' and not is_test and not is_sample and cached_from is null
          and completed_at >= %(since)s
        group by model, provider
        order by charged desc, model, provider
        """,
        {"since": since},
    )
