"""What Replicate's webhooks tell of a task: the prediction, as it stands when it is sent.

https://replicate.com/docs/topics/webhooks
"""

import orjson

from kinetoscope.dialects.replicate.shape import prediction, view_of
from kinetoscope.dialects.replicate.streams import stream_url
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime


def telling(runtime: Runtime, found: Whole) -> Telling:
    """Return what is told of a task."""
    view = view_of(runtime)
    return Telling(body=orjson.dumps(prediction(view, found, stream_url(view, found.record))))
