"""The guides: the repository's docs/*.md, for people (the dashboard shows them) and as they are.

A wheel carries them beside the dashboard (`force-include` in pyproject.toml). A checkout, and an
editable install of one, has no such folder: there they are read from docs/ itself, so that what
is written shows without a build.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from kinetoscope.api.cached import cached
from kinetoscope.api.doors import Doors, Operation
from kinetoscope.api.model_text import MARKDOWN
from kinetoscope.api.models import UNCHANGED
from kinetoscope.api.schemas import TEXT
from kinetoscope.kernel.errors import NotFound

LOCAL_URL = "http://127.0.0.1:8000"
"""What the files call this server; readers see its own address instead."""

NO_GUIDE = "There is no such guide"

PLAIN_PAGE = Operation(
    summary="Show a guide as Markdown",
    tag="pages",
    parameters=({"name": "slug", "in": "path", "required": True, "schema": TEXT},),
    answer=TEXT,
    answer_type="text/markdown",
    answers={304: UNCHANGED, 404: NO_GUIDE},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """A page of docs/. Guides of a group stand together, in the order of `GUIDES`."""

    slug: str
    title: str
    group: str
    about: str


GUIDES = (
    Guide(
        slug="quickstart",
        title="Quickstart",
        group="Start",
        about="From an empty folder to a video, with curl, Python or JavaScript",
    ),
    Guide(
        slug="api",
        title="The API",
        group="Build",
        about="What to use when: tasks, references, webhooks, keys, limits, retention",
    ),
    Guide(
        slug="errors",
        title="Errors",
        group="Build",
        about="Every refusal and every failure, and what to do about it",
    ),
    Guide(
        slug="webhooks",
        title="Webhooks",
        group="Build",
        about="Hear of a task's end, and be sure that it comes from here",
    ),
    Guide(
        slug="test-keys",
        title="Test keys and the demo key",
        group="Build",
        about="Free and repeatable runs, failures included",
    ),
    Guide(
        slug="migrating",
        title="Migrating",
        group="Build",
        about="From OpenAI, Replicate, fal, kie.ai or Kinovi: the one line to change",
    ),
    Guide(
        slug="clients",
        title="Clients that work",
        group="Build",
        about="Which clients were tried unmodified, and with what",
    ),
    Guide(
        slug="python",
        title="The Python client",
        group="Build",
        about="kinetoscope.client: run, wait, download, verify; with asyncio or without",
    ),
    Guide(
        slug="cli",
        title="The command line",
        group="Build",
        about="kinetoscope generate, tasks, models, credits and keys, from any machine",
    ),
    Guide(
        slug="agents",
        title="Agents",
        group="Build",
        about="The Model Context Protocol: let an assistant make media",
    ),
    Guide(
        slug="embedded-renderer",
        title="The embedded renderer",
        group="Build",
        about="Which words of a prompt a preview understands",
    ),
    Guide(
        slug="providers",
        title="Providers",
        group="Operate",
        about="Who makes what: hosted providers, own engines, keys, models and prices",
    ),
    Guide(
        slug="people",
        title="People, single sign-on and selling credits",
        group="Operate",
        about="Who may sign up, how they sign in, and how they pay",
    ),
    Guide(
        slug="performance",
        title="Performance",
        group="Operate",
        about="What was measured, and how to measure it again",
    ),
)

BY_SLUG: Mapping[str, Guide] = {guide.slug: guide for guide in GUIDES}


def mount(doors: Doors) -> None:
    """Add /docs/{slug}.md."""
    public_url = doors.runtime.settings.public_url

    async def show_plain(request: Request) -> Response:
        """Show a guide as Markdown."""
        guide = find(request.path_params["slug"])
        return cached(request, guide_text(guide.slug, public_url).encode(), MARKDOWN)

    doors.open("GET", "/docs/{slug}.md", show_plain, PLAIN_PAGE)


def find(slug: str) -> Guide:
    """Return a guide; raises NotFound."""
    guide = BY_SLUG.get(slug)
    if guide is None:
        raise NotFound(NO_GUIDE)
    return guide


@cache
def guide_text(slug: str, public_url: str) -> str:
    """Return a guide's Markdown, with this server's address in its examples."""
    text = (folder() / f"{slug}.md").read_text(encoding="utf-8")
    return text.replace(LOCAL_URL, public_url)


def folder() -> Traversable:
    """Return where the files are: in the package, or in the checkout that it runs from."""
    package = files("kinetoscope")
    packed = package / "dashboard" / "guides"
    return packed if packed.is_dir() else Path(str(package)).parents[1] / "docs"
