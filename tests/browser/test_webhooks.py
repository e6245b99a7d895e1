"""The webhooks page in a browser: empty, with a secret, and with deliveries of every kind."""

from playwright.sync_api import expect
from tests.browser.conftest import Window
from tests.story.gate import rows_of

SEED = """
with owner as (
  select member.account_id from member join person on person.id = member.person_id
  where person.email = 'wanda@example.com'
), delivered as (
  insert into webhook_delivery
    (id, account_id, task_id, event_type, url, state, attempts, tries, next_attempt_at, created_at,
     ended_at)
  select 'msg_wanda' || number, account_id, 'task_wanda00000000000000000' || number,
         (array['task.succeeded', 'task.failed'])[1 + number % 2],
         'https://api.example.com/hooks/kinetoscope?of=the-studio', state, tries, tries,
         case when state = 'pending' then now() + interval '3 hours' end,
         now() - number * interval '17 minutes',
         case when state <> 'pending' then now() - number * interval '16 minutes' end
  from owner, (values (1, 'delivered', 1), (2, 'pending', 4), (3, 'failed', 12),
                      (4, 'disabled', 1), (5, 'delivered', 2)) as kind (number, state, tries)
  returning id
)
insert into webhook_attempt (id, delivery_id, started_at, duration_ms, status, error, response)
select 'try_wanda' || number, 'msg_wanda2', now() - number * interval '9 minutes', 130 * number,
       status, error, response
from (values
  (1, 503, 'The receiver answered with status 503', '{"error": "down for maintenance"}'),
  (2, null, 'No connection within 5 seconds', ''),
  (3, 503, 'The receiver answered with status 503', '<h1>Service unavailable</h1>')
) as attempt (number, status, error, response)
where (select count(*) from delivered) = 5
returning id
"""


def test_webhooks_from_empty_to_delivered(window: Window):
    window.sign_up("wanda")
    page = window.go("/webhooks")
    expect(page.get_by_text("Nothing was delivered yet")).to_be_visible()
    window.look("webhooks-empty")
    page.get_by_role("button", name="Make a secret").click()
    secret = page.locator("#secret .reveal code")
    expect(secret).to_contain_text("whsec_")
    page.get_by_role("button", name="Copy the secret").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret.text_content()
    window.look("webhooks-secret", views=((1280, "light"), (390, "light")))
    page.get_by_label("URL").fill("http://10.1.2.3/hook")
    window.expect_fault("422")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(secret).to_have_count(0)
    page.get_by_label("URL").fill("https://receiver.invalid/hook")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("No answer")).to_be_visible()
    expect(page.locator("#delivery > .card .state")).to_have_text("Failed")
    window.look("webhooks-test", views=((390, "dark"),))
    assert len(rows_of(window.deployed, SEED)) == 3
    page.goto("/webhooks")
    expect(page.get_by_role("row")).to_have_count(7)
    window.look("webhooks")
    page.get_by_role("tab", name="JavaScript").click()
    expect(page.get_by_text("request.body.toString")).to_be_visible()
    page.get_by_label("State").select_option("pending")
    page.wait_for_url("**state=pending*")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Pending").click()
    expect(page.get_by_text("down for maintenance")).to_be_visible()
    window.look("webhooks-delivery")
