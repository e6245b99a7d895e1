"""The first run of somebody new: sign up, a key, a video, what it cost; then by program."""

import re

from playwright.sync_api import Page, expect
from tests.browser.conftest import Window

PLAY = """async () => {
  const video = document.querySelector("#runs video");
  video.muted = true;
  await video.play();
  await new Promise((resolve) => setTimeout(resolve, 700));
  return [video.currentTime, video.videoWidth, video.videoHeight, video.duration];
}"""


def test_from_nothing_to_a_video_and_its_price(window: Window):
    page = window.go("/")
    page.get_by_role("link", name="Make a video").click()
    page.wait_for_url("**/sign-up")
    page.get_by_label("Name").fill("Nora")
    page.get_by_label("E-mail").fill("nora@example.com")
    page.get_by_label("Password").fill("a long enough secret")
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/studio")
    key = make_key(page)
    make_video(page)
    shows_in_ledger(page)
    spends_by_program(window, key)


def make_key(page: Page) -> str:
    page.get_by_role("link", name="API Keys").first.click()
    page.get_by_role("link", name="Create a key").click()
    page.get_by_label("Name", exact=True).fill("laptop")
    page.get_by_role("button", name="Create the key").click()
    text = page.locator("#key-text")
    expect(text).to_have_text(re.compile(r"kino_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}"))
    page.get_by_role("button", name="Copy", exact=True).click()
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert copied == text.text_content()
    page.goto("/keys")
    expect(page.get_by_role("table")).to_contain_text("laptop")
    assert copied not in page.content()
    return copied


def make_video(page: Page) -> None:
    page.get_by_role("link", name="Studio").first.click()
    page.get_by_role("button", name=re.compile("^A paper boat")).click()
    expect(page.locator("#price b")).to_have_text("200")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#balance")).to_contain_text("300")
    expect(page.locator("#balance")).to_contain_text("200 held")
    card = page.locator("#runs .result").first
    expect(card).to_have_attribute("data-status", "success", timeout=90_000)
    expect(page.locator("#balance")).not_to_contain_text("held")
    seconds, width, height, duration = page.evaluate(PLAY)
    assert seconds > 0.2
    assert (width, height, round(duration)) == (1280, 720, 5)


def shows_in_ledger(page: Page) -> None:
    page.get_by_role("link", name="Billing").first.click()
    rows = page.get_by_role("table").last.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("Charged")
    expect(rows.nth(0)).to_contain_text("300")
    expect(rows.nth(1)).to_contain_text("Held")
    expect(rows.nth(2)).to_contain_text("sign-up")
    rows.nth(0).get_by_role("link").first.click()
    page.wait_for_url("**/tasks/task_*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("A paper boat")


def spends_by_program(window: Window, key: str) -> None:
    """The key that was made in the browser creates a task, which the browser then shows."""
    with window.deployed.client(key) as client:
        task_id = window.deployed.create(
            client, "kinetoscope-soundscape", prompt="Rain", duration=2
        )
        (record,) = window.deployed.wait(client, [task_id], timeout_s=60)
    assert (record["status"], record["creditsUsed"]) == ("success", 4)
    page = window.go(f"/tasks/{task_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Rain")
    expect(page.locator("#balance")).to_contain_text("296")
    page.goto("/usage")
    expect(page.locator("main")).to_contain_text("204")
