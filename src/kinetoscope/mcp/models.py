"""Models for agents: as tools, and as resources that can be read by their address."""

import orjson
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from kinetoscope.api.envelope import credits_json
from kinetoscope.catalog.price import price_table
from kinetoscope.catalog.schema import json_schema
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.errors import UnknownModel
from kinetoscope.mcp.calls import READS, Answer, ModelId, Told, plain
from kinetoscope.wiring import Runtime

ADDRESS = "kinetoscope://models/{id}"


def add_models(server: MCPServer, runtime: Runtime) -> None:
    """Give a server what tells of models."""
    catalog = runtime.catalog

    @server.tool(annotations=READS, title="List the models")
    async def list_models() -> Answer:
        """List the models: id, title, kind of media (video, image or audio), what each is for."""
        return {
            "models": [
                {
                    "id": model.id,
                    "title": model.title,
                    "kind": model.kind.value,
                    "description": model.description,
                }
                for model in catalog.models
            ]
        }

    @server.tool(annotations=READS, title="Describe a model")
    async def get_model(model: ModelId) -> Answer:
        """Describe a model: the JSON Schema of its inputs, and its prices in credits.

        Ask this before generate: inputs that do not fit the schema are refused.
        """
        with Told():
            return described(catalog, model)

    @server.resource(
        ADDRESS,
        name="model",
        title="A model",
        description="The JSON Schema of a model's inputs and its prices, as get_model tells them",
        mime_type="application/json",
    )
    async def model_resource(id: str) -> str:  # noqa: A002 - the address's own word
        try:
            return orjson.dumps(described(catalog, id), option=orjson.OPT_INDENT_2).decode()
        except UnknownModel as error:
            raise ResourceNotFoundError(str(error)) from None


def described(catalog: Catalog, model: str) -> Answer:
    """Return a model's inputs and prices; raises UnknownModel."""
    found = catalog.find(model)
    prices = [
        {"for": list(row.words), "credits": credits_json(row.price), "per": row.unit}
        for row in price_table(found)
    ]
    return plain({"id": found.id, "inputs": json_schema(found), "prices": prices})
