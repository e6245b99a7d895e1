"""The routes of OpenAI's dialect."""

from kinetoscope.api.doors import Doors
from kinetoscope.dialects.door import Dialect, Speech
from kinetoscope.dialects.names import Names
from kinetoscope.dialects.openai import content, derived, files, images, models, speech, videos
from kinetoscope.dialects.openai.asking import Parts
from kinetoscope.dialects.openai.errors import refuse
from kinetoscope.dialects.openai.shapes import NAME

WHY = "this is not supported here; see /docs/migrating"

DIALECT = Dialect(name=NAME, prefixes=("/openai/v1", "/v1"), refuse=refuse)


def mount(doors: Doors, names: Names) -> None:
    """Add the dialect's routes."""
    runtime = doors.runtime
    spoken = Speech(doors=doors, dialect=DIALECT)
    parts = Parts(
        runtime=runtime,
        intake=doors.intake,
        names=names,
    )
    for module in (videos, derived, content, images, speech, models, files):
        module.mount(spoken, parts)
    spoken.refuse_the_rest(WHY)
