"""The pages that strangers see, and the way in."""

from playwright.sync_api import expect
from tests.browser.conftest import Window


def test_strangers_see_the_front_page(window: Window):
    page = window.go("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("behind one API")
    window.look("front")


def test_signing_up_signing_out_and_signing_in(window: Window):
    window.go("/sign-up")
    window.look("sign-up")
    window.sign_up("mara")
    page = window.page
    page.get_by_text("Mara").first.click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(window.address + "/")
    page.goto("/studio?model=seedance-20")
    page.wait_for_url("**/sign-in?next=/studio*")
    window.look("sign-in")
    page.get_by_label("E-mail").fill("mara@example.com")
    page.get_by_label("Password").fill("not the secret")
    window.expect_fault("422")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text(
        "The e-mail address or the password is not right"
    )
    page.get_by_label("Password").fill("a long enough secret")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/studio?model=seedance-20")


def test_an_address_that_leads_nowhere_helps_on(window: Window):
    window.expect_fault("404")
    page = window.go("/no-such-page")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing here")
    window.look("not-found")


def test_a_link_that_is_used_up_says_so(window: Window):
    window.expect_fault("404")
    page = window.go("/welcome?token=used-long-ago")
    expect(page.get_by_role("heading", level=1)).to_have_text("No longer good")
    window.look("welcome-used")


def test_the_menu_on_a_phone_and_the_theme(window: Window):
    window.sign_up("finn")
    page = window.page
    page.set_viewport_size({"width": 390, "height": 860})
    expect(page.get_by_role("link", name="Tasks")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Tasks")).to_be_visible()
    page.get_by_text("Finn").first.click()
    window.look("menu", views=((390, "light"), (390, "dark")))
    page.set_viewport_size({"width": 390, "height": 860})
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.reload()
    assert page.evaluate("document.documentElement.classList.contains('dark')")
