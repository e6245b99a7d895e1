"""Keys, members, accounts and settings, as an owner and as somebody invited use them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.conftest import VIEWS, Window
from tests.story.deployment import Deployment

OURS = {"Sec-Fetch-Site": "same-origin"}

BRIEFLY = ((1280, "light"), (390, "dark"))

KEY = re.compile(r"kino_(live|test)_\w{12}_\w{49}")


@pytest.fixture
def other(browser: Browser, deployed: Deployment) -> Iterator[Window]:
    """Lend a second browser, to somebody else."""
    made = Window(browser, deployed)
    yield made
    made.context.close()
    made.require_quiet()


def send(window: Window, path: str, **form: str) -> str:
    """Send a form as a page would, and return what comes back."""
    response = window.context.request.post(path, form=dict(form), headers=OURS)
    assert response.ok, response.text()
    return response.text()


def seed(window: Window, name: str, **form: str) -> None:
    """Make a key without looking at it."""
    plain = {"mode": "live", "expires": "never", "which": "all", "scopes": "tasks:read"}
    send(window, "/keys", name=name, **(plain | form))


def look(window: Window, name: str, views: tuple[tuple[int, str], ...] = VIEWS) -> None:
    """Look, and take away what photographing leaves: htmx would copy it into what it swaps in."""
    window.look(name, views=views)
    window.page.evaluate(
        "document.querySelectorAll('[style]').forEach((one) => one.removeAttribute('style'))"
    )


def test_a_key_from_the_first_to_its_end(window: Window):  # noqa: PLR0915 - a story
    window.sign_up("kira")
    page = window.go("/keys")
    window.look("keys-empty")
    page.get_by_role("link", name="Create a key").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    expect(dialog.get_by_role("heading", name="Create a key")).to_be_visible()
    look(window, "keys-create")
    dialog.get_by_label("Name").fill("Billing service")
    dialog.get_by_label("Expires").select_option("date")
    dialog.get_by_text("Limits").click()
    dialog.get_by_label("Spending").fill("a lot")
    dialog.get_by_text("Only these").click()
    window.expect_fault("422")
    dialog.get_by_role("button", name="Create the key").click()
    expect(dialog.get_by_role("alert")).to_have_text(["Choose a day"])
    dialog.get_by_label("Last day").fill("2099-01-31")
    dialog.get_by_role("button", name="Create the key").click()
    expect(dialog.get_by_role("alert")).to_have_count(2)
    expect(dialog.get_by_label("Name")).to_have_value("Billing service")
    expect(dialog.get_by_label("Spending")).to_be_focused()
    look(window, "keys-create-wrong", BRIEFLY)
    dialog.get_by_label("Spending").fill("2500")
    dialog.get_by_label("Counted").select_option("24")
    dialog.get_by_label("Seedance").first.check()
    dialog.get_by_role("button", name="Create the key").click()
    expect(dialog.get_by_text("Copy it now.")).to_be_visible()
    window.look("keys-issued")
    dialog.get_by_role("button", name="Copy", exact=True).click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert KEY.fullmatch(copied)
    assert copied not in page.url
    dialog.get_by_role("link", name="Done").click()
    expect(page.get_by_text(copied)).to_have_count(0)
    expect(page.get_by_text("2,500 credits per 24 h")).to_be_visible()
    answered = window.context.request.get(
        "/api/v1/account", headers={"Authorization": f"Bearer {copied}"}
    )
    assert answered.ok
    page.get_by_role("link", name="Billing service").click()
    page.get_by_role("button", name="Replace").click()
    expect(page.get_by_text("The old key goes on until")).to_be_visible()
    window.look("keys-replaced", views=BRIEFLY)
    page.get_by_role("link", name="Done").click()
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("Inactive")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_be_disabled()
    page.get_by_label("Type Billing service to confirm").fill("Billing service")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("Billing service is deleted")


def test_many_keys_and_one_of_them(window: Window):
    window.sign_up("kofi")
    seed(window, "Laptop of Ada Lovelace")
    seed(window, "Nightly tests", mode="test", expires="30", requestsPerSecond="5")
    seed(
        window,
        "Storefront, production",
        spendMax="20000",
        spendWindowHours="720",
        tasksRunningMax="10",
        ipRanges="203.0.113.0/24 198.51.100.7",
        expires="365",
    )
    page = window.go("/keys")
    page.get_by_role("link", name="Laptop of Ada Lovelace").click()
    page.get_by_role("button", name="Replace").click()
    page.goto("/keys")
    page.get_by_role("link", name="Nightly tests").click()
    page.get_by_role("button", name="Deactivate").click()
    page.wait_for_url("**/keys/*")
    page.goto("/keys")
    expect(page.get_by_text("Being replaced")).to_be_visible()
    window.look("keys")
    page.get_by_role("link", name="Storefront, production").click()
    window.look("keys-one")
    page.get_by_label("Name").fill("Storefront")
    page.get_by_label("Spending").fill("30000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Storefront")).to_be_visible()
    expect(page.locator("dl")).to_contain_text("30,000 credits per 30 d")


def test_somebody_is_invited_and_removed(window: Window, other: Window):  # noqa: PLR0915 - a story
    window.sign_up("lena")
    page = window.go("/members")
    window.look("members-alone")
    page.get_by_label("What this account is called").fill("Lumen Studio")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Invite").click()
    dialog = page.get_by_role("dialog", name="Invite to Lumen Studio")
    dialog.get_by_label("E-mail").fill("milo@example.com")
    look(window, "members-invite", BRIEFLY)
    dialog.get_by_role("button", name="Make the link").click()
    dialog.get_by_role("button", name="Copy").click()
    window.look("members-invited", views=BRIEFLY)
    link = page.evaluate("navigator.clipboard.readText()")
    dialog.get_by_role("link", name="Done").click()
    expect(page.get_by_text("milo@example.com")).to_be_visible()

    theirs = other.page
    theirs.goto(link)
    other.look("invitation")
    theirs.get_by_role("link", name="Sign in and join").click()
    other.look("invitation-here", views=BRIEFLY)
    theirs.get_by_role("link", name="Sign up").click()
    theirs.get_by_label("Name").fill("Milo Brandt")
    theirs.get_by_label("Password").fill("a long enough secret")
    theirs.get_by_role("button", name="Sign up and join").click()
    theirs.wait_for_url("**/studio*")
    theirs.goto("/members")
    expect(theirs.get_by_role("button", name="Invite")).to_have_count(0)
    other.look("members-as-member", views=BRIEFLY)
    theirs.goto("/keys")
    expect(theirs.get_by_text("Once an owner of Lumen Studio creates one")).to_be_visible()
    other.look("keys-empty-as-member", views=((390, "light"),))
    other.expect_fault("404")
    theirs.goto(link)
    other.look("invitation-used", views=BRIEFLY)

    send(window, "/members/invite", email="noor@example.com", role="owner")
    page.goto("/members")
    window.look("members")
    page.get_by_label("What Milo Brandt is").select_option("owner")
    expect(page.locator(".toast")).to_contain_text("Now an owner")
    page.get_by_role("button", name="Remove Milo Brandt").click()
    window.look("members-remove", views=BRIEFLY)
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Removed")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator(".toast")).to_contain_text("withdrawn")


def test_another_account_and_an_invitation_for_who_is_here(window: Window, other: Window):
    window.sign_up("otto")
    page = window.go("/accounts")
    window.look("accounts-one", views=BRIEFLY)
    page.get_by_label("Name").fill("Night Shift")
    page.get_by_role("button", name="Open it").click()
    page.wait_for_url("**/members")
    link = re.findall(
        r"http://[^\s<\"]+/invitation\?token=[\w-]+",
        send(window, "/members/invite", email="pia@example.com", role="member"),
    )[0]
    other.sign_up("pia")
    theirs = other.page
    theirs.goto(link)
    other.look("invitation-accept", views=BRIEFLY)
    theirs.get_by_role("button", name="Join as pia@example.com").click()
    theirs.wait_for_url("**/studio*")
    theirs.goto("/accounts")
    other.look("accounts")
    theirs.get_by_role("button", name="Switch to pia@example.com").click()
    expect(theirs.locator(".toast")).to_contain_text("You now act for pia@example.com")


def test_settings(window: Window, other: Window):
    window.sign_up("quin")
    other.go("/sign-in")
    other.page.get_by_label("E-mail").fill("quin@example.com")
    other.page.get_by_label("Password").fill("a long enough secret")
    other.page.get_by_role("button", name="Sign in").click()
    other.page.wait_for_url("**/studio*")
    page = window.go("/settings")
    window.look("settings")
    page.get_by_label("Name").fill("Quin Álvarez")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("Saved")
    page.get_by_label("Present password").fill("not the secret")
    page.get_by_label("New password").fill("quite another secret")
    window.expect_fault("422")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_have_text("This is not your present password")
    window.look("settings-wrong", views=BRIEFLY)
    page.get_by_label("Present password").fill("a long enough secret")
    page.get_by_label("New password").fill("quite another secret")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator(".toast")).to_contain_text("The password is changed")
    expect(page.get_by_text("This one")).to_have_count(1)
    other.page.goto("/settings")
    expect(other.page).to_have_url(re.compile("/sign-in"))


def test_a_key_is_made_without_scripts(browser: Browser, window: Window):
    window.sign_up("rosa")
    context = browser.new_context(
        base_url=window.address,
        java_script_enabled=False,
        storage_state=window.context.storage_state(),
    )
    page = context.new_page()
    page.goto("/keys")
    page.get_by_role("link", name="Create a key").click()
    page.get_by_label("Name").fill("Plain")
    page.get_by_role("button", name="Create the key").click()
    assert KEY.search(page.content())
    page.get_by_role("link", name="Done").click()
    page.get_by_label("Type Plain to confirm").fill("Wrong")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_have_text("This is not the key's name")
    context.close()
