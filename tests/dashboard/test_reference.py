"""The API reference: every route that the doors declare, with all that they say of it."""

import re
from html import unescape

import pytest
from tests.conftest import World

from kinetoscope.api.doors import Declared
from kinetoscope.api.openapi import all_answers
from kinetoscope.dashboard.reference import anchor_of
from kinetoscope.dashboard.schema_fields import fields, kind_of, limits_of

pytestmark = pytest.mark.anyio


def told(world: World) -> list[Declared]:
    found: list[Declared] = world.app.state.declared
    return [each for each in found if each.operation.described or each.operation.tag == "mcp"]


async def test_the_overview_has_every_route_once_and_leads_to_it(world: World):
    page = (await world.client.get("/reference")).text
    for route in told(world):
        link = f'href="/reference/{route.operation.tag}#{anchor_of(route)}"'
        assert page.count(link) == 1, link
        assert page.count(f"<code>{route.path}</code>") >= 1
    assert 'href="/openapi.json"' in page
    assert 'href="/llms-full.txt"' in page


async def test_each_chapter_says_all_of_its_routes(world: World):
    routes = told(world)
    for tag in {route.operation.tag for route in routes}:
        response = await world.client.get(f"/reference/{tag}")
        assert response.status_code == 200
        page = response.text
        for route in (each for each in routes if each.operation.tag == tag):
            part = unescape(page.partition(f'aria-labelledby="{anchor_of(route)}"')[2])
            part = part.partition("</article>")[0]
            plain = re.sub(r"<[^>]+>", "", part)
            assert route.path in plain
            assert "curl" in plain
            assert all(f">{scope}<" in part for scope in route.scopes)
            assert ('<span class="tag">open</span>' in part) == (not route.scopes)
            assert ("not for test keys" in part) == route.live_only
            assert all(f">{each['name']}</code>" in part for each in route.operation.parameters)
            for status, text in all_answers(route).items():
                assert f"<code>{status}</code></dt><dd>{text}</dd>" in part
            for name in (route.operation.body or {}).get("properties", {}):
                assert f">{name}</code>" in part, (route.path, name)


async def test_the_record_is_told_once_and_referred_to(world: World):
    page = (await world.client.get("/reference/jobs")).text
    assert page.count('<h2 id="record">') == 1
    assert 'The <a class="link" href="/reference/jobs#record">record of a task</a>' in page
    assert ">metadataExpiresAt</code>" in page


async def test_there_is_no_other_chapter(world: World):
    response = await world.client.get("/reference/<script>")
    assert response.status_code == 404
    assert "<script>" not in response.text.partition("<main")[2]


def test_fields_say_where_they_stand_and_what_they_take():
    shared = {
        "Record": {"type": "object", "properties": {"id": {"type": "string"}}},
        "Error": {"type": "object", "required": ["code"], "properties": {"code": {"const": 200}}},
    }
    schema = {
        "required": ["items"],
        "properties": {
            "items": {
                "type": "array",
                "maxItems": 9,
                "items": {"type": "object", "properties": {"state": {"enum": ["a", "b"]}}},
            },
            "records": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}},
            "error": {"anyOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]},
            "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": 100, "default": 20},
        },
    }
    found = {each.path: each for each in fields(schema, shared, frozenset({"Record"}))}
    assert list(found) == ["items", "items[].state", "records", "error", "error.code", "limit"]
    assert (found["items"].required, found["items"].kind) == (True, "list of objects")
    assert (found["items"].limits, found["items[].state"].options) == ("up to 9", ("a", "b"))
    assert (found["records"].kind, found["records"].refers_to) == ("list of Record", "Record")
    assert (found["error"].kind, found["error.code"].kind) == ("object or null", "always 200")
    assert (found["limit"].kind, found["limit"].limits) == (
        "integer or null",
        "1 to 100, default 20",
    )
    assert kind_of({"type": "string", "format": "uri"}) == "URL"
    assert limits_of({"type": "string", "maxLength": 2048}) == "up to 2,048 characters"
