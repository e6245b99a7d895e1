"""Tasks and the gallery in a browser, with media that this deployment really made."""

import json

import httpx
from playwright.sync_api import expect
from tests.browser.conftest import Window
from tests.story.deployment import wait_until

VIDEO = "seedance2.0-mini"
PICTURE = "seedream-5.0-pro"
SOUND = "kinetoscope-soundscape"


def client_of(window: Window, name: str, *, test: bool = False) -> httpx.Client:
    """Return a client with a key of somebody who has signed up."""
    made = window.deployed.run(
        "keys", "create", "--account", f"{name}@example.com", "--name", "backend", "--json",
        *(["--test"] if test else []),
    )  # fmt: skip
    return window.deployed.client(json.loads(made)["key"])


def started(client: httpx.Client, model: str, outcome: str = "", hook: str = "", **inputs: object):
    """Create a task; a test key may say how it ends."""
    body = {"model": model, "inputs": inputs} | ({"callBackUrl": hook} if hook else {})
    headers = {"X-Test-Outcome": outcome} if outcome else {}
    response = client.post("/api/v1/jobs/createTask", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return str(response.json()["taskId"])


def test_before_there_are_any(window: Window):
    window.sign_up("tasks-empty")
    page = window.go("/tasks")
    expect(page.get_by_role("heading", name="No tasks yet")).to_be_visible()
    window.look("tasks-empty")
    window.go("/gallery")
    expect(page.get_by_role("heading", name="Nothing to see yet")).to_be_visible()
    window.look("gallery-empty")
    page.get_by_role("link", name="Make something").click()
    page.wait_for_url("**/studio")


def test_made_media_is_listed_played_and_hung_in_the_gallery(window: Window):
    window.sign_up("tasks-full")
    with (
        client_of(window, "tasks-full") as client,
        client_of(window, "tasks-full", test=True) as test_client,
    ):
        clip, *others = _made(window, client, test_client)
    _filtered(window)
    window.page.locator(f"#{clip} a").click()
    _played(window, clip)
    window.look("tasks-video")
    for task_id, name in zip(others, ("image", "audio", "failed"), strict=True):
        window.go(f"/tasks/{task_id}")
        window.look(f"tasks-{name}")
    _hung(window)


def _made(window: Window, client: httpx.Client, test_client: httpx.Client) -> tuple[str, ...]:
    """Make one of each kind, and see them in the list; return a clip, others and a failure."""
    clip = started(
        client,
        VIDEO,
        prompt="A paper boat drifts down a rainy gutter at dusk, slow dolly, warm street lamps",
        duration=4,
        resolution="480p",
        returnLastFrame=True,
    )
    picture = started(client, PICTURE, prompt="A lighthouse on a basalt cliff, morning fog")
    sound = started(client, SOUND, prompt="Night rain on a tin roof, a distant train", duration=1)
    refused = started(test_client, VIDEO, "moderation", prompt="A street fight in a bar")
    face = started(test_client, VIDEO, "face", prompt="My neighbour waves")
    done = [clip, picture, sound, refused, face]
    ended = window.deployed.wait(client, done, 120)
    assert [each["status"] for each in ended] == ["success"] * 3 + ["fail"] * 2
    slow = started(test_client, VIDEO, "slow", prompt="Waves roll in under a full moon")
    page = window.go("/tasks")
    expect(page.locator(".task-row")).to_have_count(6)
    expect(page.locator(f"#{slow} .state")).to_have_text("Generating")  # by itself
    expect(page.locator(f"#{slow} progress")).to_be_visible()
    window.look("tasks-list")
    test_client.post("/api/v1/jobs/cancelTask", json={"taskId": slow})
    expect(page.locator(f"#{slow} .state")).to_have_text("Cancelled")
    expect(page.locator("[hx-get]")).to_have_count(0)  # nothing is asked after any more
    return clip, picture, sound, refused


def _filtered(window: Window) -> None:
    page = window.page
    page.get_by_label("State", exact=True).select_option("fail")
    page.wait_for_url("**/tasks?status=fail")
    expect(page.locator(".task-row")).to_have_count(3)
    page.get_by_role("searchbox").fill("NEIGHBOUR")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/tasks?text=NEIGHBOUR&status=fail")
    expect(page.locator(".task-row")).to_have_count(1)
    page.get_by_role("searchbox").fill("zebra")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("heading", name="No task matches")).to_be_visible()
    window.look("tasks-none")
    page.set_viewport_size({"width": 390, "height": 860})
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_label("Model")).to_be_visible()
    window.look("tasks-filters", views=((390, "light"),))
    page.keyboard.press("Escape")
    page.get_by_role("main").get_by_role("link", name="Clear the filters").click()
    page.wait_for_url("**/tasks")


PLAYS = """async (video) => {
  video.muted = true;
  await video.play();
  const deadline = Date.now() + 8000;
  const pause = () => new Promise((done) => setTimeout(done, 50));
  while (video.currentTime < 0.3 && Date.now() < deadline) await pause();
  return [video.currentTime >= 0.3, video.readyState, video.videoWidth > 0];
}"""


def _played(window: Window, task_id: str) -> None:
    """The clip plays; its address can be copied; the record can be read."""
    page = window.page
    page.wait_for_url(f"**/tasks/{task_id}")
    assert page.locator("video").evaluate(PLAYS) == [True, 4, True]
    page.locator("video").evaluate("video => { video.pause(); video.currentTime = 0; }")
    page.get_by_role("button", name="Copy share link").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert httpx.get(copied).headers["content-type"] == "video/mp4"
    page.get_by_text("Record as JSON").click()
    assert json.loads(page.locator("#raw").text_content() or "")["taskId"] == task_id
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".mp4")
    expect(page.get_by_role("link", name="Use as input")).to_have_attribute(
        "href", "/studio?videoUrls=" + copied.replace(":", "%3A").replace("/", "%2F")
        .replace("?", "%3F").replace("=", "%3D").replace("&", "%26"),
    )  # fmt: skip


def _hung(window: Window) -> None:
    page = window.go("/gallery")
    expect(page.locator(".tile-media")).to_have_count(3)
    window.look("gallery-full")
    video = page.locator(".tile-media video")
    assert video.evaluate("video => [video.preload, video.readyState]") == ["none", 0]
    page.emulate_media(reduced_motion="no-preference")
    page.locator("[data-hover]").hover()
    wait_until(lambda: video.evaluate("video => video.currentTime > 0.2"), 10, "it plays")
    page.get_by_role("heading", level=1).hover()
    wait_until(lambda: video.evaluate("video => video.paused"), 10, "it stops")
    page.emulate_media(reduced_motion="reduce")
    page.get_by_text("Images", exact=True).click()
    page.wait_for_url("**/gallery?kind=image")
    expect(page.locator(".tile-media")).to_have_count(1)
    page.locator(".tile-media a").first.click()
    page.wait_for_url("**/tasks/task_*")


def test_an_open_task_is_followed_cancelled_and_deleted(window: Window):
    window.sign_up("tasks-open")
    with client_of(window, "tasks-open", test=True) as client:
        task_id = started(client, VIDEO, "slow", prompt="A balloon over the salt flats")
    page = window.go(f"/tasks/{task_id}")
    expect(page.get_by_text("Working on it")).to_be_visible()  # by itself
    expect(page.locator("#part-result progress")).to_be_visible()
    window.look("tasks-open")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="You cancelled this task")).to_be_visible()
    window.look("tasks-cancelled", views=((1280, "light"),))
    page.get_by_role("button", name="Delete data").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    window.look("tasks-delete", views=((1280, "light"), (390, "dark")))
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("dialog", name="Delete this task")).to_be_hidden()
    page.get_by_role("button", name="Delete data").click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/tasks")
    expect(page.get_by_role("heading", name="No tasks yet")).to_be_visible()


def test_a_page_that_was_open_shows_the_result_when_it_comes(window: Window):
    window.sign_up("tasks-live")
    hook = "https://receiver.invalid/hooks/kinetoscope"  # leads nowhere, and never will
    with client_of(window, "tasks-live") as client:
        task_id = started(client, SOUND, hook=hook, prompt="A quiet harbour", duration=20)
    page = window.go(f"/tasks/{task_id}")
    expect(page.locator("audio")).to_be_visible(timeout=60_000)
    expect(page.locator("#part-state .state")).to_have_text("Done")
    expect(page.get_by_text("Charged")).to_be_visible()
    expect(page.locator("#balance")).to_have_text("460 credits")
    expect(page.locator(".tries li").first).to_contain_text("No answer", timeout=30_000)
    page.get_by_role("button", name="Deliver now").click()
    expect(page.locator(".tries li").nth(1)).to_be_visible(timeout=30_000)
    window.look("tasks-webhooks")


def test_an_operator_sees_the_route_and_four_pictures_at_once(window: Window):
    with window.deployed.client() as client:
        task_id = started(client, "midjourney-v8", prompt="A fox crosses a frozen river at dawn")
        window.deployed.wait(client, [task_id], 120)
    window.sign_in_operator()
    page = window.go(f"/tasks/{task_id}")
    expect(page.locator(".piece")).to_have_count(4)
    expect(page.get_by_text("Operators only")).to_be_visible()
    window.look("tasks-operator", views=((1280, "light"), (390, "dark")))


def test_a_long_list_and_a_large_gallery_go_on(window: Window):
    window.sign_up("tasks-many")
    with client_of(window, "tasks-many") as client:
        inputs = {"prompt": "A clock ticks in an empty hall", "duration": 1, "seed": 7}
        first = started(client, SOUND, prompt=inputs["prompt"], duration=1, seed=7)
        window.deployed.wait(client, [first], 60)
        body = {"model": SOUND, "inputs": inputs, "useCache": True}
        for _ in range(25):  # for nothing, and at once
            assert client.post("/api/v1/jobs/createTask", json=body).json()["cached"]
    page = window.go("/gallery")
    expect(page.locator(".tile-media")).to_have_count(24)
    page.get_by_role("link", name="Load more").click()
    expect(page.locator(".tile-media")).to_have_count(26)
    expect(page.get_by_role("link", name="Load more")).to_have_count(0)
    assert page.url.endswith("/gallery")
    page.goto("/tasks?model=" + SOUND)
    expect(page.locator(".task-row")).to_have_count(25)
    window.look("tasks-long", views=((1280, "dark"),))
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".task-row")).to_have_count(1)
    page.get_by_role("link", name="Newest").click()
    page.wait_for_url("**/tasks?model=" + SOUND)
    page.locator(".task-row a").first.click()
    expect(page.locator(".steps")).to_contain_text("Shows the media of an equal task")
    page.get_by_role("link", name="an equal task").click()
    page.wait_for_url(f"**/tasks/{first}")
