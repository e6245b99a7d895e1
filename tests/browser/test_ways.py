"""Signing in with a passkey, by Chromium's virtual authenticator, and with another's account."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import Window
from tests.dashboard.oidc_issuer import CLIENT_ID, CLIENT_SECRET, Issuer, issuer
from tests.story.deployment import Deployment, data_folder, free_port
from typing_extensions import override

TWO = ((1280, "light"), (390, "dark"))


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the issuer stands outside, with a clock of its own


@pytest.fixture(scope="module")
def there() -> Iterator[Issuer]:
    with issuer(now) as made:
        yield made


@pytest.fixture(scope="module")
def named(there: Issuer) -> Iterator[Deployment]:
    """A deployment that browsers know by a name, as passkeys demand."""
    port = free_port()
    extra = {
        "KINETOSCOPE_PUBLIC_URL": f"http://localhost:{port}",
        "KINETOSCOPE_PASSKEYS": "1",
        "KINETOSCOPE_DEMO_KEY": "off",
        "KINETOSCOPE_OIDC_ISSUER": there.address,
        "KINETOSCOPE_OIDC_NAME": "Example Works",
        "KINETOSCOPE_OIDC_CLIENT_ID": CLIENT_ID,
        "KINETOSCOPE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }
    with data_folder() as folder:
        made = Deployment(folder, port=port, extra=extra)
        made.start()
        yield made
        made.stop()


class NamedWindow(Window):
    """A browser that comes by the deployment's name; it may leave for the issuer alone."""

    def __init__(self, browser: Browser, deployed: Deployment, there: Issuer) -> None:
        super().__init__(browser, deployed)
        self.address = f"http://localhost:{deployed.port}"
        self.expect_fault(f"left the host: {there.address}/authorize")

    @override
    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page


@pytest.fixture
def at_home(browser: Browser, named: Deployment, there: Issuer) -> Iterator[NamedWindow]:
    made = NamedWindow(browser, named, there)
    yield made
    made.context.close()
    made.require_quiet()


def virtual_authenticator(window: Window) -> None:
    devtools = window.context.new_cdp_session(window.page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_out(page: Page) -> None:
    page.locator(".who").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/")


def test_a_passkey_is_added_used_and_removed(at_home: NamedWindow):
    window = at_home
    virtual_authenticator(window)
    window.sign_up("pia")
    page = window.go("/settings")
    ways = page.locator("#ways")
    expect(ways.get_by_text("You have no passkeys yet.")).to_be_visible()
    window.look("ways-empty", views=TWO)
    ways.get_by_label("Name").fill("This laptop")
    ways.locator("#passkey_password").fill("not it")
    window.expect_fault("403")
    ways.get_by_role("button", name="Add a passkey").click()
    expect(ways.get_by_role("alert")).to_have_text("This is not your password")
    ways.locator("#passkey_password").fill("a long enough secret")
    ways.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#ways").get_by_text("This laptop")).to_be_visible()
    window.look("ways")

    sign_out(page)
    window.go("/sign-in?next=/tasks")
    window.look("sign-in-ways")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(window.address + "/tasks")

    window.go("/settings")
    page.get_by_role("button", name="Remove This laptop").click()
    expect(page.locator("#ways").get_by_text("You have no passkeys yet.")).to_be_visible()
    sign_out(page)
    window.go("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    note = page.locator(".other-ways").get_by_role("alert")
    expect(note).to_have_text("This passkey does not sign anybody in here")


def test_a_device_without_passkeys_of_ours_signs_nobody_in(at_home: NamedWindow):
    window = at_home
    virtual_authenticator(window)
    page = window.go("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    note = page.locator(".other-ways").get_by_role("alert")
    expect(note).to_have_text("No passkey was used. Try again.")


def test_the_issuer_signs_in_and_is_linked(at_home: NamedWindow, there: Issuer):
    window = at_home
    page = window.go("/sign-in")
    page.get_by_role("link", name="Continue with Example Works").click()
    page.wait_for_url("**/studio")
    page = window.go("/settings")
    expect(page.locator("#ways").get_by_text("ada@example.com")).to_be_visible()
    window.look("ways-linked", views=TWO)
    sign_out(page)

    # Somebody else is linked to it only by linking it, signed in.
    there.person = {**there.person, "sub": "2002", "email": "noor@example.com"}
    window.sign_up("noor")
    sign_out(page)
    window.go("/sign-in")
    window.expect_fault("403")
    page.get_by_role("link", name="Continue with Example Works").click()
    expect(page.get_by_text("Sign in with your password first")).to_be_visible()
    window.look("not-let-in", views=TWO)
    page.get_by_role("link", name="Back to signing in").click()
    page.get_by_label("E-mail").fill("noor@example.com")
    page.get_by_label("Password").fill("a long enough secret")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/studio")
    window.go("/settings")
    page.locator("#link_password").fill("not it")
    window.expect_fault("422")
    page.get_by_role("button", name="Link Example Works").click()
    expect(page.get_by_role("alert")).to_have_text("This is not your password")
    window.look("ways-refused", views=TWO)
    page.locator("#link_password").fill("a long enough secret")
    page.get_by_role("button", name="Link Example Works").click()
    page.wait_for_url("**/settings")
    expect(page.locator("#ways").get_by_text("noor@example.com")).to_be_visible()
    sign_out(page)
    window.go("/sign-in")
    page.get_by_role("link", name="Continue with Example Works").click()
    page.wait_for_url("**/studio")
