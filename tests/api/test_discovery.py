"""What machines look for first is there, says the truth, and leads on (contract.md row 27)."""

import re
from pathlib import Path

import pytest
from tests.conftest import World

from kinetoscope.api.guides import GUIDES
from kinetoscope.api.rehearsals import WORDS
from kinetoscope.catalog.spec import builtin
from kinetoscope.mcp.needs import NEEDS
from kinetoscope.providers.contract import Rehearsal
from kinetoscope.providers.rehearsal import FAILURES, SLOW_S, TIMEOUT_S

pytestmark = pytest.mark.anyio

PATHS = ("/openapi.json", "/llms.txt", "/llms-full.txt", "/.well-known/api-catalog")

BASE = "http://kinetoscope.test"


@pytest.mark.parametrize("path", PATHS)
async def test_row_27_it_is_there_for_everybody(world: World, path: str):
    response = await world.client.get(path)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "public, max-age=300"
    again = await world.client.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_llms_txt_has_the_form_of_the_standard(world: World):
    """https://llmstxt.org: a title, a quote that sums up, prose, then sections of links only."""
    response = await world.client.get("/llms.txt")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    head, *sections = re.split(r"^## ", response.text, flags=re.MULTILINE)
    assert re.match(r"# Kinetoscope\n\n> [^\n]+\n\n", head)
    titles = [section.partition("\n")[0] for section in sections]
    assert titles == ["API", "Guides", "Models", "Optional"]
    for section in sections:
        for line in section.partition("\n")[2].strip().splitlines():
            assert re.fullmatch(r"- \[[^\]]+\]\(http://[^)]+\): .+", line), line
    links = re.findall(r"\]\((http://[^)]+)\)", response.text)
    assert len(links) >= 9 + len(builtin().models) + len(GUIDES)
    assert {f"{BASE}/docs/{guide.slug}.md" for guide in GUIDES} <= set(links)
    assert {f"{BASE}/{page}" for page in ("docs", "reference", "models", "demo")} <= set(links)
    for link in links:
        assert link.startswith(BASE)
        expected = 405 if link.endswith("/api/mcp") else 200
        assert (await world.client.get(link)).status_code == expected, link


async def test_llms_full_has_every_route_and_every_model(world: World):
    text = (await world.client.get("/llms-full.txt")).text
    for route in world.app.state.declared:
        heading = f"### {route.method} {route.path}\n"
        assert (heading in text) == route.operation.described, heading
        if route.operation.described:
            part = text.partition(heading)[2].partition("\n### ")[0]
            assert route.operation.summary in part
            assert all(f"`{scope}`" in part for scope in route.scopes)
            assert ("Open to everybody." in part) == (not route.scopes)
            assert ("Not for test keys." in part) == route.live_only
            for parameter in route.operation.parameters:
                assert f"`{parameter['name']}`" in part
    for model in builtin().models:
        part = text.partition(f"### {model.title}\n")[2].partition("\n### ")[0]
        assert f"`{model.id}`" in part
        assert all(f"| {field.name} | " in part for field in model.fields)
    for name in ("taskId", "creditsUsed", "completeTime", "expiresAt"):
        assert f"- `{name}` (required)" in text


async def test_the_api_catalog_is_a_linkset_that_leads_on(world: World):
    """RFC 9727 §2 and §4, RFC 9264 §4.2."""
    response = await world.client.get("/.well-known/api-catalog")
    assert response.headers["content-type"] == (
        'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
    )
    contexts = response.json()["linkset"]
    (listed,) = [context for context in contexts if "item" in context]
    (api,) = [context for context in contexts if "service-desc" in context]
    assert listed["anchor"] == f"{BASE}/.well-known/api-catalog"
    assert [item["href"] for item in listed["item"]] == [api["anchor"]] == [f"{BASE}/api/v1"]
    for relation in ("service-desc", "service-doc", "service-meta", "status"):
        for target in api[relation]:
            reached = await world.client.get(target["href"])
            assert reached.status_code == 200
            assert reached.headers["content-type"].partition(";")[0] == target["type"]
    head = await world.client.head("/.well-known/api-catalog")
    assert head.headers["link"] == f'<{BASE}/.well-known/api-catalog>; rel="api-catalog"'


def chapter(text: str, title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", text, flags=re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Webhooks", "webhook-id"),
        ("Webhooks", "webhook-timestamp"),
        ("Webhooks", "webhook-signature"),
        ("Webhooks", "X-Webhook-Timestamp"),
        ("Webhooks", "X-Webhook-Signature"),
        ("Webhooks", "whsec_"),
        ("Webhooks", "/api/v1/webhooks/secret"),
        ("Webhooks", '"updateTime":'),
        ("Limits", "RateLimit"),
        ("Limits", "RateLimit-Policy"),
        ("Limits", "Retry-After"),
        ("Limits", "429"),
        ("Limits", "50 tasks"),
        ("Limits", "50 requests a second in the long run, 1000000 at once"),
        ("Test keys", "kino_test_"),
        ("Test keys", "X-Test-Outcome"),
        ("Test keys", "test:"),
        *(("Test keys", f"- `{word}`: ") for word in Rehearsal),
        ("Agents", "POST /api/mcp"),
        *(("Agents", f"- `{tool}`: needs `tasks:read`") for tool in NEEDS),
    ],
)
async def test_llms_full_says_it_all(world: World, title: str, word: str):
    text = (await world.client.get("/llms-full.txt")).text
    assert word in chapter(text, title)


async def test_llms_full_says_which_answers_carry_idempotent_replayed(world: World):
    text = (await world.client.get("/llms-full.txt")).text
    part = text.partition("### POST /api/v1/jobs/createTask\n")[2].partition("\n### ")[0]
    assert "200 with `Idempotent-Replayed`" in part


def test_the_words_of_test_keys_are_all_told_and_say_the_truth():
    assert set(WORDS) == set(Rehearsal)
    for word, failure in FAILURES.items():
        assert f"`{failure.code}`" in WORDS[word]
    assert f"{TIMEOUT_S:.0f} seconds" in WORDS[Rehearsal.TIMEOUT]
    assert f"{SLOW_S:.0f} seconds" in WORDS[Rehearsal.SLOW]
    table = (Path(__file__).parents[2] / "docs" / "test-keys.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)[: len(WORDS)] == list(WORDS)
