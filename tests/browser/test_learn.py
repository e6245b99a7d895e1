"""What everybody may read: guides, models, the reference and the live demo."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
from playwright.sync_api import expect
from tests.browser.conftest import Window
from tests.story.deployment import wait_until


def test_guides(window: Window):
    page = window.go("/docs")
    expect(page.locator("main h2").first).to_have_text("Start")
    window.look("docs")
    page.get_by_role("link", name="Quickstart").click()
    page.wait_for_url("**/docs/quickstart")
    expect(page.get_by_role("heading", level=1)).to_have_text("Quickstart")
    window.look("docs-quickstart")
    page.locator(".toc").get_by_role("link", name="With Python").click()
    expect(page.locator(".toc [aria-current]")).to_have_text("With Python")
    page.get_by_role("button", name="Copy the code").first.click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "./dev run"
    window.go("/docs/errors")
    window.look("docs-errors")
    window.go("/docs/providers")
    window.look("docs-providers", views=((1280, "light"), (390, "dark")))


def test_models(window: Window):
    page = window.go("/models")
    window.look("models")
    page.get_by_role("navigation", name="Kind of media").get_by_role("link", name="Audio").click()
    expect(page.locator(".model-tile")).to_have_count(1)
    page.goto("/models/seedance-20")
    window.look("model")
    page.get_by_role("tab", name="Python").click()
    expect(page.get_by_role("tabpanel", name="Python")).to_contain_text("urllib.request")
    page.goto("/models/gpt-image-2")
    expect(page.get_by_role("tabpanel", name="Python")).to_be_visible()
    window.look("model-image", views=((1280, "dark"), (390, "light")))


def test_reference(window: Window):
    page = window.go("/reference")
    window.look("reference")
    page.get_by_label("Find a route").fill("webhooks secret")
    shown = page.locator("#chapters [data-words]:visible")
    expect(shown).to_have_count(1)
    shown.get_by_role("link").click()
    page.wait_for_url("**/reference/webhooks#post-api-v1-webhooks-secret")
    expect(page.locator(".toc [aria-current]")).to_contain_text("Make or replace")
    page.goto("/reference/keys")
    page.locator("details.answers").first.locator("summary").click()
    window.look("reference-chapter")
    page.goto("/reference/jobs")
    window.look("reference-jobs", views=((1720, "light"),))


def test_the_live_demo(window: Window):
    page = window.go("/demo")
    expect(page.locator("article.sample")).to_have_count(5)
    expect(page.locator("article.sample .state[data-state=success]")).to_have_count(
        2, timeout=60_000
    )
    expect(page.locator("article.sample .state[data-state=fail]")).to_have_count(3, timeout=60_000)
    expect(page.locator(".sample-error code")).to_have_text(["2038", "4011", "500"])
    video = page.locator("video").first
    video.evaluate("video => { video.muted = true; return video.play(); }")
    wait_until(lambda: video.evaluate("video => video.currentTime > 0.2"), 20, "the sample plays")
    page.reload()
    page.get_by_text("What it answers").first.click()
    expect(page.locator(".sample").first.locator("details")).to_contain_text('"status"')
    window.look("demo")
    assert re.search(r"kino_demo_readonly_[0-9a-f]{24}", page.content())


def test_the_python_of_the_quickstart_makes_a_video(window: Window, tmp_path: Path):
    text = httpx.get(f"{window.address}/docs/quickstart.md").text
    script = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert script is not None
    done = subprocess.run(
        [sys.executable, "-c", script[1]],
        cwd=tmp_path,
        env={**os.environ, "KINETOSCOPE_KEY": window.deployed.banner["key"]},  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "sunset.mp4 200 credits\n"), done.stderr
    assert (tmp_path / "sunset.mp4").read_bytes()[4:8] == b"ftyp"
