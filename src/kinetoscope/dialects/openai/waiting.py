"""Answers that come with a task's end: the task as it ended, or how it failed."""

from starlette.responses import Response

from kinetoscope.dialects.door import Client
from kinetoscope.dialects.making import waited
from kinetoscope.dialects.openai.asking import Parts
from kinetoscope.dialects.openai.errors import answer_failure
from kinetoscope.kernel.errors import StillRunning
from kinetoscope.kernel.ids import TaskId
from kinetoscope.tasks.whole import Whole

WAIT_S = 290.0
"""How long an answer may take. Clients that count their tries ask three times, so wait for more
than ten minutes in all, and each time for the same task."""


async def ended(parts: Parts, client: Client, task_id: TaskId) -> Whole | Response:
    """Return a task that has succeeded, or the answer for one that has failed.

    Raises StillRunning after a while, and ClientDisconnect where nobody waits; the task goes on.
    """
    found = await waited(parts.runtime, client, task_id, WAIT_S)
    record = found.record
    client.request.state.ended = record.completed_at is not None
    if record.failure is not None:
        return answer_failure(record.failure, task_id)
    if record.completed_at is None:
        raise StillRunning(task_id)
    return found
