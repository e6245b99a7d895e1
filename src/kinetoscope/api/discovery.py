"""What machines look for first: llms.txt, the whole contract as text, and the API catalog."""

from functools import cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.cached import cached
from kinetoscope.api.contract_text import chapters
from kinetoscope.api.doors import Declared, Doors, Operation, Schema
from kinetoscope.api.guides import GUIDES
from kinetoscope.api.model_text import model_markdown
from kinetoscope.api.models import UNCHANGED
from kinetoscope.api.openapi import ABOUT, all_answers
from kinetoscope.api.samples import curl
from kinetoscope.api.schemas import TEXT, components
from kinetoscope.api.told_headers import HEADERS
from kinetoscope.catalog.price import price_summary
from kinetoscope.catalog.spec import Catalog
from kinetoscope.limits.gcra import Pace

PLAIN = "text/plain; charset=utf-8"

CATALOG_PATH = "/.well-known/api-catalog"
LINKSET = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'

SUMMARY = (
    "A self-hosted API that makes videos, images and audio: one request creates a task, a poll "
    "or a webhook brings the files, and failed tasks cost nothing."
)


def _text(summary: str, description: str) -> Operation:
    return Operation(
        summary=summary,
        tag="discovery",
        description=description,
        answer=TEXT,
        answer_type="text/plain",
        answers={304: UNCHANGED},
    )


LLMS = _text("Say in short what is here, for language models", "https://llmstxt.org")
LLMS_FULL = _text(
    "Say all of it",
    "Every route, every model with its inputs and prices; webhooks, limits, test keys, agents.",
)
CATALOG = Operation(
    summary="Say where the API is described",
    tag="discovery",
    description="RFC 9727: a linkset.",
    answer={
        "type": "object",
        "required": ["linkset"],
        "properties": {
            "linkset": {
                "type": "array",
                "items": {"type": "object", "required": ["anchor"], "properties": {"anchor": TEXT}},
            }
        },
    },
    answer_type="application/linkset+json",
    answers={304: UNCHANGED},
)


def mount(doors: Doors) -> None:
    """Add /llms.txt, /llms-full.txt and /.well-known/api-catalog."""
    catalog, settings = doors.runtime.catalog, doors.runtime.settings
    public_url, pace = settings.public_url, None
    if settings.requests_per_second:
        pace = Pace(settings.requests_per_second, settings.requests_burst)

    @cache
    def written() -> bytes:
        # Made at the first request: then every door has declared its routes.
        return full_text(doors.declared, catalog, public_url, pace).encode()

    async def llms(request: Request) -> Response:
        """Say in short what is here."""
        return cached(request, short_text(catalog, public_url).encode(), PLAIN)

    async def llms_full(request: Request) -> Response:
        """Say all of it."""
        return cached(request, written(), PLAIN)

    async def api_catalog(request: Request) -> Response:
        """Say where the API is described."""
        link = {"Link": f'<{public_url}{CATALOG_PATH}>; rel="api-catalog"'}
        return cached(request, orjson.dumps(linkset(public_url)), LINKSET, link)

    doors.open("GET", "/llms.txt", llms, LLMS)
    doors.open("GET", "/llms-full.txt", llms_full, LLMS_FULL)
    doors.open("GET", CATALOG_PATH, api_catalog, CATALOG)


def linkset(public_url: str) -> dict[str, Any]:
    """Return where the API is and what describes it, as RFC 9264 and RFC 9727 have it."""

    def to(path: str, media_type: str, title: str) -> dict[str, str]:
        return {"href": public_url + path, "type": media_type, "title": title}

    api = f"{public_url}/api/v1"
    return {
        "linkset": [
            {"anchor": public_url + CATALOG_PATH, "item": [{"href": api}]},
            {
                "anchor": api,
                "service-desc": [to("/openapi.json", "application/json", "OpenAPI 3.1")],
                "service-doc": [
                    to("/llms-full.txt", "text/plain", "The whole contract as text"),
                    to("/reference", "text/html", "Every route, for people"),
                    to("/docs", "text/html", "Guides"),
                    to("/models", "text/html", "Models and prices"),
                ],
                "service-meta": [to("/api/v1/models", "application/json", "Models")],
                "status": [to("/readyz", "application/json", "Whether it can serve")],
            },
        ]
    }


def short_text(catalog: Catalog, public_url: str) -> str:
    """Return the overview, in the form of https://llmstxt.org."""
    models = "\n".join(
        f"- [{model.title}]({public_url}/models/{model.id}.md): `{model.id}`, {model.kind}. "
        f"{price_summary(model)}."
        for model in catalog.models
    )
    guides = "\n".join(
        f"- [{guide.title}]({public_url}/docs/{guide.slug}.md): {guide.about}" for guide in GUIDES
    )
    return f"""# Kinetoscope

> {SUMMARY}

Base address: {public_url}/api/v1. Send `Authorization: Bearer <key>`. `POST /jobs/createTask` with
`{{"model": "…", "inputs": {{"prompt": "…"}}}}` answers `{{"taskId": "…"}}`; then ask
`GET /jobs/recordInfo?taskId=…` every few seconds until `status` is `success` or `fail`.

## API

- [OpenAPI]({public_url}/openapi.json): every route, with a schema per model
- [Everything as text]({public_url}/llms-full.txt): the routes, the models, their inputs and prices
- [Models as JSON]({public_url}/api/v1/models): ids, prices, and links to JSON Schemas
- [Agents]({public_url}/api/mcp): Model Context Protocol, streamable HTTP, with the same key

## Guides

{guides}

## Models

{models}

## Optional

- [API catalog]({public_url}{CATALOG_PATH}): RFC 9727
- [Guides for people]({public_url}/docs): the same, to read in a browser
- [API reference for people]({public_url}/reference): every route with its fields and a command
- [Models for people]({public_url}/models): a page each
- [Live demo]({public_url}/demo): five sample tasks that a public key reads
"""


def full_text(
    declared: list[Declared], catalog: Catalog, public_url: str, pace: Pace | None
) -> str:
    """Return the whole contract: routes as the doors declare them, models as the catalog does."""
    others = "\n".join(chapter.markdown for chapter in chapters(declared, pace))
    shared = components(catalog)
    routes = "\n".join(
        _route_text(route, public_url, shared) for route in declared if route.operation.described
    )
    models = "\n".join(
        model_markdown(model, public_url).replace("\n## ", "\n#### ").replace("# ", "### ", 1)
        for model in catalog.models
    )
    return f"""# Kinetoscope

> {SUMMARY}

{ABOUT}
Base address: {public_url}

## Routes

{routes}
## The record of a task

recordInfo answers with it, and webhooks carry it as `data`.

```json
{orjson.dumps(shared["Record"]["examples"][0], option=orjson.OPT_INDENT_2).decode()}
```

{_field_list(shared["Record"])}

{others}
## Models

{models}"""


def _route_text(route: Declared, public_url: str, shared: Schema) -> str:
    operation = route.operation
    about = f"{operation.summary}. {operation.description}".rstrip()
    needs = needs_text(route)
    parts = [f"### {route.method} {route.path}", about, needs]
    if operation.parameters:
        parts.append("\n".join(_parameter_line(parameter) for parameter in operation.parameters))
    body = operation.body or {}
    if "$ref" in body:
        body = shared[body["$ref"].rpartition("/")[2]]
    if "properties" in body:
        parts.append("Body:\n\n" + _field_list(body))
    others = [f"{status}: {text}" for status, text in all_answers(route).items()]
    if others:
        parts.append(f"Other answers than 200: {'; '.join(others)}.")
    for status, names in route.operation.headers.items():
        parts += [f"{status} with `{name}`: {HEADERS[name]['description']}" for name in names]
    parts.append(f"```sh\n{curl(route, public_url, shared)}\n```\n")
    return "\n\n".join(parts)


def needs_text(route: Declared) -> str:
    """Say in a sentence or two who may ask."""
    if not route.scopes:
        return "Open to everybody."
    scopes = " and ".join(f"`{scope}`" for scope in route.scopes)
    live = " Not for test keys." if route.live_only else ""
    return f"Needs the scope{'s' if len(route.scopes) > 1 else ''} {scopes}.{live}"


def _parameter_line(parameter: Schema) -> str:
    needed = ", required" if parameter.get("required") else ""
    return f"- `{parameter['name']}` ({parameter['in']}{needed}) {parameter.get('description', '')}"


def _field_list(schema: Schema) -> str:
    lines = []
    for name, field in schema["properties"].items():
        needed = " (required)" if name in schema.get("required", ()) else ""
        lines.append(f"- `{name}`{needed} {field.get('description', '')}".rstrip())
    return "\n".join(lines)
