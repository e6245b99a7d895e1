"""All dialects: their routes, over the same names of models."""

from kinetoscope.api.doors import Doors
from kinetoscope.dialects.fal import door as fal
from kinetoscope.dialects.kie import door as kie
from kinetoscope.dialects.names import names_of
from kinetoscope.dialects.openai import door as openai
from kinetoscope.dialects.replicate import door as replicate


def mount(doors: Doors) -> None:
    """Add every dialect's routes."""
    runtime = doors.runtime
    names = names_of(runtime.catalog, runtime.settings.model_names)
    for dialect in (openai, replicate, fal, kie):
        dialect.mount(doors, names)
