"""What OpenAI's webhooks tell of a task: that it ended, and how to find it.

https://platform.openai.com/docs/api-reference/webhook-events
"""

import orjson

from kinetoscope.dialects.openai.shapes import kind_of_task, unix_s
from kinetoscope.tasks.task import Status
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime


def telling(runtime: Runtime, found: Whole) -> Telling:
    """Return what is told of a task's end: `video.completed` or `video.failed`.

    OpenAI has events for videos only; of others it is `image.completed`, `audio.failed` and so on.
    """
    record = found.record
    kind = kind_of_task(runtime.catalog, found)
    ending = "completed" if record.status is Status.SUCCESS else "failed"
    return Telling(
        body=orjson.dumps(
            {
                "id": "evt_" + record.id.removeprefix("task_"),
                "object": "event",
                "created_at": unix_s(record.completed_at),
                "type": f"{kind.value}.{ending}",
                "data": {"id": record.id},
            }
        )
    )
