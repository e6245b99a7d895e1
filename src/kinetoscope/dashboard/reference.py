"""The API reference: every route with its fields and a command, as the doors declare it."""

import asyncio
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from markupsafe import Markup
from starlette.responses import Response

from kinetoscope.api.doors import Declared
from kinetoscope.api.openapi import all_answers
from kinetoscope.api.samples import curl
from kinetoscope.api.schemas import components
from kinetoscope.api.webhook_shapes import SENT_HEADERS
from kinetoscope.catalog.spec import Catalog
from kinetoscope.dashboard import snippets
from kinetoscope.dashboard.markdown import blocks, inline
from kinetoscope.dashboard.pages import Pages
from kinetoscope.dashboard.schema_fields import Shown, fields, name_of, of_parameter
from kinetoscope.dashboard.visit import Visit
from kinetoscope.kernel.errors import NotFound

APART = frozenset({"Record"})
"""Shared schemas that have a section of their own."""

CHAPTERS = {
    "jobs": ("Tasks", "Create media, see how it goes, stop it, and remove it."),
    "models": ("Models", "What can be asked for, for programs."),
    "uploads": ("Uploads", "Bring files that requests then refer to."),
    "media": ("Media", "Fetch what was made."),
    "webhooks": ("Webhooks", "What is sent when tasks end, and what signs it."),
    "account": ("Account", "Credits, limits, the ledger, usage."),
    "keys": ("Keys", "Keys made, changed and replaced by keys."),
    "provenance": ("Provenance", "Whether a file was made here."),
    "mcp": ("Agents", "The Model Context Protocol."),
    "discovery": ("Discovery", "What machines look for first."),
    "pages": ("Pages as text", "Models and guides, for what reads no pages."),
    "health": ("Health", "For whatever watches the server."),
    "upstream": ("Callbacks of providers", "For the providers behind this server alone."),
}
"""What the tags of routes are called here, in this order; tags without a line come last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A route as the page shows it."""

    anchor: str
    route: Declared
    about: Markup
    parameters: Sequence[Shown]
    body: Sequence[Shown]
    answer: Sequence[Shown]
    answer_name: str
    others: Sequence[tuple[int, str]]
    command: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """The routes of a tag."""

    slug: str
    title: str
    about: str
    entries: Sequence[Entry]


def mount(pages: Pages) -> None:
    """Add /reference and its chapters."""

    @cache
    def written() -> tuple[Sequence[Chapter], dict[str, Any]]:
        # Made at the first visit: then every door has declared its routes.
        runtime = pages.runtime
        declared: list[Declared] = pages.app.state.declared
        found = chapters(declared, runtime.catalog, runtime.settings.public_url)
        return found, _besides(components(runtime.catalog))

    async def index(visit: Visit) -> Response:
        """Show all routes in a line each."""
        found, _ = await asyncio.to_thread(written)
        return visit.render("reference/index.html", chapters=found, inline=inline)

    async def show(visit: Visit) -> Response:
        """Show all there is to know of a chapter's routes."""
        found, besides = await asyncio.to_thread(written)
        asked = visit.request.path_params["tag"]
        chapter = next((each for each in found if each.slug == asked), None)
        if chapter is None:
            raise NotFound("There is no such chapter")
        return visit.render(
            "reference/chapter.html", chapters=found, chapter=chapter, inline=inline, **besides
        )

    pages.add("GET", "/reference", "anyone", index)
    pages.add("GET", "/reference/{tag}", "anyone", show)


def _besides(shared: dict[str, Any]) -> dict[str, Any]:
    """Return what is told beside the routes: a task's record, and what webhooks carry."""
    record = shared["Record"]
    example = orjson.dumps(record["examples"][0], option=orjson.OPT_INDENT_2).decode()
    return {
        "record": fields(record, shared, frozenset()),
        "example": snippets.block(example, "json"),
        "sent_headers": {name: inline(text) for name, text in SENT_HEADERS.items()},
    }


def chapters(declared: Iterable[Declared], catalog: Catalog, public_url: str) -> list[Chapter]:
    """Return all that is described, tag by tag, and what agents ask, which is no OpenAPI."""
    shared = components(catalog)
    order = list(CHAPTERS)

    def place(route: Declared) -> int:
        tag = route.operation.tag
        return order.index(tag) if tag in CHAPTERS else len(order)

    told = [each for each in declared if each.operation.described or each.operation.tag == "mcp"]
    told.sort(key=place)
    return [
        Chapter(
            slug=tag,
            title=CHAPTERS.get(tag, (tag.capitalize(), ""))[0],
            about=CHAPTERS.get(tag, ("", ""))[1],
            entries=[_entry(route, public_url, shared) for route in routes],
        )
        for tag, routes in itertools.groupby(told, lambda route: route.operation.tag)
    ]


def anchor_of(route: Declared) -> str:
    """Return where on the page a route stands: `post-api-v1-jobs-createtask`."""
    words = re.findall(r"[a-z0-9]+", route.path.lower())
    return "-".join((route.method.lower(), *words))


def _entry(route: Declared, public_url: str, shared: dict[str, Any]) -> Entry:
    operation = route.operation
    body = operation.body or {}
    return Entry(
        anchor=anchor_of(route),
        route=route,
        about=blocks(operation.description),
        parameters=[of_parameter(parameter) for parameter in operation.parameters],
        body=fields(body, shared, APART),
        answer=[] if name_of(operation.answer) else fields(operation.answer, shared, APART),
        answer_name=name_of(operation.answer),
        others=list(all_answers(route).items()),
        command=snippets.block(curl(route, public_url, shared), "sh"),
    )
