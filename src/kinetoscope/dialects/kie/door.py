"""The routes of kie.ai's dialect.

What is spoken under `https://api.kie.ai/api/v1` there is spoken under `/kie/api/v1` here, and its
uploads, which have a host of their own, under `/kie/api`. The routes that some models have to
themselves (Veo, Suno, Runway, 4o Image, Flux Kontext, chat) are not supported and say so.
"""

from kinetoscope.api.doors import Doors
from kinetoscope.dialects.door import Dialect, Speech
from kinetoscope.dialects.kie import common, jobs, uploads
from kinetoscope.dialects.kie.codes import refuse, refuse_upload
from kinetoscope.dialects.names import Names

WHY = (
    "this is not supported here. Models are made by /kie/api/v1/jobs/createTask and asked for by "
    "/kie/api/v1/jobs/recordInfo; see /docs/migrating"
)

DIALECT = Dialect(name="kie", prefixes=("/kie/api/v1",), refuse=refuse)
UPLOADS = Dialect(name="kie", prefixes=("/kie/api", "/kie/api/v1"), refuse=refuse_upload)
EVERYWHERE = Dialect(name="kie", prefixes=("/kie",), refuse=refuse)


def mount(doors: Doors, names: Names) -> None:
    """Add the dialect's routes."""
    speech = Speech(doors=doors, dialect=DIALECT)
    jobs.mount(speech, names)
    common.mount(speech)
    uploads.mount(Speech(doors=doors, dialect=UPLOADS))
    Speech(doors=doors, dialect=EVERYWHERE).refuse_the_rest(WHY)
