"""The models, for people: a page each with inputs, prices and requests to copy, and as Markdown."""

import json
import shlex
from collections.abc import Callable
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kinetoscope.api.cached import cached
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.models import MODEL_ID, UNCHANGED, nearest
from kinetoscope.api.page import HEADERS, HTML, page, table
from kinetoscope.api.samples import order_example
from kinetoscope.api.schemas import TEXT
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_lines, price_summary, price_table
from kinetoscope.catalog.schema import json_schema, takes
from kinetoscope.kernel.credits import format_credits
from kinetoscope.kernel.errors import NotFound

MARKDOWN = "text/markdown; charset=utf-8"

CHOSEN = ({"name": "model", "in": "query", "required": False, "schema": TEXT},)
NO_MODEL = "There is no such model"

HUB = Operation(
    summary="Show all models and their prices",
    tag="pages",
    parameters=CHOSEN,
    answer=TEXT,
    answer_type="text/html",
    answers={304: UNCHANGED, 307: "On to the page of `model`", 404: NO_MODEL},
)
PAGE = Operation(
    summary="Show a model",
    tag="pages",
    parameters=MODEL_ID,
    answer=TEXT,
    answer_type="text/html",
    answers={304: UNCHANGED, 404: NO_MODEL},
)
PLAIN_PAGE = Operation(
    summary="Show a model as Markdown",
    tag="pages",
    parameters=MODEL_ID,
    answer=TEXT,
    answer_type="text/markdown",
    answers={304: UNCHANGED, 404: NO_MODEL},
)

Describe = Callable[[Model], bytes]


def mount(doors: Doors) -> None:
    """Add /models and its pages."""
    catalog, public_url = doors.runtime.catalog, doors.runtime.settings.public_url

    def find(model_id: str) -> Model:
        model = catalog.models_by_id.get(model_id)
        if model is None:
            names = ", ".join(nearest(catalog, model_id))
            raise NotFound(f"Model not found. Nearest: {names}" if names else "Model not found")
        return model

    def chosen(request: Request) -> Response | None:
        asked = request.query_params.get("model")
        return RedirectResponse(f"/models/{find(asked).id}#try") if asked else None

    async def hub(request: Request) -> Response:
        """Show all models, or lead to the one that is asked for."""
        return chosen(request) or cached(request, hub_html(catalog.models), HTML, HEADERS)

    async def show(request: Request) -> Response:
        """Show a model."""
        model = find(request.path_params["id"])
        return cached(request, model_html(model, public_url), HTML, HEADERS)

    async def show_plain(request: Request) -> Response:
        """Show a model as Markdown."""
        model = find(request.path_params["id"])
        return cached(request, model_markdown(model, public_url).encode(), MARKDOWN)

    doors.open("GET", "/models", hub, HUB)
    doors.open("GET", "/models/{id}.md", show_plain, PLAIN_PAGE)  # the next would take it as well
    doors.open("GET", "/models/{id}", show, PAGE)


def hub_html(models: tuple[Model, ...]) -> bytes:
    """Return the page of all models."""
    rows = [
        (
            f'<a href="/models/{escape(model.id)}">{escape(model.title)}</a>',
            f"<code>{escape(model.id)}</code>",
            escape(model.kind.value),
            escape(price_summary(model)),
        )
        for model in models
    ]
    intro = '<p class="soft">For programs: <a href="/api/v1/models">/api/v1/models</a>, '
    intro += '<a href="/openapi.json">/openapi.json</a>, <a href="/llms.txt">/llms.txt</a></p>'
    shown = table("Models", ("Model", "Id", "Kind", "Price"), rows)
    return page("Models", ("<main>", "<h1>Models</h1>", intro, shown, "</main>"))


def model_html(model: Model, public_url: str) -> bytes:
    """Return a model's page."""
    name = escape(model.id)
    prices = [
        (
            escape(" ".join(row.words)) or "any",
            f"{format_credits(row.price)} credits",
            f"per {escape(row.unit)}",
        )
        for row in price_table(model)
    ]
    inputs = [
        (f"<code>{escape(field)}</code>", *map(escape, cells)) for field, *cells in _inputs(model)
    ]
    return page(
        f"{model.title} · Kinetoscope",
        (
            '<nav aria-label="Breadcrumb"><a href="/models">Models</a></nav>',
            "<main>",
            f"<h1>{escape(model.title)}</h1>",
            f'<p class="soft"><code>{name}</code> · {escape(model.kind.value)}</p>',
            f"<p>{escape(model.description)}</p>",
            _links(name),
            "<h2>Prices</h2>",
            table("Prices", ("For", "Price", "Unit"), prices),
            "<h2>Inputs</h2>",
            table("Inputs", ("Name", "Takes", "Default", "Meaning"), inputs),
            '<h2 id="try">Try it</h2>',
            f'<pre tabindex="0"><code>{escape(curl_snippet(model, public_url))}</code></pre>',
            f'<pre tabindex="0"><code>{escape(python_snippet(model, public_url))}</code></pre>',
            "</main>",
        ),
    )


def _links(name: str) -> str:
    links = {
        "Try it": f"/studio?model={name}",
        "Markdown": f"/models/{name}.md",
        "JSON": f"/api/v1/models/{name}",
    }
    shown = [f'<a href="{to}">{text}</a>' for text, to in links.items()]
    return f"<p>{' · '.join(shown)}</p>"


def model_markdown(model: Model, public_url: str) -> str:
    """Return the same as Markdown."""
    rows = "\n".join(f"| {' | '.join(cells)} |".replace("\n", " ") for cells in _inputs(model))
    old = [f"`{old}` for {' or '.join(names)}" for old, names in model.names_by_alias.items()]
    older = f"\nOlder names are accepted: {', '.join(old)}.\n" if old else ""
    prices = "\n".join(f"- {line}" for line in price_lines(model))
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
{curl_snippet(model, public_url)}
```

```python
{python_snippet(model, public_url)}
```
"""


def _inputs(model: Model) -> list[tuple[str, str, str, str]]:
    """Return name, what it takes, default and meaning of each input."""
    described: dict[str, Any] = dict(json_schema(model))
    rows = []
    for name, field in described["properties"].items():
        default = "required" if name in described["required"] else ""
        if "default" in field:
            default = json.dumps(field["default"])
        rows.append((name, takes(field), default, str(field["description"])))
    return rows


def curl_snippet(model: Model, public_url: str) -> str:
    """Return a command that creates a task."""
    body = shlex.quote(json.dumps(order_example(model), ensure_ascii=False))
    return f"""curl {public_url}/api/v1/jobs/createTask \\
  -H "Authorization: Bearer $KINETOSCOPE_KEY" \\
  -H 'Content-Type: application/json' \\
  -d {body}"""


def python_snippet(model: Model, public_url: str) -> str:
    """Return a script, without any package, that creates a task and waits for its files."""
    return f"""import json, os, time, urllib.request

def ask(path, body=None):
    request = urllib.request.Request("{public_url}/api/v1/jobs/" + path)
    request.add_header("Authorization", "Bearer " + os.environ["KINETOSCOPE_KEY"])
    request.add_header("Content-Type", "application/json")
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(request, data))

order = {order_example(model)!r}
task_id = ask("createTask", order)["taskId"]
while (task := ask("recordInfo?taskId=" + task_id))["status"] not in ("success", "fail"):
    time.sleep(3)
print(task["error"] or [file["url"] for file in task["output"]])"""
