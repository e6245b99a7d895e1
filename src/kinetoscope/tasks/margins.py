"""Margins: what clients paid, what the upstreams took for that, and what was lost on failures."""

from dataclasses import dataclass
from datetime import datetime

from kinetoscope.kernel.credits import Credits
from kinetoscope.postgres.pool import Database

HUNDREDTHS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The ended tasks of a model at a provider. Costs are millionths of a dollar.

    `tasks` ended well; those whose cost nobody told are `unpriced`, and the sums are without them.
    `failed` ones were at the upstream, or may have been, and nobody paid for them: what it took
    all the same is lost. Where an alert says that it may have, and nobody knows how much, that is
    `lost_unpriced`.
    """

    model: str
    provider: str
    tasks: int
    unpriced: int
    charged: Credits
    charged_priced: Credits
    cost_usd_micros: int
    failed: int
    lost_unpriced: int
    lost_usd_micros: int

    def earned_usd_micros(self, credit_usd_micros: int) -> int:
        """Return what is left of the priced tasks' income after all costs, rounded down."""
        income = self.charged_priced * credit_usd_micros // HUNDREDTHS
        return income - self.cost_usd_micros - self.lost_usd_micros


async def margins(database: Database, since: datetime) -> list[Margin]:
    """Add up the tasks of live keys that ended since a time, by model and provider."""
    return await database.fetch_all(
        Margin,
        """
        with ended as (
          select model, provider, price, upstream_cost_usd_micros as cost,
                 status = 'success' as is_paid,
                 exists (select from alert where alert.task_id = task.id) as is_odd
          from task
          where completed_at >= %(since)s and not is_test and not is_sample
            and cached_from is null
            and (status = 'success' or submit_started_at is not null
                 or accepted_by is not null)
        )
        select
          model, provider,
          count(*) filter (where is_paid) as tasks,
          count(*) filter (where is_paid and cost is null) as unpriced,
          coalesce(sum(price) filter (where is_paid), 0)::bigint as charged,
          coalesce(sum(price) filter (where is_paid and cost is not null), 0)::bigint
            as charged_priced,
          coalesce(sum(cost) filter (where is_paid), 0)::bigint as cost_usd_micros,
          count(*) filter (where not is_paid) as failed,
          count(*) filter (where not is_paid and is_odd and cost is null) as lost_unpriced,
          coalesce(sum(cost) filter (where not is_paid), 0)::bigint as lost_usd_micros
        from ended
        group by model, provider
        order by charged desc, model, provider
        """,
        {"since": since},
    )
