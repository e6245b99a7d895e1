"""The studio as a person uses it: fill in, see the price, run, watch, use again."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.browser.conftest import Window

DROPPED = """async (address) => {
  const picture = await (await fetch(address)).blob();
  const transfer = new DataTransfer();
  transfer.items.add(new File([picture], "dropped.png", { type: "image/png" }));
  return transfer;
}"""
"""A file that is let go over the page."""

QUICK = "kinetoscope-soundscape"


def ran(page: Page) -> None:
    """Run what is filled in, and wait until the newest result has ended well."""
    page.get_by_role("button", name="Run").click()
    newest = page.locator("#runs .result").first
    expect(newest).to_have_attribute("data-status", "success", timeout=60_000)


def test_a_video_is_made_and_plays(window: Window):
    window.sign_up("vera")
    page = window.page
    window.look("studio-empty")
    page.goto("/studio?model=seedance2.0-mini")
    page.get_by_label("Prompt").fill("A boat on a calm sea at sunset, gulls")
    page.get_by_label("480p").check()
    expect(page.locator("#price")).to_contain_text("37.5")
    expect(page.locator("#code-curl")).to_contain_text('"outputResolution": "480p"')
    page.get_by_role("button", name="Run").click()
    card = page.locator("#runs .result").first
    expect(card).to_have_attribute("data-status", re.compile("waiting|generating"))
    window.look("studio-running", views=((1280, "light"), (390, "dark")))
    expect(card).to_have_attribute("data-status", "success", timeout=60_000)
    playing = page.evaluate(
        """async () => {
          const video = document.querySelector("#runs video");
          video.muted = true;
          await video.play();
          await new Promise((resolve) => setTimeout(resolve, 600));
          return [video.currentTime, video.videoWidth, video.readyState];
        }"""
    )
    assert playing[0] > 0.2
    assert playing[1] == 864
    assert playing[2] >= 2
    expect(page.locator("#balance")).to_contain_text("462.5")
    window.look("studio-done")


def test_references_are_dropped_mentioned_and_used_again(window: Window, tmp_path: Path):
    window.sign_up("uma")
    page = window.go("/studio?model=nanobanana2")
    page.get_by_label("Prompt").fill("A lighthouse in fog")
    page.get_by_role("switch", name=re.compile("Test run")).check()
    expect(page.locator("#price")).to_contain_text("Free")
    ran(page)
    page.get_by_role("button", name="Use as input").first.click()
    chip = page.locator(".chip")
    expect(chip).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    picture = tmp_path / "picture.png"
    download.value.save_as(picture)
    page.locator("input[type=file]").first.set_input_files(picture)
    expect(page.locator(".chip")).to_have_count(2)
    expect(page.locator(".chip progress")).to_have_count(0)
    dropped = page.evaluate_handle(DROPPED, page.locator("#runs img").first.get_attribute("src"))
    page.dispatch_event(".media-field .drop", "drop", {"dataTransfer": dropped})
    expect(page.locator(".chip")).to_have_count(3)
    expect(page.locator(".chip progress")).to_have_count(0)
    page.get_by_role("button", name="Remove").last.click()
    expect(page.locator(".chip")).to_have_count(2)
    prompt = page.get_by_label("Prompt")
    prompt.press("End")
    prompt.press_sequentially(" as in @im")
    page.get_by_role("option", name="@image2").click()
    expect(prompt).to_have_value("A lighthouse in fog as in @image2 ")
    window.look("studio-references")
    ran(page)


def test_models_are_compared_and_a_run_is_cancelled(window: Window):
    window.sign_up("cleo")
    page = window.go("/studio?model=seedance-20")
    page.get_by_label("Prompt").fill("Dunes at noon")
    page.get_by_text("Compare with up to two more").click()
    page.get_by_label("Seedance 2.0 Mini").check()
    page.get_by_label("480p").check()
    expect(page.locator("#price .split li")).to_have_count(2)
    expect(page.locator("#price b")).to_have_text("112.5")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#runs .compare .result")).to_have_count(2)
    window.look("studio-compare", views=((1280, "light"), (390, "light")))
    page.get_by_role("button", name="Cancel").last.click()
    expect(page.locator("#runs .result[data-status=fail]")).to_have_count(1, timeout=30_000)
    expect(page.locator("#runs .result[data-status=success]")).to_have_count(1, timeout=60_000)
    expect(page.locator("#balance")).not_to_contain_text("held", timeout=10_000)


def test_what_cannot_be_run_says_why_and_costs_nothing(window: Window):
    window.sign_up("nils")
    page = window.go("/studio?model=seedance-20&outputResolution=4k&duration=15&prompt=Waves")
    expect(page.locator("#problems")).to_contain_text("Insufficient credits")
    window.expect_fault("422")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#problems")).to_contain_text("Seedance 2.0: Insufficient credits")
    expect(page.locator("#runs .result")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Seedance 2.0")).click()
    window.look("studio-models", views=((1280, "dark"), (390, "light")))
    page.get_by_placeholder("Find a model").fill("soundscape")
    page.get_by_role("link", name=re.compile("Kinetoscope Soundscape")).click()
    page.wait_for_url(f"**/studio?*model={QUICK}*")
    expect(page.get_by_label("Prompt")).to_have_value("Waves")


def test_a_link_and_the_keyboard_lead_anywhere(window: Window):
    window.sign_up("kai")
    page = window.go("/studio?model=seedance-20&prompt=Rain&duration=7")
    expect(page.get_by_label(re.compile("Duration"))).to_have_value("7")
    page.get_by_role("button", name="Copy a link to these settings").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "prompt=Rain" in copied
    assert "duration=7" in copied
    page.keyboard.press("Control+k")
    page.get_by_label("Where to").fill("bill")
    window.look("palette", views=((1280, "dark"), (390, "light")))
    page.keyboard.press("Escape")
