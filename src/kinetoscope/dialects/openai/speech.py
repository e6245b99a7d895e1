"""Speech: sound from text, answered when it is there.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from collections.abc import Mapping
from functools import partial

from starlette.responses import Response

from kinetoscope.api.media import sent
from kinetoscope.catalog.model import Model
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.inputs import refused
from kinetoscope.dialects.openai.asking import (
    Asked,
    Parts,
    asked,
    model_of,
    refuse_other_files,
    text_of,
)
from kinetoscope.dialects.openai.content import CACHE
from kinetoscope.dialects.openai.making import (
    Order,
    inputs_of,
    make,
    without_harmless,
)
from kinetoscope.dialects.openai.waiting import ended
from kinetoscope.kernel.errors import Unsupported
from kinetoscope.kernel.order import MediaKind

HARMLESS: Mapping[str, frozenset[object]] = {
    "instructions": frozenset({""}),
    "speed": frozenset({1, "1", "1.0"}),
}

NOT_INPUTS = frozenset({"input", "response_format", "stream_format"})

THEIRS: Mapping[str, str] = {"prompt": "input"}


def mount(speech: Speech, parts: Parts) -> None:
    """Add the route."""
    both = ("tasks:read", "tasks:write")
    speech.route("POST", "/audio/speech", both, partial(create, parts), "Make sound of text")


async def create(parts: Parts, client: Client) -> Response:
    """Make sound, and answer with the file, in the one format that the model makes.

    The `voice` that OpenAI demands is passed on to models that have voices to choose; the others
    make what the text describes, and have nothing to say it with.
    """
    async with asked(parts, client) as request:
        refuse_other_files(request, ())
        model = model_of(parts, text_of(request, "model"), MediaKind.AUDIO)
        _refuse_unsupported(model, request)
        values = without_harmless(model, request.values, HARMLESS)
        given = {name: value for name, value in values.items() if name not in NOT_INPUTS}
        given["prompt"] = text_of(request, "input")
        inputs = inputs_of(model, request, given, [])
        order = Order(model=model, inputs=inputs, theirs=THEIRS)
        task_id = await make(parts, client, request, order)
    found = await ended(parts, client, task_id)
    if isinstance(found, Response):
        return found
    response = await sent(parts.runtime, client.request, found.record.output[0].name, cache=CACHE)
    response.headers["x-request-id"] = task_id
    return response


def _refuse_unsupported(model: Model, request: Asked) -> None:
    if request.values.get("stream_format", "audio") != "audio":
        raise Unsupported("Sound is not streamed as events here: leave stream_format out")
    if request.values.get("response_format", model.file_format) != model.file_format:
        raise refused("response_format", f"{model.id} makes {model.file_format} only")
