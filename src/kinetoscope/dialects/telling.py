"""What a webhook tells of a task: in the words of the dialect in which it was asked for.

A dialect is loaded when it first has something to tell: a worker's start is waited for, and most
of them never need one.
"""

from importlib import import_module

from kinetoscope.api.callback import callback_body
from kinetoscope.tasks.whole import Whole
from kinetoscope.webhooks.deliver import Telling
from kinetoscope.wiring import Runtime

DIALECTS = ("openai", "replicate", "fal", "kie")


def telling(runtime: Runtime, found: Whole) -> Telling:
    """Return what tells of a task; of one whose dialect is spoken no more, in our own words."""
    if found.dialect not in DIALECTS:
        return Telling(body=callback_body(found.record, runtime.signer))
    dialect = import_module(f"kinetoscope.dialects.{found.dialect}.callback")
    told: Telling = dialect.telling(runtime, found)
    return told
