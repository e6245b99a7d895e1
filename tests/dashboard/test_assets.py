"""Scripts, styles and fonts: all here, small enough, kept by browsers, and brought by the lock."""

import gzip
import json
import re
from pathlib import Path

import pytest
from tests.conftest import World

from kinetoscope.dashboard.assets import assets, icons
from kinetoscope.dashboard.render import environment

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent.parent

FIRST_PAGE_BYTES_MAX = 170_000


async def loaded(world: World, path: str) -> int:
    """Return how many bytes a browser that has nothing yet fetches to show a page."""
    page = await world.client.get(path, headers={"Accept": "text/html"})
    total = len(gzip.compress(page.content, 5))
    found = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    found |= {"/static/inter.woff2"}
    for address in found:
        answer = await world.client.get(address)
        assert answer.status_code == 200
        asset = assets()[address.partition("?")[0].rpartition("/")[2]]
        total += len(asset.squeezed or asset.content)
    return total


@pytest.mark.parametrize("path", ["/", "/sign-in", "/sign-up"])
async def test_the_first_page_is_light(world: World, path: str):
    assert await loaded(world, path) <= FIRST_PAGE_BYTES_MAX


async def test_files_are_kept_for_good_under_the_name_of_their_content(world: World):
    asset = assets()["app.css"]
    named = await world.client.get(f"/static/app.css?v={asset.version}")
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert named.headers["content-encoding"] == "gzip"
    assert named.content == asset.content
    other = await world.client.get("/static/app.css?v=old")
    assert "immutable" not in other.headers["cache-control"]
    known = await world.client.get(
        "/static/app.css", headers={"If-None-Match": named.headers["etag"]}
    )
    assert known.status_code == 304


@pytest.mark.parametrize(
    "name", ["lucide.json", "stamp", "..%2Fdoor.py", "licenses", "%2e%2e/pages.py", "nothing.js"]
)
async def test_nothing_else_is_served(world: World, name: str):
    assert (await world.client.get(f"/static/{name}")).status_code == 404


def test_templates_load_only_from_here_and_run_nothing_inline():
    folder = ROOT / "src" / "kinetoscope" / "dashboard" / "templates"
    for path in folder.rglob("*.html"):
        text = path.read_text()
        code = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
        assert not re.search(r"<script(?![^>]*(\bsrc=|application/json))", code), path
        assert not re.search(r"\s(style|on[a-z]+|hx-on[:a-z-]*)\s*=", code), path
        assert not re.search(r'(src|href)="https?://[^{"]*\.(js|css|woff2)', code), path
        environment().get_template(str(path.relative_to(folder)))


def test_every_icon_that_a_template_names_exists():
    for path in (ROOT / "src" / "kinetoscope" / "dashboard").rglob("*"):
        if path.suffix not in {".html", ".py"} or "vendor" in path.parts:
            continue
        for name in re.findall(r'icon(?:=|\()"([a-z0-9-]+)"', path.read_text()):
            assert name in icons(), f"{path}: {name}"


def test_the_lock_names_no_place_and_runs_nothing():
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    stated = json.loads((ROOT / "web" / "package.json").read_text())
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not package.get("hasInstallScript"), name
    for name, version in stated["dependencies"].items():
        assert re.fullmatch(r"[0-9.]+", version), f"{name} is pinned"
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert "ignore-scripts=true" in (ROOT / "web" / ".npmrc").read_text()


def test_nothing_third_party_is_committed():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/src/kinetoscope/dashboard/vendor/" in ignored
    assert "node_modules/" in ignored
