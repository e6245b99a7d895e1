"""The sender of webhooks, put together: it tells of a task what its client would see of it."""

from kinetoscope.dialects.telling import telling
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.tasks import whole
from kinetoscope.webhooks.deliver import Parts, Telling
from kinetoscope.wiring import Runtime


def sender_parts(runtime: Runtime, egress: Egress) -> Parts:
    """Return what a sender of this deployment works with."""

    async def body_of(task_id: TaskId) -> Telling | None:
        found = await whole.told(runtime.database, task_id, runtime.clock())
        return None if found is None else telling(runtime, found)

    return Parts(
        database=runtime.database,
        egress=egress,
        sealer=runtime.sealer,
        clock=runtime.clock,
        body_of=body_of,
    )
