"""The routes of Replicate's dialect.

Its older Python client is given an address without `/v1` and adds that, the newer one and the
JavaScript client are given one with it: all come here.
"""

from kinetoscope.api.doors import Doors
from kinetoscope.dialects.door import Dialect, Speech
from kinetoscope.dialects.names import Names
from kinetoscope.dialects.replicate import account, files, models, predictions, streams
from kinetoscope.dialects.replicate.errors import refuse
from kinetoscope.dialects.replicate.shape import PREFIX, view_of
from kinetoscope.dialects.replicate.versions import shelf_of

WHY = (
    "this is not supported here. Models are the operator's: there is no training, and nothing to "
    "create, deploy or delete. See /docs/migrating."
)

DIALECT = Dialect(name="replicate", prefixes=(PREFIX,), refuse=refuse)


def mount(doors: Doors, names: Names) -> None:
    """Add the dialect's routes."""
    speech = Speech(doors=doors, dialect=DIALECT)
    runtime = doors.runtime
    view = view_of(runtime)
    shelf = shelf_of(runtime.catalog, names)
    predictions.mount(speech, view, shelf)
    streams.mount(speech, view)
    models.mount(speech, shelf)
    files.mount(speech)
    account.mount(speech)
    speech.refuse_the_rest(WHY)
