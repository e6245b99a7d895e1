"""The models as Markdown and JSON Schema."""

import json
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api import snippets
from kinetoscope.api.cached import cached
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.models import MODEL_ID, UNCHANGED, nearest
from kinetoscope.api.samples import order_example
from kinetoscope.api.schemas import TEXT
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_lines
from kinetoscope.catalog.schema import json_schema, takes
from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.errors import NotFound

MARKDOWN = "text/markdown; charset=utf-8"
SCHEMA = "application/schema+json"

NO_MODEL = "There is no such model"

PLAIN_PAGE = Operation(
    summary="Show a model as Markdown",
    tag="pages",
    parameters=MODEL_ID,
    answer=TEXT,
    answer_type="text/markdown",
    answers={304: UNCHANGED, 404: NO_MODEL},
)
INPUTS_PAGE = Operation(
    summary="Show a model's inputs as JSON Schema",
    tag="pages",
    parameters=MODEL_ID,
    answer_type=SCHEMA,
    answers={304: UNCHANGED, 404: NO_MODEL},
)

Row = tuple[str, str, str, str]


def mount(doors: Doors) -> None:
    """Add /models/{id}.md and /models/{id}.schema.json; the pages for people come later."""
    catalog, public_url = doors.runtime.catalog, doors.runtime.settings.public_url

    async def show_plain(request: Request) -> Response:
        """Show a model as Markdown."""
        model = find(catalog, request.path_params["id"])
        return cached(request, model_markdown(model, public_url).encode(), MARKDOWN)

    async def show_inputs(request: Request) -> Response:
        """Show a model's inputs as JSON Schema."""
        model = find(catalog, request.path_params["id"])
        return cached(request, orjson.dumps(json_schema(model)), SCHEMA)

    doors.open("GET", "/models/{id}.md", show_plain, PLAIN_PAGE)
    doors.open("GET", "/models/{id}.schema.json", show_inputs, INPUTS_PAGE)


def find(catalog: Catalog, model_id: str) -> Model:
    """Return a model; raises NotFound, which names those that are spelled most alike."""
    model = catalog.models_by_id.get(model_id)
    if model is None:
        names = ", ".join(nearest(catalog, model_id))
        raise NotFound(f"Model not found. Nearest: {names}" if names else "Model not found")
    return model


def model_markdown(model: Model, public_url: str) -> str:
    """Return all there is to know of a model as Markdown."""
    rows = "\n".join(f"| {' | '.join(cells)} |".replace("\n", " ") for cells in input_rows(model))
    old = [f"`{old}` for {' or '.join(names)}" for old, names in model.names_by_alias.items()]
    older = f"\nOlder names are accepted: {', '.join(old)}.\n" if old else ""
    prices = "\n".join(f"- {line}" for line in price_lines(model))
    order = order_example(model)
    return f"""# {model.title}

> {model.description}

Model id: `{model.id}`. Makes {model.count} {model.kind.value} file(s) per task.

## Prices, in credits

{prices}

## Inputs

| name | takes | default | meaning |
|---|---|---|---|
{rows}
{older}
## Try it

```sh
{snippets.curl(order, public_url)}
```

```python
{snippets.python(order, public_url)}
```

```js
{snippets.javascript(order, public_url)}
```

```sh
{snippets.command(order, public_url)}
```
"""


def input_rows(model: Model) -> list[Row]:
    """Return name, what it takes, default and meaning of each input."""
    described: dict[str, Any] = dict(json_schema(model))
    rows = []
    for name, field in described["properties"].items():
        default = "required" if name in described["required"] else ""
        if "default" in field:
            default = json.dumps(field["default"])
        rows.append((name, takes(field), default, str(field["description"])))
    return rows
