"""The operator's pages: nobody else sees them, and what they change is noted."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.conftest import World
from tests.dashboard.signed_in import SignedIn, client_of, join, signed_in
from tests.scripted import PICTURE, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.accounts import accounts, audit, directory, people, retention
from kinetoscope.dashboard.operator.overview import day_of
from kinetoscope.kernel.credits import format_credits
from kinetoscope.providers import keys
from kinetoscope.providers.contract import Failed
from kinetoscope.settings import Settings
from kinetoscope.tasks import circuits
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.alerts import Alert, raise_alert
from kinetoscope.tasks.overview import Hour

pytestmark = pytest.mark.anyio

LISTS = ("", "/accounts", "/people", "/models", "/providers", "/tasks", "/audit")


@pytest.fixture
async def olga(world: World) -> AsyncIterator[SignedIn]:
    async with signed_in(world, "olga", is_operator=True) as operator:
        yield operator


def pages_of(world: World) -> list[tuple[str, str]]:
    added = world.app.state.pages.added
    return [(page.method, page.path) for page in added if page.path.startswith("/operator")]


async def test_nobody_else_sees_a_page_of_the_operators(world: World, olga: SignedIn):
    pages = pages_of(world)
    assert len(pages) > 15
    assert {page.who for page in world.app.state.pages.added if "/operator" in page.path} == {
        "operator"
    }
    async with signed_in(world, "ada") as ada:
        names = {"id": olga.account_id}
        for method, path in pages:
            response = await ada.client.request(
                method,
                path.format(**names),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            assert response.status_code == 404, (method, path)
            assert "olga" not in response.text
            stranger = await world.client.request(
                method,
                path.format(**names),
                headers={
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Sec-Fetch-Site": "same-origin",
                },
            )
            assert stranger.status_code == 303, (method, path)
            assert stranger.headers["location"].startswith("/sign-in")
        assert "/operator" not in (await ada.client.get("/studio")).text
    assert "/operator/people" in (await olga.client.get("/operator")).text


async def test_who_is_no_operator_any_more_sees_none_at_once(world: World, olga: SignedIn):
    await people.set_operator(world.runtime.database, olga.email, is_operator=False)
    assert (await olga.client.get("/operator")).status_code == 404


@pytest.mark.parametrize("path", LISTS)
async def test_every_page_opens_where_there_is_next_to_nothing(olga: SignedIn, path: str):
    response = await olga.client.get(f"/operator{path}")
    assert response.status_code == 200
    assert "Olga" in response.text


async def filled_in(operator: SignedIn, path: str, **values: str) -> dict[str, str]:
    """Open an account's page and fill in its form about credits."""
    page = (await operator.client.get(path)).text
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return {"token": found[1], **values}


@pytest.mark.parametrize(("way", "left"), [("give", "30"), ("take", "10")])
async def test_a_form_that_is_sent_several_times_counts_once(
    world: World, olga: SignedIn, way: str, left: str
):
    database = world.runtime.database
    async with signed_in(world, "ada", granted="20") as ada:
        path = f"/operator/accounts/{ada.account_id}"
        form = await filled_in(olga, path, way=way, amount="10", reason="Invoice 117")
        sent = [olga.client.post(f"{path}/credits", data=form) for _ in range(6)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {303}
        toasts = [answer.headers["set-cookie"] for answer in answers]
        assert sum("sent%20before" in toast for toast in toasts) == 5
        account = await accounts.by_id(database, ada.account_id)
        assert format_credits(account.available) == left
        assert len(await audit.listing(database, ada.account_id, None, 9)) == 1
        # The page opened again is another form.
        anew = await filled_in(olga, path, way=way, amount="10", reason="Invoice 117")
        assert anew["token"] != form["token"]
        await olga.client.post(f"{path}/credits", data=anew)
        assert len(await audit.listing(database, ada.account_id, None, 9)) == 2


async def test_credits_and_what_is_noted_of_them_are_one(
    world: World, olga: SignedIn, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object, **__: object) -> None:
        raise ConnectionError("the process ends here")

    async with signed_in(world, "ada", granted="20") as ada:
        path = f"/operator/accounts/{ada.account_id}"
        form = await filled_in(olga, path, way="give", amount="10", reason="Invoice 117")
        with monkeypatch.context() as patched:
            patched.setattr(audit, "note_within", broken)
            assert (await olga.client.post(f"{path}/credits", data=form)).status_code == 500
        account = await accounts.by_id(world.runtime.database, ada.account_id)
        assert format_credits(account.available) == "20"
        await olga.client.post(f"{path}/credits", data=form)
        account = await accounts.by_id(world.runtime.database, ada.account_id)
        assert format_credits(account.available) == "30"


@pytest.mark.parametrize("token", ["", "x", "A" * 24])
async def test_a_form_of_no_page_changes_nothing(world: World, olga: SignedIn, token: str):
    async with signed_in(world, "ada", granted="20") as ada:
        form = {"way": "give", "amount": "10", "reason": "x", "token": token}
        path = f"/operator/accounts/{ada.account_id}/credits"
        assert (await olga.client.post(path, data=form)).status_code == 400
        assert await audit.listing(world.runtime.database, ada.account_id, None, 9) == []


async def test_credits_are_given_and_taken_back_with_a_reason(world: World, olga: SignedIn):
    async with signed_in(world, "ada", granted="0") as ada:
        path = f"/operator/accounts/{ada.account_id}"
        given = await filled_in(olga, path, way="give", amount="1,500.25", reason="Invoice  117")
        response = await olga.client.post(f"{path}/credits", data=given)
        assert (response.status_code, response.headers["location"]) == (303, path)
        taken = await filled_in(olga, path, way="take", amount="500", reason="Too much")
        assert (await olga.client.post(f"{path}/credits", data=taken)).status_code == 303
        account = await accounts.by_id(world.runtime.database, ada.account_id)
        assert account.available == 100_025
        page = (await olga.client.get(path)).text
        assert "Invoice 117" in page
        assert "1,000.25" in page
        latest, first = await audit.listing(world.runtime.database, ada.account_id, None, 9)
        assert (first.action, first.actor) == ("account.credits", "olga@example.com")
        assert first.detail == {"credits": "1500.25", "reason": "Invoice 117"}
        assert latest.detail == {"credits": "-500", "reason": "Too much"}


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"way": "give", "amount": "500", "reason": " "}, "Say why"),
        ({"way": "give", "amount": "500", "reason": "x" * 201}, "Say why"),
        ({"way": "give", "amount": "-500", "reason": "x"}, "above 0"),
        ({"way": "give", "amount": "0", "reason": "x"}, "above 0"),
        ({"way": "give", "amount": "many", "reason": "x"}, "an amount such as"),
        ({"way": "away", "amount": "5", "reason": "x"}, "Choose whether"),
        ({"way": "take", "amount": "10.01", "reason": "x"}, "Only 10 credits are available"),
    ],
)
async def test_credits_that_cannot_be_changed_so_stay_as_they_are(
    world: World, olga: SignedIn, form: dict[str, str], says: str
):
    async with signed_in(world, "ada", granted="10") as ada:
        path = f"/operator/accounts/{ada.account_id}"
        filled = await filled_in(olga, path, **form)
        refused = await olga.client.post(f"{path}/credits", data=filled)
        assert refused.status_code == 422
        assert says in refused.text
        account = await accounts.by_id(world.runtime.database, ada.account_id)
        assert account.available == 1000
        assert await audit.listing(world.runtime.database, ada.account_id, None, 9) == []


async def test_limits_are_set_and_taken_off_again(world: World, olga: SignedIn):
    async with signed_in(world, "ada") as ada:
        path = f"/operator/accounts/{ada.account_id}/limits"
        form = {"tasks_running_max": "7", "requests_per_second": "20", "requests_burst": "40"}
        assert (await olga.client.post(path, data=form)).status_code == 303
        account = await directory.account(world.runtime.database, ada.account_id)
        assert (account.tasks_running_max, account.api_access) == (7, False)
        assert (account.requests_per_second, account.requests_burst) == (20, 40)
        form = {"tasks_running_max": "50", "requests_per_second": "", "api_access": "1"}
        await olga.client.post(path, data=form)
        account = await directory.account(world.runtime.database, ada.account_id)
        assert (account.tasks_running_max, account.api_access) == (50, True)
        assert (account.requests_per_second, account.requests_burst) == (None, None)
        for bad in ({"tasks_running_max": ""}, {"tasks_running_max": "5", "requests_burst": "0"}):
            assert (await olga.client.post(path, data=bad)).status_code == 422
        assert await directory.account(world.runtime.database, ada.account_id) == account
        entries = await audit.listing(world.runtime.database, ada.account_id, None, 9)
        assert [entry.action for entry in entries] == ["account.limits", "account.limits"]


async def test_what_is_kept_may_be_less_than_the_deployment_keeps(world: World, olga: SignedIn):
    async with signed_in(world, "ada") as ada:
        database, path = world.runtime.database, f"/operator/accounts/{ada.account_id}"
        form = {"media": "7d", "tasks": "", "uploads": "12h"}
        assert (await olga.client.post(f"{path}/retention", data=form)).status_code == 303
        kept = await retention.by_name(database, ada.email)
        assert (kept.media_lifetime_s, kept.task_lifetime_s) == (7 * 86400, None)
        assert kept.upload_lifetime_s == 12 * 3600
        page = (await olga.client.get(path)).text
        assert 'value="7d"' in page
        assert 'value="12h"' in page
        for bad in ("15d", "0h", "soon"):
            response = await olga.client.post(f"{path}/retention", data={"media": bad})
            assert response.status_code == 422, bad
        assert await retention.by_name(database, ada.email) == kept
        await olga.client.post(f"{path}/hold", data={"held": "1"})
        assert (await retention.by_name(database, ada.email)).legal_hold
        await olga.client.post(f"{path}/hold", data={"held": "0"})
        assert not (await retention.by_name(database, ada.email)).legal_hold
        entries = await audit.listing(database, ada.account_id, None, 9)
        assert [entry.action for entry in entries] == [
            "account.release",
            "account.hold",
            "account.retention",
        ]


async def test_operators_make_operators_and_disable_people(world: World, olga: SignedIn):
    async with signed_in(world, "ada") as ada:
        path = f"/operator/people/{ada.person_id}"
        await olga.client.post(f"{path}/operator", data={"value": "1"})
        assert (await ada.client.get("/operator")).status_code == 200
        await olga.client.post(f"{path}/operator", data={"value": "0"})
        assert (await ada.client.get("/operator")).status_code == 404
        await olga.client.post(f"{path}/disabled", data={"value": "1"})
        assert (await ada.client.get("/studio")).status_code == 303
        assert "disabled" in (await olga.client.get(path)).text
        assert (await olga.client.post(f"{path}/link")).status_code == 409
        await olga.client.post(f"{path}/disabled", data={"value": "0"})
        assert (await ada.client.get("/studio")).status_code == 303  # signs in anew
        found = await people.by_id(world.runtime.database, ada.person_id)
        assert found.disabled_at is None
        entries = await audit.listing(world.runtime.database, None, None, 9)
        assert [entry.action for entry in entries] == [
            "person.enable",
            "person.disable",
            "person.no_operator",
            "person.operator",
        ]
        assert {(entry.actor, entry.target) for entry in entries} == {(olga.email, ada.email)}


async def test_operators_cannot_lock_themselves_out(world: World, olga: SignedIn):
    path = f"/operator/people/{olga.person_id}"
    for what, value in (("operator", "0"), ("disabled", "1")):
        refused = await olga.client.post(f"{path}/{what}", data={"value": value})
        assert refused.status_code == 409
        assert "You cannot" in refused.text
    assert (await olga.client.get(path)).status_code == 200
    assert await audit.listing(world.runtime.database, None, None, 9) == []


async def test_a_link_is_shown_once_and_signs_in_once(world: World, olga: SignedIn):
    async with signed_in(world, "ada") as ada:
        path = f"/operator/people/{ada.person_id}"
        made = await olga.client.post(f"{path}/link", headers={"HX-Request": "true"})
        assert "<html" not in made.text
        (link,) = set(re.findall(r"http://kinetoscope.test/welcome\?token=[\w-]{40,}", made.text))
        assert link not in (await olga.client.get(path)).text
        (entry,) = await audit.listing(world.runtime.database, None, None, 9)
        assert (entry.action, entry.target) == ("person.link", ada.email)
        assert link.partition("=")[2] not in str(entry)
        typed = {"Sec-Fetch-Site": "none"}
        used = await world.client.get(link, headers=typed)
        assert used.headers["location"] == "/studio"
        assert (await world.client.get(link, headers=typed)).status_code == 404


async def test_lists_are_searched_and_paged(world: World, olga: SignedIn):
    for number in range(52):
        await world.person(f"team-{number:02}", granted="0")
        world.clock.move(timedelta(seconds=1))
    first = (await olga.client.get("/operator/accounts?q=TEAM-")).text
    assert first.count('href="/operator/accounts/acct_') == 50
    older = re.search(r'href="(/operator/accounts\?q=TEAM-&amp;before=acct_\w+)"', first)
    assert older is not None
    second = (await olga.client.get(older[1].replace("&amp;", "&"))).text
    assert "team-00" in second
    assert "team-01" in second
    assert "team-02" not in second
    by_member = (await olga.client.get("/operator/accounts?q=olga@")).text
    assert by_member.count('href="/operator/accounts/acct_') == 1
    assert "No such account" in (await olga.client.get("/operator/accounts?q=%25")).text
    assert "olga@example.com" in (await olga.client.get("/operator/people?q=OLG")).text
    assert "Nobody like that" in (await olga.client.get("/operator/people?q=_")).text


async def test_tasks_of_everybody_are_found_and_traced(world: World, olga: SignedIn):
    bob, cid = await world.person("bob"), await world.person("cid")
    made = await create(world, bob, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), made)
    world.clock.move(timedelta(seconds=1))
    failed = await create(world, cid, PICTURE)
    failure = Failed(code="content_policy_violation", message="Because of this")
    await advance(tools_for(world, ScriptedProvider(statuses=[failure])), failed)
    world.clock.move(timedelta(seconds=1))
    waiting = await create(world, cid, PICTURE)

    async def found(query: str) -> list[str]:
        text = (await olga.client.get(f"/operator/tasks{query}")).text
        return re.findall(r'href="/operator/tasks/(task_\w+)"', text)

    assert await found("") == [waiting, failed, made]
    assert await found("?account=cid") == [waiting, failed]
    assert await found(f"?account={bob.account_id}") == [made]
    assert await found("?account=nobody") == []
    assert await found("?status=fail") == [failed]
    assert await found("?provider=embedded") == [waiting, failed, made]
    assert await found(f"?id={made}") == [made]
    assert await found(f"?before={failed}") == [made]
    page = (await olga.client.get(f"/operator/tasks/{failed}")).text
    for word in ("cid", "Because of this", "upstream-1", "was asked", "given back"):
        assert word in page
    assert "a sunset" not in page
    assert (await olga.client.get("/operator/tasks/task_none")).status_code == 404
    account = (await olga.client.get(f"/operator/accounts/{cid.account_id}")).text
    assert waiting in account
    assert made not in account
    overview = (await olga.client.get("/operator")).text
    assert "1 tasks done and 1 failed in the last 24 hours" in overview
    load = (await olga.client.get("/operator/load", headers={"HX-Request": "true"})).text
    assert "<html" not in load
    assert ">1<" in load


async def test_the_overview_shows_what_is_wrong(world: World, olga: SignedIn):
    now = world.clock()
    alert = Alert(kind="lost", provider="fal", task_id=None, message="An answer was lost")
    await raise_alert(world.runtime.database, alert, now)
    await circuits.note(world.runtime.database, "w", "runway", "gen-5", is_open=True, now=now)
    page = (await olga.client.get("/operator")).text
    assert "An answer was lost" in page
    assert "gen-5" in page
    assert "nobody works" in page
    providers = (await olga.client.get("/operator/providers?days=7")).text
    assert "Nobody works on" in providers
    assert "1 alert within a week" in providers


@pytest.fixture
def with_files(settings: Settings) -> None:
    """Set an operator's files up: of a provider that works, one that does not, and a price."""
    folder = settings.config_dir
    (folder / "providers").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "providers" / "fal.toml").write_text(
        'adapter = "fal"\n[models.seedance-20]\nupstream = "fal-ai/seedance"\n'
    )
    (folder / "providers" / "odd.toml").write_text('adapter = "nobodys"\n')
    (folder / "models" / "prices.toml").write_text("[price\n")


@pytest.mark.usefixtures("with_files")
class TestFiles:
    """What the operator's own files come to."""

    async def test_providers_are_shown_with_the_end_of_their_keys(
        self, world: World, olga: SignedIn
    ):
        runtime, secret = world.runtime, "fal-secret-that-nobody-sees-1234"
        page = (await olga.client.get("/operator/providers")).text
        assert "no key" in page
        await keys.put(runtime.database, runtime.envelope, "fal", secret, world.clock())
        await keys.put(runtime.database, runtime.envelope, "runway", secret, world.clock())
        page = (await olga.client.get("/operator/providers")).text
        assert "…1234" in page
        assert secret not in page
        assert "used by no provider: <code>runway" in page
        assert "fal.toml" in page
        assert "odd.toml:1" in page

    async def test_models_say_who_makes_them_and_what_is_wrong(self, olga: SignedIn):
        page = (await olga.client.get("/operator/models")).text
        assert "<b>fal</b> as <code>fal-ai/seedance</code>" in page
        assert "prices.toml:1" in page
        assert "nobody works on hosted" in page
        # Which models the file of nobody's adapter would make cannot be told: none is a preview.
        assert "nobody: its provider's file is not used" in page


async def test_books_that_do_not_agree_are_told(world: World, olga: SignedIn):
    fine = await olga.client.post("/operator/books", headers={"HX-Request": "true"})
    assert "The books agree" in fine.text
    assert "The audit log is whole" in fine.text
    assert "<html" not in fine.text
    async with world.runtime.database.connection() as connection:
        await connection.execute("update account set available = available + 1")
    odd = await olga.client.post("/operator/books")
    assert "The books do not agree" in odd.text
    assert olga.account_id in odd.text


async def test_the_audit_log_is_filtered_and_its_chain_followed(world: World, olga: SignedIn):
    async with signed_in(world, "ada") as ada:
        for amount in range(1, 53):
            form = {"way": "give", "amount": str(amount), "reason": "why", "token": f"{amount:024}"}
            await olga.client.post(f"/operator/accounts/{ada.account_id}/credits", data=form)
        await olga.client.post(f"/operator/people/{ada.person_id}/link")
        everything = (await olga.client.get("/operator/audit")).text
        assert everything.count("account.credits") == 49
        older = re.search(r'href="(/operator/audit\?before=\d+)"', everything)
        assert older is not None
        assert (await olga.client.get(older[1])).text.count("account.credits") == 3
        only = (await olga.client.get("/operator/audit?account=ada")).text
        assert "person.link" not in only
        assert "Nothing fits" in (await olga.client.get("/operator/audit?account=zzz")).text
        assert "The log is whole" in (await olga.client.post("/operator/audit/check")).text
        async with world.runtime.database.connection() as connection:
            await connection.execute("alter table audit_entry disable trigger audit_append_only")
            await connection.execute("update audit_entry set detail = '{}' where id = 7")
        broken = await olga.client.post("/operator/audit/check", headers={"HX-Request": "true"})
        assert "The log is broken</b> at entry 7" in broken.text


async def test_what_no_database_reads_is_refused(olga: SignedIn):
    for path in ("/accounts", "/people", "/tasks"):
        assert (await olga.client.get(f"/operator{path}/a%00b")).status_code == 400
    for path in ("/accounts?q=", "/people?q=", "/tasks?id=", "/tasks?account=", "/audit?account="):
        assert (await olga.client.get(f"/operator{path}%00&before=%00")).status_code == 400


async def test_members_of_an_account_see_none_of_its_operators_page(world: World, olga: SignedIn):
    async with signed_in(world, "ada") as ada:
        await join(world, ada.person_id, olga.account_id, "owner")
        async with client_of(world, ada.person_id, olga.account_id) as (client, _):
            path = f"/operator/accounts/{olga.account_id}"
            assert (await client.get(path)).status_code == 404
            form = {"way": "give", "amount": "5", "reason": "mine"}
            assert (await client.post(f"{path}/credits", data=form)).status_code == 404
    account = await accounts.by_id(world.runtime.database, olga.account_id)
    assert account.available == 100_000


async def test_the_day_is_drawn_hour_by_hour(world: World):
    hours = [
        Hour(number=3, succeeded=30, failed=10, tests=5),
        Hour(number=23, succeeded=20, failed=0, tests=0),
    ]
    day = day_of(hours, world.clock() - timedelta(days=1))
    assert (day.succeeded, day.failed, day.tests, day.failed_percent) == (50, 10, 5, 17)
    third = day.bars[3]
    assert (third.label, third.x, third.good_height, third.bad_height) == ("15:00", 30, 75, 25)
    assert (third.good_y, third.bad_y) == (25, 0)
    assert day.bars[23].good_height == 50
    assert day.bars[0].good_height == 0
