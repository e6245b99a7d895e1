"""Models: what there is to ask for.

https://platform.openai.com/docs/api-reference/models
"""

from collections.abc import Mapping
from functools import partial

from starlette.responses import Response

from kinetoscope.api.envelope import answer
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.names import OWNER, find
from kinetoscope.dialects.openai.asking import Parts

CREATED = 1_788_220_800
"""1 September 2026: when the catalog's facts were gathered. OpenAI tells a date of each model."""


def mount(speech: Speech, parts: Parts) -> None:
    """Add the routes."""
    speech.route("GET", "/models", "tasks:read", partial(listing, parts), "List the models")
    speech.route(
        "GET", "/models/{model:path}", "tasks:read", partial(retrieve, parts), "Describe a model"
    )


async def listing(parts: Parts, _client: Client) -> Response:
    """List our models, and the names that the operator has given to some."""
    names: Mapping[str, str] = parts.runtime.settings.model_names
    chosen = [name for name in names if name in parts.names]
    ids = dict.fromkeys([*(model.id for model in parts.runtime.catalog.models), *chosen])
    return answer({"object": "list", "data": [model_json(model_id) for model_id in ids]})


async def retrieve(parts: Parts, client: Client) -> Response:
    """Tell whether there is a model of a name; raises UnknownModel."""
    stated = client.request.path_params["model"]
    find(parts.names, stated)
    return answer(model_json(stated))


def model_json(model_id: str) -> dict[str, object]:
    """Return a model; more is told by /api/v1/models."""
    return {"id": model_id, "object": "model", "created": CREATED, "owned_by": OWNER}
