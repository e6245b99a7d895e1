"""A real Chromium before a real deployment; every page it opens is watched.

With PHOTOGRAPHS=1 in the environment, pictures of all pages are put into artifacts/shots.
"""

import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)
from tests.story.deployment import Deployment, deployment

SHOTS = Path(__file__).parent.parent.parent / "artifacts" / "shots"
PHOTOGRAPHS = bool(os.environ.get("PHOTOGRAPHS"))  # noqa: TID251 - says what is to be looked at

View = tuple[int, str]

VIEWS: tuple[View, ...] = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))
DIAGONALS = (
    ((1280, "light"), (390, "dark")),
    ((1280, "dark"), (390, "light")),
)
"""Two views with both widths and both themes; what pages share is seen in all four by turns."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > width + 1)
    .map((each) => `${each.tagName} ${each.className} ${each.getBoundingClientRect().right}`)
    .slice(0, 12);
}"""
"""What makes a page scroll sideways."""

SETTLED = """() => {
  scrollTo(0, 0);
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
"""What follows a change of theme or width happens in the next frame."""

BAD = {"serious", "critical"}
LOOKS = 3

HAS_AXE = "'axe' in window"
RUN_AXE = "axe.run({resultTypes: ['violations']}).then((found) => found.violations)"

NO_BROWSER = "The browser tests need Chromium: apt-get install chromium"


def chromium() -> str:
    """Return where this machine has a Chromium; without one, browser tests are skipped, loudly."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    assert not os.environ.get("BROWSER_TESTS"), NO_BROWSER  # noqa: TID251 - says what CI demands
    pytest.skip(NO_BROWSER)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for longer: while Playwright is on, tests that are coroutines cannot run in this process.
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def deployed() -> Iterator[Deployment]:
    """One deployment for all browser tests of a process; each signs up people of its own.

    Two processes answer, so that nothing may depend on which one does.
    """
    with deployment(KINETOSCOPE_SIGN_UPS_PER_HOUR="100000", KINETOSCOPE_API_PROCESSES="2") as made:
        yield made


class Window:
    """A browser of somebody's, and everything in it that should not have happened."""

    def __init__(self, browser: Browser, deployed: Deployment) -> None:
        self.deployed = deployed
        self.address = f"http://127.0.0.1:{deployed.port}"
        self.context: BrowserContext = browser.new_context(
            base_url=self.address, viewport={"width": 1280, "height": 860}, reduced_motion="reduce"
        )
        self.context.set_default_timeout(15_000)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.faults: list[str] = []
        self.expected: list[str] = []
        self.page: Page = self.context.new_page()
        self.watch(self.page)

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: dialog.accept())

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text} ({message.location})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"left the host: {request.url}")

    def expect_fault(self, pattern: str) -> None:
        """Name what the console may say: of an answer that is meant to be an error."""
        self.expected.append(pattern)

    def require_quiet(self) -> None:
        left = [
            fault
            for fault in self.faults
            if not any(re.search(pattern, fault) for pattern in self.expected)
        ]
        assert left == []

    def go(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def sign_up(self, name: str) -> None:
        """Come as somebody new, with an account of their own."""
        page = self.go("/sign-up")
        page.get_by_label("Name").fill(name.title())
        page.get_by_label("E-mail").fill(f"{name}@example.com")
        page.get_by_label("Password").fill("a long enough secret")
        page.get_by_role("button", name="Sign up").click()
        page.wait_for_url("**/studio*")

    def sign_in_operator(self) -> None:
        """Come as the operator, by a link from the command line."""
        link = self.deployed.run("people", "link", "operator@localhost").strip()
        self.page.goto(link)
        self.page.wait_for_url("**/studio*")

    def photograph(self, name: str, *, full_page: bool = False) -> None:
        """Put a picture of the page into artifacts/shots, if pictures are asked for."""
        if PHOTOGRAPHS:
            SHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SHOTS / f"{name}.png", full_page=full_page)

    def look(self, name: str, *, views: tuple[View, ...] = VIEWS) -> None:
        """Have axe look at the page as it stands, in both widths and both themes.

        All four views are looked at, and photographed, only where photographs are asked for.
        """
        page = self.page
        if views == VIEWS and not PHOTOGRAPHS:
            views = DIAGONALS[zlib.crc32(name.encode()) % 2]
        for width, scheme in views:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 860})
            page.evaluate(SETTLED)
            self.photograph(f"{name}-{width}-{scheme}", full_page=True)
            assert page.evaluate(STICKING_OUT) == [], f"{name} at {width}"
            assert serious_faults(page) == [], f"{name} at {width}, {scheme}"
        # Photographs leave empty style attributes behind, which a strict policy then complains of.
        page.evaluate(
            "document.querySelectorAll('[style=\"\"]').forEach((e) => e.removeAttribute('style'))"
        )
        page.set_viewport_size({"width": 1280, "height": 860})
        page.emulate_media(color_scheme="light")


def serious_faults(page: Page) -> list[str]:
    """Tell what axe finds in a page that stands still.

    On a busy machine some of a page may still have the former theme's colours after `SETTLED`: what
    is found counts if it is found again.
    """
    found: list[str] = []
    for _ in range(LOOKS):
        found = [
            f"{each['id']}: {[(node['target'], node['any'][:1]) for node in each['nodes']][:4]}"
            for each in axe_violations(page)
            if each["impact"] in BAD
        ]
        if not found:
            break
        page.evaluate(SETTLED)
    return found


def axe_violations(page: Page) -> list[dict[str, Any]]:
    """Run axe, which is brought into a page once: it is half a megabyte of script."""
    if not page.evaluate(HAS_AXE):
        page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(RUN_AXE)
    return found


@pytest.fixture
def window(browser: Browser, deployed: Deployment) -> Iterator[Window]:
    made = Window(browser, deployed)
    yield made
    made.context.close()
    made.require_quiet()
