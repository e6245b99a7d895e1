"""What a webhook tells of a task: in the words of the dialect in which it was asked for."""

from kinetoscope.api.callback import callback_body
from kinetoscope.dialects.fal import callback as fal
from kinetoscope.dialects.kie import callback as kie
from kinetoscope.dialects.openai import callback as openai
from kinetoscope.dialects.replicate import callback as replicate
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime

DIALECTS = {
    "openai": openai.telling,
    "replicate": replicate.telling,
    "fal": fal.telling,
    "kie": kie.telling,
}


def telling(runtime: Runtime, found: Whole) -> Telling:
    """Return what tells of a task; of one whose dialect is spoken no more, in our own words."""
    speak = DIALECTS.get(found.dialect)
    if speak is None:
        return Telling(body=callback_body(found.record, runtime.signer))
    return speak(runtime, found)
