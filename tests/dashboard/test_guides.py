"""The guides: all of docs/, in pages whose every link leads on, and packed into the wheel."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from standardwebhooks import WebhookVerificationError
from tests.conftest import World

from kinetoscope.api import guides
from kinetoscope.api.envelope import STATUS
from kinetoscope.api.guides import GUIDES
from kinetoscope.dashboard import docs
from kinetoscope.dashboard.markdown import written
from kinetoscope.mcp.needs import NEEDS
from kinetoscope.providers.rehearsal import FAILURES
from kinetoscope.webhooks import sign

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

SLUGS = [guide.slug for guide in GUIDES]

ANCHOR = re.compile(r'<a class="anchor"[^>]*>.*?</a>', re.DOTALL)


def main_of(page: str) -> str:
    return page.partition("<main")[2].partition("</main>")[0]


def fence(slug: str, language: str) -> str:
    found = re.search(
        rf"```{language}\n(.*?)```", (ROOT / f"docs/{slug}.md").read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


async def test_every_file_of_docs_is_a_guide_and_is_packed_into_the_wheel():
    files = sorted(file.stem for file in (ROOT / "docs").glob("*.md"))
    assert files == sorted(SLUGS)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packed = {f"docs/{slug}.md": f"kinetoscope/dashboard/guides/{slug}.md" for slug in SLUGS}
    assert build["targets"]["wheel"]["force-include"] == packed


async def test_guides_are_read_from_the_package_or_else_from_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert guides.folder() == ROOT / "docs"
    packed = tmp_path / "kinetoscope" / "dashboard" / "guides"
    packed.mkdir(parents=True)
    monkeypatch.setattr(guides, "files", lambda _package: tmp_path / "kinetoscope")
    assert guides.folder() == packed


async def test_the_index_leads_to_every_guide_by_group(world: World):
    page = main_of((await world.client.get("/docs")).text)
    places = [page.index(f'href="/docs/{slug}"') for slug in SLUGS]
    assert places == sorted(places)
    assert re.findall(r'<h2 id="group-\d">(.*?)</h2>', page) == ["Start", "Build", "Operate"]


async def test_every_link_of_every_guide_leads_on(world: World):
    pages = {slug: (await world.client.get(f"/docs/{slug}")).text for slug in SLUGS}
    for slug, text in pages.items():
        for link in re.findall(r'href="([^"]+)"', main_of(text)):
            path, _, anchor = link.partition("#")
            if path.startswith("https://"):
                continue
            assert path.startswith("/") or link.startswith("#"), (slug, link)
            other = path.removeprefix("/docs/") if path else slug
            if other in pages:
                assert not anchor or f'id="{anchor}"' in pages[other], (slug, link)
            else:
                answer = await world.client.get(path, follow_redirects=True)
                assert answer.status_code == 200, (slug, link)


async def test_a_guide_has_its_code_tables_contents_and_this_servers_address(world: World):
    response = await world.client.get("/docs/quickstart")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = main_of(response.text)
    assert "http://kinetoscope.test/api/v1/jobs/createTask" in page
    assert guides.LOCAL_URL not in page
    assert '<span class="kn">import</span>' in page
    assert 'data-copy="./dev run"' in page
    assert page.count('<a href="#with-python">With Python</a>') == 2
    assert '<h2 id="with-python">' in page
    assert " style=" not in page
    errors = main_of((await world.client.get("/docs/errors")).text)
    assert errors.count("<table>") == 2


async def test_each_guide_has_a_twin_in_markdown_that_may_be_kept(world: World):
    for slug in SLUGS:
        response = await world.client.get(f"/docs/{slug}.md")
        assert response.headers["content-type"] == "text/markdown; charset=utf-8"
        text = (ROOT / f"docs/{slug}.md").read_text()
        assert response.text == text.replace(guides.LOCAL_URL, "http://kinetoscope.test")
        known = {"If-None-Match": response.headers["etag"]}
        assert (await world.client.get(f"/docs/{slug}.md", headers=known)).status_code == 304


@pytest.mark.parametrize("path", ["/docs/nothing", "/docs/nothing.md", "/docs/..%2FREADME"])
async def test_there_are_no_other_guides(world: World, path: str):
    response = await world.client.get(path)
    assert response.status_code == 404
    assert "nothing" not in response.text.lower().partition("<main")[2].replace("nothing here", "")


def test_markup_in_a_text_is_shown_and_strange_links_become_text():
    made = written(
        "# A `title`\n\n## Twice\n\n## Twice\n\n<script>alert(1)</script> & "
        "[a](javascript:alert(1)) [b](../src/x.py) [c](api.md#webhooks) [`d`](decisions/0001-x.md)"
        '\n\n```json\n{"a": "<b>"}\n```\n',
        docs.href,
    )
    assert made.title == "A title"
    assert [(each.level, each.anchor) for each in made.contents] == [(2, "twice"), (2, "twice-1")]
    assert "<script>" not in made.html
    assert "&lt;script&gt;" in made.html
    assert "&lt;b&gt;" in made.html
    links = re.findall(r'<a href="([^"]*)"', ANCHOR.sub("", str(made.html)))
    assert links == ["/docs/api#webhooks"]
    assert " b " in made.html
    assert "<code>d</code>" in made.html


async def test_the_guide_to_errors_knows_every_status_and_code():
    text = (ROOT / "docs/errors.md").read_text()
    told = {int(status) for status in re.findall(r"^\| (\d{3}) \|", text, re.MULTILINE)}
    assert told == set(STATUS.values())
    codes = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert {failure.code for failure in FAILURES.values()} <= codes
    assert {"cancelled", "submit_unknown", "asset_review_failed", "InvalidParameter"} <= codes


async def test_the_guide_for_agents_knows_every_tool_and_what_it_needs():
    text = (ROOT / "docs/agents.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .*? \| (.*?)\s*\|$", text, re.MULTILINE)
    assert rows == [
        (tool, " and ".join(f"`{scope}`" for scope in scopes)) for tool, scopes in NEEDS.items()
    ]


async def test_the_receiver_of_the_guide_to_webhooks_takes_what_is_signed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
):
    """The page's own Python, fed with headers that deliveries carry."""
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    space: dict[str, object] = {"__name__": "page"}
    exec(compile(fence("webhooks", "python"), "webhooks.md", "exec"), space)  # noqa: S102
    body = b'{"data": {"taskId": "task_1", "status": "success"}}'
    now = datetime.now(UTC)  # noqa: TID251 - the library looks at the real time
    headers = sign.headers("msg_1", body, [secret], now) | {"content-length": str(len(body))}
    assert received(space, body, headers) == 204
    other = body.replace(b"task_1", b"task_2")
    assert received(space, other, headers) == 401
    assert WebhookVerificationError is space["WebhookVerificationError"]


def received(space: dict[str, object], body: bytes, headers: dict[str, str]) -> int:
    answered: list[int] = []
    hook = SimpleNamespace(
        rfile=SimpleNamespace(read=lambda _length: body),
        headers=headers,
        send_response=answered.append,
        end_headers=lambda: None,
    )
    space["Hook"].do_POST(hook)  # type: ignore[attr-defined]
    return answered[0]
