"""The sender of webhooks, put together: it tells of a task what its client would see of it."""

from dataclasses import replace

from kinetoscope.dialects.telling import telling
from kinetoscope.kernel.outbound import Egress
from kinetoscope.tasks import whole
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Parts, Telling
from kinetoscope.webhooks.outbox import COURSE, Claimed
from kinetoscope.wiring import Runtime


def sender_parts(runtime: Runtime, egress: Egress) -> Parts:
    """Return what a sender of this deployment works with."""

    async def body_of(claimed: Claimed) -> Telling | None:
        found = await whole.told(runtime.database, claimed.task_id, runtime.clock())
        if found is None:
            return None
        shown = on_its_course(found) if claimed.event_type in COURSE else found
        return telling(runtime, shown)

    return Parts(
        database=runtime.database,
        egress=egress,
        sealer=runtime.sealer,
        clock=runtime.clock,
        body_of=body_of,
    )


def on_its_course(found: Whole) -> Whole:
    """Return a task as it was before its end: whenever news of that is sent, it tells no end."""
    record = found.record
    if record.completed_at is None:
        return found
    course = replace(
        record,
        status=Status.GENERATING,
        output=(),
        failure=None,
        completed_at=None,
        media_expires_at=None,
        metadata_expires_at=None,
    )
    return replace(found, record=course)
