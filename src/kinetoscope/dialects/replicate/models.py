"""Models and their versions, deployments and collections, as Replicate lists them.

https://replicate.com/docs/reference/http#models.get. A model has one version here, the present
one. A deployment is a model called by its name: nobody has to make one. There are no collections.
"""

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import PlainTextResponse, Response

from kinetoscope.api.body import read_body
from kinetoscope.api.envelope import answer
from kinetoscope.api.model_text import model_markdown
from kinetoscope.catalog.model import Model
from kinetoscope.dialects.door import Client, Speech
from kinetoscope.dialects.names import OWNER, find
from kinetoscope.dialects.replicate.schema import COG_VERSION, openapi_schema
from kinetoscope.dialects.replicate.shape import moment
from kinetoscope.dialects.replicate.versions import Shelf, full_name, require_version, version_of

READ = "tasks:read"

QUERY_BYTES_MAX = 2000

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
"""When every version was made: nobody wrote down when a declaration changed."""


def mount(speech: Speech, shelf: Shelf) -> None:
    """Add the routes."""
    _mount_models(speech, shelf)
    _mount_versions(speech, shelf)
    _mount_deployments(speech, shelf)


def _mount_models(speech: Speech, shelf: Shelf) -> None:
    runtime = speech.doors.runtime
    models, public_url = runtime.catalog.models, runtime.settings.public_url

    async def listing(_client: Client) -> Response:
        """List the models."""
        return answer(page([model_json(model, public_url) for model in models]))

    async def search(client: Client) -> Response:
        """List the models that a text is about, most alike first."""
        text = _query((await read_body(client.request, QUERY_BYTES_MAX)).decode("utf-8", "replace"))
        return answer(page([model_json(model, public_url) for model in found(models, text)]))

    async def show(client: Client) -> Response:
        """Show a model with its version."""
        return answer(model_json(_named(shelf, client), public_url))

    async def readme(client: Client) -> Response:
        """Show a model in Markdown."""
        return PlainTextResponse(model_markdown(_named(shelf, client), public_url))

    async def examples(client: Client) -> Response:
        """List a model's example predictions: none, since nobody paid for any."""
        _named(shelf, client)
        return answer(page([]))

    path = "/models/{owner}/{name}"
    speech.route("GET", "/models", READ, listing, "List the models")
    speech.route("QUERY", "/models", READ, search, "Search the models")
    speech.route("GET", path, READ, show, "Show a model")
    speech.route("GET", path + "/readme", READ, readme, "Show a model in Markdown")
    speech.route("GET", path + "/examples", READ, examples, "List a model's examples")


def _mount_versions(speech: Speech, shelf: Shelf) -> None:
    async def listing(client: Client) -> Response:
        """List a model's versions: the present one."""
        return answer(page([version_json(_named(shelf, client))]))

    async def show(client: Client) -> Response:
        """Show a version of a model."""
        model = require_version(_named(shelf, client), client.request.path_params["version"])
        return answer(version_json(model))

    path = "/models/{owner}/{name}/versions"
    speech.route("GET", path, READ, listing, "List a model's versions")
    speech.route("GET", path + "/{version}", READ, show, "Show a model's version")


def _mount_deployments(speech: Speech, shelf: Shelf) -> None:
    async def nothing(_client: Client) -> Response:
        """List nothing."""
        return answer(page([]))

    async def show(client: Client) -> Response:
        """Show the deployment that a model is."""
        _named(shelf, client)
        params = client.request.path_params
        return answer({"owner": params["owner"], "name": params["name"], "current_release": None})

    speech.route("GET", "/deployments", READ, nothing, "List deployments")
    speech.route("GET", "/deployments/{owner}/{name}", READ, show, "Show a deployment")
    speech.route("GET", "/collections", READ, nothing, "List collections")


def _named(shelf: Shelf, client: Client) -> Model:
    return find(shelf.names, "{owner}/{name}".format(**client.request.path_params))


def page(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all there is on one page."""
    return {"next": None, "previous": None, "results": results}


def model_json(model: Model, public_url: str) -> dict[str, Any]:
    """Return a model as Replicate shows one. Nobody counts how often it ran."""
    return {
        "url": f"{public_url}/models/{model.id}",
        "owner": OWNER,
        "name": model.id,
        "description": model.description,
        "visibility": "public",
        "is_official": True,
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "cover_image_url": None,
        "run_count": 0,
        "default_example": None,
        "latest_version": version_json(model),
    }


def version_json(model: Model) -> dict[str, Any]:
    """Return a model's present version."""
    return {
        "id": version_of(model),
        "created_at": moment(BEGAN),
        "cog_version": COG_VERSION,
        "openapi_schema": openapi_schema(model),
    }


def _query(text: str) -> str:
    """Return what is sought; the JavaScript client sends it as JSON, others as it is."""
    try:
        stated = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return stated if isinstance(stated, str) else text


def found(models: Sequence[Model], text: str) -> list[Model]:
    """Return the models in whose words those of a text are, or whose names are spelled alike."""
    words = text.lower().split()
    matching = [model for model in models if all(word in _words(model) for word in words)]
    if matching:
        return matching
    names = difflib.get_close_matches(text.lower(), [model.id for model in models], n=5, cutoff=0.5)
    by_id = {model.id: model for model in models}
    return [by_id[name] for name in names]


def _words(model: Model) -> str:
    texts = (full_name(model), model.title, model.description, model.kind.value, *model.known_as)
    return " ".join(texts).lower()
