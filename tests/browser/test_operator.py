"""The operator's pages in a browser: with a deployment's own content, and what changes it."""

import re

from playwright.sync_api import expect
from tests.browser.conftest import Window

BOOKS = re.compile("The books (agree|do not agree)")
"""Other tests write tasks of the past into the same database; tests/dashboard judges the books."""


def test_an_operator_looks_after_accounts_and_people(window: Window):
    window.sign_up("petra")
    window.page.context.clear_cookies()
    window.sign_in_operator()
    page = window.go("/operator/accounts?q=petra")
    window.look("operator-accounts", views=((1280, "light"), (390, "dark")))
    page.get_by_role("link", name="petra@example.com").click()
    page.get_by_role("textbox", name="Credits").fill("9999999")
    page.get_by_label("Reason").fill("A mistake")
    page.get_by_label("Take back").check()
    window.expect_fault("422")
    page.get_by_role("button", name="Change the balance").click()
    expect(page.get_by_role("alert")).to_contain_text("available to take back")
    page.get_by_label("Give", exact=True).check()
    page.get_by_role("textbox", name="Credits").fill("250")
    page.get_by_role("button", name="Change the balance").click()
    expect(page.get_by_text("250 credits given")).to_be_visible()
    page.get_by_label("Tasks at once").fill("12")
    page.get_by_role("button", name="Set the limits").click()
    expect(page.get_by_text("0 of 12")).to_be_visible()
    window.look("operator-account")
    page.get_by_role("link", name="Petra").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()
    window.look("operator-person")
    page.goto("/operator/people")
    expect(page.get_by_role("cell", name="petra@example.com")).to_be_visible()
    window.look("operator-people", views=((1280, "light"), (390, "light")))
    page.goto("/operator/audit?account=petra")
    expect(page.get_by_text("account.credits")).to_be_visible()
    page.get_by_role("button", name="Check the chain").click()
    expect(page.get_by_text("The log is whole")).to_be_visible()
    window.look("operator-audit")


def test_an_operator_sees_how_everything_goes(window: Window):
    deployed = window.deployed
    with deployed.client() as client:
        made = deployed.create(client, "gpt-image-2", prompt="a lighthouse")
        deployed.wait(client, [made], 60)
    window.sign_in_operator()
    page = window.go("/operator")
    page.get_by_role("button", name="Check the books").click()
    expect(page.get_by_text(BOOKS).first).to_be_visible()
    expect(page.get_by_text("The audit log is whole")).to_be_visible()
    window.look("operator")
    page.goto("/operator/tasks")
    window.look("operator-tasks")
    page.goto("/operator/tasks?status=fail&account=nobody")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    window.look("operator-tasks-empty", views=((390, "light"),))
    page.goto(f"/operator/tasks/{made}")
    expect(page.get_by_text("was asked", exact=False).first).to_be_visible()
    window.look("operator-task")
    page.goto("/operator/models")
    window.look("operator-models", views=((1280, "light"), (390, "dark")))
    page.goto("/operator/providers")
    window.look("operator-providers")
    page.goto("/operator/audit?account=nobody-at-all")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
