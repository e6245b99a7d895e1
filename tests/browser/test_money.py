"""Usage, billing and limits as people see them, and buying with a browser."""

import json
import secrets
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import Window
from tests.dashboard.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe, signature
from tests.story.deployment import Deployment, deployment

from kinetoscope.kernel.clock import system_clock
from kinetoscope.postgres.embedded import open_server


@pytest.fixture(scope="module")
def stripe() -> Iterator[FakeStripe]:
    with fake_stripe() as made:
        yield made


@pytest.fixture(scope="module")
def selling(stripe: FakeStripe) -> Iterator[Deployment]:
    """A deployment that sells."""
    with deployment(
        KINETOSCOPE_SIGN_UPS_PER_HOUR="100000",
        KINETOSCOPE_STRIPE_KEY=KEY,
        KINETOSCOPE_STRIPE_WEBHOOK_SECRET=SECRET,
        KINETOSCOPE_STRIPE_URL=stripe.url,
        KINETOSCOPE_REQUESTS_PER_SECOND="500",
        KINETOSCOPE_REQUESTS_BURST="2000",
        KINETOSCOPE_REQUESTS_PER_ADDRESS="0",
        KINETOSCOPE_DEMO_KEY="off",
    ) as made:
        yield made


@pytest.fixture
def shop(browser: Browser, selling: Deployment) -> Iterator[Window]:
    made = Window(browser, selling)
    yield made
    made.context.close()
    made.require_quiet()


def key_of(window: Window, account: str, name: str, *options: str) -> str:
    """Make a key of somebody's account."""
    made = window.deployed.run(
        "keys", "create", "--account", account, "--name", name, "--json", *options
    )
    return str(json.loads(made)["key"])


def lived(window: Window, name: str) -> None:
    """Let an account do something: pictures that are made, and one that fails."""
    account = f"{name}@example.com"
    live = key_of(window, account, "production")
    test = key_of(window, account, "tests", "--test")
    with window.deployed.client(live) as client:
        models = ("gpt-image-2", "nanobanana2", "midjourney-v8")
        made = [window.deployed.create(client, model, prompt="a lighthouse") for model in models]
        window.deployed.wait(client, made, 60)
    with window.deployed.client(test) as client:
        failed = window.deployed.create(client, "gpt-image-2", prompt="test:server_error a storm")
        window.deployed.wait(client, [failed], 60)


SPREAD = """
insert into task
select (jsonb_populate_record(task, jsonb_build_object(
  'id', 'task_' || md5(task.id || day || again), 'media_name', md5(task.id || day || again),
  'created_at', task.created_at - make_interval(days => day),
  'completed_at', task.completed_at - make_interval(days => day)
                  + make_interval(secs => again * day %% 11)))).*
from task
join account on account.id = task.account_id
cross join generate_series(1, 27) as day
cross join generate_series(1, 6) as again
where account.name = %s and (day * 7 + again * 3 + length(task.model)) %% 5 < 2 and day %% 7 <> 3
"""


def spread(window: Window, name: str) -> None:
    """Have an account's tasks stand for a month of them, as only time could."""
    with (
        open_server(window.deployed.folder / "postgres") as server,
        psycopg.connect(server.conninfo) as connection,
    ):
        connection.execute(SPREAD, (f"{name}@example.com",))


def chart_is_drawn(page: Page) -> bool:
    """Whether the canvas has any pixel that is not empty."""
    return bool(
        page.evaluate(
            """() => {
              const canvas = document.querySelector("#chart canvas");
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              return data.some((value, n) => n % 4 === 3 && value > 0);
            }"""
        )
    )


def test_usage_with_and_without_anything(window: Window):
    window.sign_up("ulla")
    page = window.go("/usage")
    expect(page.get_by_role("heading", name="No tasks in these days")).to_be_visible()
    window.look("usage-empty")
    lived(window, "ulla")
    spread(window, "ulla")
    page = window.go("/usage")
    expect(page.locator("#chart canvas")).to_be_visible()
    assert chart_is_drawn(page)
    page.locator("#chart").hover(position={"x": 860, "y": 120})
    expect(page.locator(".tip")).to_be_visible()
    window.photograph("usage-tip")
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("region", name="Each day")).to_be_visible()
    window.look("usage")
    page.get_by_role("link", name="By key").click()
    page.wait_for_url("**by=key**")
    expect(page.get_by_role("rowheader", name="production")).to_be_visible()
    before = page.locator("#chart canvas").evaluate("canvas => canvas.toDataURL()")
    page.evaluate("document.documentElement.classList.add('dark')")
    page.wait_for_function(
        "before => document.querySelector('#chart canvas').toDataURL() !== before", arg=before
    )
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()
    assert downloading.value.suggested_filename.startswith("usage-")


def test_limits_with_and_without_anything(shop: Window):
    name = f"lara{secrets.token_hex(3)}"
    shop.sign_up(name)
    shop.go("/limits")
    shop.look("limits-empty", views=((1280, "light"), (390, "dark")))
    account = f"{name}@example.com"
    key_of(shop, account, "production", "--spend-max", "500", "--spend-window", "1d")
    test = key_of(shop, account, "tests", "--test", "--requests-per-second", "20")
    with shop.deployed.client(test) as client:
        for _ in range(14):
            shop.deployed.create(client, "gpt-image-2", prompt="test:timeout a storm")
        page = shop.go("/limits")
        expect(page.get_by_text("500 credits per 24 h")).to_be_visible()
        shop.look("limits")
        # It goes on by itself.
        shop.deployed.create(client, "gpt-image-2", prompt="test:timeout a storm")
    running = page.get_by_role("progressbar", name="Tasks of test keys")
    expect(running).to_have_attribute("value", "15")


def test_billing_where_the_operator_grants(window: Window):
    window.sign_up("bela")
    window.go("/billing")
    window.look("billing-granted")
    window.deployed.run("credits", "grant", "--account", "bela@example.com", "--", "-500")
    page = window.go("/billing")
    page.get_by_label("Tell us below").fill("25")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("You asked to be told below 25")).to_be_visible()
    window.look("billing-low")


def test_buying_credits(shop: Window, stripe: FakeStripe):
    name = f"carl{secrets.token_hex(3)}"
    shop.sign_up(name)
    shop.expect_fault("left the host")
    page = shop.go("/billing")
    page.get_by_role("button", name="$24.00").click()
    page.wait_for_url(f"{stripe.url}/c/pay/*")
    session_id = page.url.rpartition("/")[2]
    page.get_by_role("link", name="Pay").click()
    expect(page.get_by_role("status")).to_contain_text("Waiting for Stripe")
    shop.look("payment-waiting", views=((1280, "light"), (390, "dark")))
    # The charge's event comes first, as it may.
    for event in (
        stripe.charge_event("charge.succeeded", session_id),
        stripe.event("checkout.session.completed", session_id, payment_status="paid"),
    ):
        headers = signature(event, system_clock().timestamp())
        told = httpx.post(f"{shop.address}/api/stripe/webhook", content=event, headers=headers)
        assert told.status_code == 200
    expect(page.get_by_text("Paid. The credits are yours.")).to_be_visible()
    shop.look("payment-paid", views=((1280, "light"), (390, "dark")))
    lived(shop, name)
    # One that is not gone on with.
    page = shop.go("/billing")
    page.get_by_role("button", name="$5.00").click()
    page.wait_for_url(f"{stripe.url}/c/pay/*")
    page = shop.go("/billing")
    expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    shop.look("billing")
    page.get_by_label("Show").select_option("grant")
    page.wait_for_url("**kind=grant*")
    expect(page.get_by_text("Bought")).to_be_visible()
    page.get_by_role("link", name="Not paid yet").or_(
        page.get_by_role("row", name="Not paid yet").get_by_role("link")
    ).first.click()
    expect(page.get_by_role("link", name="Pay $5.00 at Stripe")).to_be_visible()
    shop.look("payment-open", views=((1280, "light"), (390, "dark")))
