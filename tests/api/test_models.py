"""The models, for programs and for people: complete, and without anything from elsewhere."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from jsonschema import Draft202012Validator
from tests.conftest import World
from typing_extensions import override

from kinetoscope.catalog.check import check
from kinetoscope.catalog.model import Model
from kinetoscope.catalog.price import price_summary, price_table
from kinetoscope.catalog.schema import json_schema
from kinetoscope.catalog.spec import builtin
from kinetoscope.kernel.credits import format_credits

pytestmark = pytest.mark.anyio

MODELS = builtin().models
IDS = [model.id for model in MODELS]


async def test_the_list_has_every_model_and_leads_to_each(world: World):
    listed = (await world.client.get("/api/v1/models")).json()["models"]
    assert [model["id"] for model in listed] == IDS
    for model in listed:
        assert (await world.client.get(model["url"])).json()["id"] == model["id"]
        page = await world.client.get(model["page"])
        assert page.status_code == 200
    (seedance,) = [model for model in listed if model["id"] == "seedance-20"]
    assert seedance["kind"] == "video"
    assert seedance["title"] == "Seedance 2.0"
    assert seedance["price"] == "15 to 240 credits per second"


async def test_each_model_tells_its_inputs_prices_and_orders_that_are_taken(world: World):
    for model in MODELS:
        await tells_all(world, model)


async def tells_all(world: World, model: Model) -> None:
    response = await world.client.get(f"/api/v1/models/{model.id}")
    found = response.json()
    assert found["inputs"] == json_schema(model)
    assert found["files"] == model.count
    rows = [(tuple(row["for"]), row["credits"], row["per"]) for row in found["prices"]]
    assert rows == [
        (row.words, json.loads(format_credits(row.price)), row.unit) for row in price_table(model)
    ]
    assert len(found["examples"]) == len(model.examples) >= 1
    for example in found["examples"]:
        assert example["model"] == model.id
        Draft202012Validator(found["inputs"]).validate(example["inputs"])
        check(model, example["inputs"])
    for old, names in found["olderNames"].items():
        assert old not in model.fields_by_name
        assert set(names) <= set(model.fields_by_name)


async def test_prices_are_exact_numbers(world: World):
    text = (await world.client.get("/api/v1/models/nanobanana-pro")).text
    assert '"credits":14.41,' in text
    assert '"credits":25.8,' in text


async def test_limits_are_gathered(world: World):
    limits = (await world.client.get("/api/v1/models/seedance-20")).json()["limits"]
    assert limits["promptCharacters"] == 10000
    assert limits["durationSeconds"] == {"min": 4, "max": 15}
    assert limits["imageUrls"] == {"kind": "image", "max": 9}
    assert limits["sizes"]["480p"]["16:9"] == [864, 496]
    without = (await world.client.get("/api/v1/models/kinetoscope-soundscape")).json()["limits"]
    assert without == {"promptCharacters": 4000, "durationSeconds": {"min": 1, "max": 60}}


async def test_an_unknown_model_is_answered_with_the_nearest(world: World):
    response = await world.client.get("/api/v1/models/seedance-2.0")
    assert response.status_code == 404
    assert response.json()["message"] == "Model not found"
    assert "seedance-20" in response.json()["nearest"]
    assert (await world.client.get("/api/v1/models/" + "x" * 5000)).json()["nearest"] == []
    for ending in (".md", ".schema.json"):
        plain = await world.client.get(f"/models/seedance-2.0{ending}")
        assert plain.status_code == 404
        assert "seedance-20" in plain.json()["message"]
    for path in ("/models/seedance-2.0", "/models?model=seedance-2.0"):
        page = await world.client.get(path)
        assert page.status_code == 404
        assert "Model not found. Nearest: " in page.text
        assert "seedance-20" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models",
        "/api/v1/models/seedance-20",
        "/models/seedance-20.md",
        "/models/seedance-20.schema.json",
    ],
)
async def test_what_is_known_is_not_sent_again(world: World, path: str):
    first = await world.client.get(path)
    assert first.headers["cache-control"] == "public, max-age=300"
    again = await world.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await world.client.head(path)
    assert (head.status_code, head.headers["etag"]) == (200, first.headers["etag"])


class Seen(HTMLParser):
    """Collects what a page refers to, and demands that every tag is closed."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in self.VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text += data


async def test_row_29_each_model_has_a_public_page(world: World):
    for model in MODELS:
        await has_page(world, model)


async def has_page(world: World, model: Model) -> None:
    response = await world.client.get(f"/models/{model.id}")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = Seen(response.text)
    assert model.title in page.text
    for row in price_table(model):
        assert format_credits(row.price) in page.text
        assert f"per {row.unit}" in page.text
        assert (" ".join(row.words) or "Any") in page.text
    for field in model.fields:
        assert field.name in page.text
        assert field.description in page.text
    for example in model.examples:
        assert example in page.text
    assert "/api/v1/jobs/createTask" in page.text
    assert ("lang", "en") in page.attributes
    assert ("name", "viewport") in page.attributes
    assert {"main", "nav", "h1"} <= page.tags
    assert "iframe" not in page.tags
    assert f"/studio?model={model.id}" in page.links
    assert all(link.startswith(("/", "#")) for link in page.links)
    own = {
        f"/models/{model.id}.md",
        f"/models/{model.id}.schema.json",
        f"/api/v1/models/{model.id}",
    }
    assert own <= set(page.links)
    for link in own:
        assert (await world.client.get(link)).status_code == 200, link
    plain = await world.client.get(f"/models/{model.id}.md")
    assert plain.headers["content-type"] == "text/markdown; charset=utf-8"
    assert plain.text.startswith(f"# {model.title}\n")
    assert all(f"| {field.name} | " in plain.text for field in model.fields)
    inputs = await world.client.get(f"/models/{model.id}.schema.json")
    assert inputs.headers["content-type"] == "application/schema+json"
    assert inputs.json() == json_schema(model)


@pytest.mark.parametrize("path", ["/models", "/models/seedance-20"])
async def test_every_link_of_a_page_leads_on(world: World, path: str):
    for link in sorted(set(Seen((await world.client.get(path)).text).links)):
        answer = await world.client.get(link, follow_redirects=True)
        assert answer.status_code == 200, link


async def test_the_hub_has_every_model_with_its_price_or_those_of_a_kind(world: World):
    whole = unescape((await world.client.get("/models")).text)
    for model in MODELS:
        part = whole.partition(f'href="/models/{model.id}"')[2].partition("</a>")[0]
        assert model.title in part
        assert price_summary(model) in part
    for kind in ("video", "image", "audio"):
        page = Seen((await world.client.get(f"/models?kind={kind}")).text)
        shown = {link.removeprefix("/models/") for link in page.links if "/models/" in link}
        assert shown == {model.id for model in MODELS if model.kind == kind}
    other = (await world.client.get("/models?kind=<b>")).text
    assert other.count("model-tile") == whole.count("model-tile")
    assert "<b>" not in other.partition("<main")[2].partition("<ul")[0]


@pytest.mark.parametrize("path", ["/models", "/models/seedance-20"])
async def test_a_page_loads_nothing_from_elsewhere_and_has_no_style_of_its_own(
    world: World, path: str
):
    response = await world.client.get(path)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert " style=" not in response.text
    assert "<style" not in response.text


async def test_row_29_the_playground_link_leads_to_the_model(world: World):
    response = await world.client.get("/models?model=seedance-20")
    assert response.status_code == 307
    assert response.headers["location"] == "/models/seedance-20#try"
    assert 'id="try"' in (await world.client.get("/models/seedance-20")).text


async def test_names_from_outside_never_become_markup(world: World):
    for path in ("/models/%3Cscript%3E", "/models?model=<script>"):
        response = await world.client.get(path)
        assert response.status_code == 404
        assert "<script>" not in response.text.partition("<main")[2]
    for ending in (".md", ".schema.json"):
        response = await world.client.get(f"/models/%3Cscript%3E{ending}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/json"


async def test_the_python_on_the_page_is_python(world: World):
    for model_id in IDS:
        text = (await world.client.get(f"/models/{model_id}.md")).text
        found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
        assert found is not None
        compile(found[1], model_id, "exec")
