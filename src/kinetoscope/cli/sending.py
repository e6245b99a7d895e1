"""The sender of webhooks, put together: what is told of a task is what recordInfo shows."""

from kinetoscope.api.callback import callback_body
from kinetoscope.kernel.ids import TaskId
from kinetoscope.kernel.outbound import Egress
from kinetoscope.tasks import ended
from kinetoscope.webhooks.deliver import Parts
from kinetoscope.wiring import Runtime


def sender_parts(runtime: Runtime, egress: Egress) -> Parts:
    """Return what a sender of this deployment works with."""
    database, signer = runtime.database, runtime.signer

    async def body_of(task_id: TaskId) -> bytes | None:
        record = await ended.by_id(database, task_id, runtime.clock())
        return None if record is None else callback_body(record, signer)

    return Parts(
        database=database,
        egress=egress,
        sealer=runtime.sealer,
        clock=runtime.clock,
        body_of=body_of,
    )
