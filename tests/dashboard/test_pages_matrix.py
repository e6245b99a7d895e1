"""Every page against every kind of visitor: generated from what was added, so none is left out."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest
from tests.conftest import Person, World
from tests.dashboard.signed_in import OURS, SignedIn, client_of, join, signed_in
from tests.scripted import PICTURE, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.accounts import identities, invitations, keys, passwords, people, sessions
from kinetoscope.accounts.oidc import Proven
from kinetoscope.dashboard.pages import Page
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import Unauthenticated
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.ledger import payments
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

SESSION = "kinetoscope"

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What somebody has, which others must not reach."""

    person_id: str
    account_id: str
    ended: str
    running: str
    delivery_id: str
    key_id: str
    passkey_id: str
    identity_id: str
    session_id: str
    payment_id: str
    invitation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request for something of somebody's, good if its owner makes it."""

    path: str
    form: dict[str, str] = field(default_factory=dict)


Make = Callable[[Things], Example]

OBJECTS: dict[tuple[str, str], Make] = {
    ("POST", "/settings/identities/{id}/remove"): lambda its: Example(
        path=f"/settings/identities/{its.identity_id}/remove"
    ),
    ("POST", "/settings/passkeys/{id}/remove"): lambda its: Example(
        path=f"/settings/passkeys/{its.passkey_id}/remove"
    ),
    ("GET", "/studio/runs/{task_id}"): lambda its: Example(path=f"/studio/runs/{its.ended}"),
    ("POST", "/studio/runs/{task_id}/cancel"): lambda its: Example(
        path=f"/studio/runs/{its.running}/cancel"
    ),
    ("GET", "/webhooks/deliveries/{id}"): lambda its: Example(
        path=f"/webhooks/deliveries/{its.delivery_id}"
    ),
    ("POST", "/webhooks/deliveries/{id}/again"): lambda its: Example(
        path=f"/webhooks/deliveries/{its.delivery_id}/again"
    ),
    ("GET", "/tasks/{task_id}"): lambda its: Example(path=f"/tasks/{its.ended}"),
    ("GET", "/tasks/{task_id}/now"): lambda its: Example(path=f"/tasks/{its.ended}/now"),
    ("POST", "/tasks/{task_id}/cancel"): lambda its: Example(path=f"/tasks/{its.running}/cancel"),
    ("POST", "/tasks/{task_id}/delete"): lambda its: Example(path=f"/tasks/{its.ended}/delete"),
    ("POST", "/tasks/{task_id}/deliveries/{delivery_id}"): lambda its: Example(
        path=f"/tasks/{its.ended}/deliveries/{its.delivery_id}"
    ),
    ("GET", "/keys/{id}"): lambda its: Example(path=f"/keys/{its.key_id}"),
    ("POST", "/keys/{id}"): lambda its: Example(path=f"/keys/{its.key_id}", form={"name": "other"}),
    ("POST", "/keys/{id}/rotate"): lambda its: Example(
        path=f"/keys/{its.key_id}/rotate", form={"overlap": "0"}
    ),
    ("POST", "/keys/{id}/active"): lambda its: Example(
        path=f"/keys/{its.key_id}/active", form={"active": "no"}
    ),
    ("POST", "/keys/{id}/delete"): lambda its: Example(
        path=f"/keys/{its.key_id}/delete", form={"name": "key", "confirm": "key"}
    ),
    ("GET", "/billing/payments/{payment}"): lambda its: Example(
        path=f"/billing/payments/{its.payment_id}"
    ),
    ("GET", "/demo/{id}"): lambda its: Example(path=f"/demo/{its.ended}"),
}
"""For each page that names something of an account's or a person's: how its owner asks for it."""

NAMED_IN_FORMS: dict[tuple[str, str], Make] = {
    ("POST", "/settings/sessions/end"): lambda its: Example(
        path="/settings/sessions/end", form={"id": its.session_id}
    ),
    ("POST", "/members/withdraw"): lambda its: Example(
        path="/members/withdraw", form={"id": its.invitation_id}
    ),
    ("POST", "/members/role"): lambda its: Example(
        path="/members/role", form={"person": its.person_id, "role": "member"}
    ),
    ("POST", "/members/remove"): lambda its: Example(
        path="/members/remove", form={"person": its.person_id}
    ),
    ("POST", "/accounts/switch"): lambda its: Example(
        path="/accounts/switch", form={"account": its.account_id}
    ),
}
"""The same where a form names it."""

EVERYBODYS: dict[str, str] = {
    "/docs/{slug}": "/docs/quickstart",
    "/models/{id}": "/models/seedance-20",
    "/reference/{tag}": "/reference/tasks",
}
"""What is named in a path and belongs to nobody."""

OPERATORS: dict[str, Callable[[Things], str]] = {
    "/operator/accounts/{id}": lambda its: its.account_id,
    "/operator/people/{id}": lambda its: its.person_id,
    "/operator/tasks/{id}": lambda its: its.ended,
    "/operator/providers/{name}": lambda _: "fal",
}
"""Where operators see everybody's; what follows the name is the path of what they do with it."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def require_headers(response: httpx.Response) -> None:
    """Demand what every answer of a page carries, whatever it is."""
    where = f"{response.request.method} {response.request.url} {response.status_code}"
    for name, value in HEADERS.items():
        assert response.headers.get(name) == value, f"{where}: {name}"
    assert "access-control-allow-origin" not in response.headers, where
    assert response.status_code < 500, where


def pages_of(world: World, *who: str) -> list[Page]:
    added: list[Page] = world.app.state.pages.added
    return [page for page in added if not who or page.who in who]


def example_of(page: Page, things: Things) -> Example:
    """Return a request for a page; raises KeyError for one that is in no table."""
    route = page.method, page.path
    if route in OBJECTS:
        return OBJECTS[route](things)
    if route in NAMED_IN_FORMS:
        return NAMED_IN_FORMS[route](things)
    if page.path in EVERYBODYS:
        return Example(path=EVERYBODYS[page.path])
    for path, name in OPERATORS.items():
        if page.path == path or page.path.startswith(path + "/"):
            return Example(path=path.partition("{")[0] + name(things) + page.path[len(path) :])
    if "{" in page.path:
        raise KeyError(f"{page.method} {page.path} is in no table of this file")
    return Example(path=page.path)


async def things_of(world: World, person: SignedIn) -> Things:
    """Make one of everything that somebody can have."""
    database, now = world.runtime.database, world.clock()
    issued = await keys.create(
        database, person.account_id, "key", mode=KeyMode.LIVE, expires_at=None, now=now
    )
    key = Person(name=person.email, account_id=person.account_id, key=issued.text, key_id=issued.id)
    ended = await create(world, key, {**PICTURE, "callBackUrl": "https://hook.invalid/"})
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), ended)
    told = await world.client.get("/api/v1/webhooks/deliveries", headers=key.headers)
    payment = await payments.begin(
        database,
        person.account_id,
        person.person_id,
        bought=Credits(100_000),
        amount_minor=500,
        currency="usd",
        now=now,
    )
    who = Proven(issuer="https://issuer.example", subject=person.email, email="", name="")
    await identities.link(database, person.person_id, who, person.email, now)
    passkey_id = f"passkey_of_{person.email.partition('@')[0]}"
    await database.execute(
        """
        insert into passkey
          (credential_id, id, person_id, name, public_key, sign_count, created_at)
        values (%(name)s, %(id)s, %(person_id)s, 'Phone', '', 0, %(now)s)
        """,
        {
            "id": passkey_id,
            "name": passkey_id.encode(),
            "person_id": person.person_id,
            "now": now,
        },
    )
    email = f"friend-of-{person.email}"
    await invitations.invite(database, person.account_id, person.person_id, email, "member", now)
    (pending,) = await invitations.pending(database, person.account_id, now)
    (identity,) = await identities.listing(database, person.person_id)
    (session,) = await sessions.listing(database, person.person_id, now)
    return Things(
        person_id=person.person_id,
        account_id=person.account_id,
        ended=ended,
        running=await create(world, key, PICTURE),
        delivery_id=told.json()["deliveries"][0]["id"],
        key_id=issued.id,
        passkey_id=passkey_id,
        identity_id=identity.id,
        session_id=session.id,
        payment_id=payment.id,
        invitation_id=pending.id,
    )


async def ask(
    client: httpx.AsyncClient, page: Page, things: Things, headers: dict[str, str] | None = None
) -> httpx.Response:
    example = example_of(page, things)
    given = {} if page.method == "GET" else {"data": example.form}
    sent = {**(headers or {})} if example.form else {**FORM, **(headers or {})}
    response = await client.request(page.method, example.path, headers=sent, **given)  # type: ignore[arg-type]
    require_headers(response)
    return response


async def contents(world: World) -> dict[str, str]:
    """Return a digest of every table but that of paces, to see whether anything has changed."""
    async with world.runtime.database.connection() as connection:
        named = await connection.execute(
            "select tablename from pg_tables where schemaname = 'public' order by tablename"
        )
        tables = [row[0] for row in await named.fetchall() if row[0] != "request_pace"]
        each = " union all ".join(
            f"select '{table}', md5(string_agg(t::text, '|' order by t::text)) from {table} t"
            for table in tables
        )
        found = await (await connection.execute(each)).fetchall()
    return {row[0]: row[1] or "" for row in found}


@asynccontextmanager
async def stranger(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://kinetoscope.test",
        headers=OURS | {"Accept": "text/html"},
    ) as client:
        yield client


async def test_every_page_is_known_to_this_file(world: World):
    """A page that names something is in one of the tables, and what is in them is a page."""
    added = pages_of(world)
    assert len({(page.method, page.path) for page in added}) == len(added) >= 100
    assert {page.who for page in added} == {"anyone", "person", "owner", "operator"}
    assert {page.method for page in added} == {"GET", "POST"}
    for page in added:
        if page.path.startswith("/operator"):
            assert page.who == "operator", page
    nobodys = Things(**dict.fromkeys(Things.__dataclass_fields__, "x"))
    for page in added:
        example_of(page, nobodys)
    routes = {(page.method, page.path) for page in added}
    assert set(OBJECTS) <= routes
    assert set(NAMED_IN_FORMS) <= routes
    assert set(EVERYBODYS) <= {page.path for page in added}


OTHERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://kinetoscope.test"},
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "http://kinetoscope.test.evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"},
]
"""What another site's page, or its form, can have a browser send."""

ODD_FORMS = [
    {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"},
    {"Sec-Fetch-Site": "same-origin", "Content-Type": "multipart/form-data; boundary=x"},
]


async def test_nothing_is_changed_for_another_sites_page(world: World):
    """Asked in the name of who may do everything, with their own things."""
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        del vera.client.headers["Sec-Fetch-Site"]
        before = await contents(world)
        for page in pages_of(world):
            if page.method == "GET":
                continue
            odd = [] if page.takes_file else ODD_FORMS
            for headers in [*OTHERS, *odd]:
                response = await ask(vera.client, page, things, headers)
                assert response.status_code == 403, (page, headers)
                assert "set-cookie" not in response.headers
        after = await contents(world)
        assert after == before


async def test_a_page_without_a_session_leads_to_signing_in(world: World):
    async with signed_in(world, "vera") as vera, stranger(world) as client:
        await require_led_away(world, client, await things_of(world, vera))


async def require_led_away(world: World, client: httpx.AsyncClient, things: Things) -> None:
    """Demand that whoever asks is nobody, for every page that is not for anyone."""
    before = await contents(world)
    for page in pages_of(world, "person", "owner", "operator"):
        response = await ask(client, page, things)
        assert response.status_code == 303, page
        after = f"?next={quote(example_of(page, things).path)}" if page.method == "GET" else ""
        assert response.headers["Location"] == f"/sign-in{after}", page
        assert response.content == b""
    for page in pages_of(world, "person", "owner", "operator"):
        response = await ask(client, page, things, {"HX-Request": "true"})
        assert (response.status_code, response.headers["HX-Redirect"]) == (200, "/sign-in"), page
        assert response.content == b""
    assert await contents(world) == before


async def test_a_session_that_ended_opens_nothing(world: World):
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        await sessions.end(world.runtime.database, vera.person_id, things.session_id)
        await require_led_away(world, vera.client, things)


async def test_a_session_that_nobody_used_for_half_a_day_opens_nothing(world: World):
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        world.clock.move(sessions.IDLE - timedelta(seconds=1))
        assert (await vera.client.get("/settings")).status_code == 200
        world.clock.move(timedelta(hours=12))
        await require_led_away(world, vera.client, things)


async def test_a_session_ends_after_a_week_however_much_it_is_used(world: World):
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        for _ in range(167):
            world.clock.move(timedelta(hours=1))
            assert (await vera.client.get("/palette")).status_code == 200
        assert (await vera.client.get("/settings")).status_code == 200
        world.clock.move(timedelta(hours=1))
        await require_led_away(world, vera.client, things)


async def test_who_is_disabled_is_nobody_from_then_on_and_stays_out_when_let_in_again(world: World):
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        database, person_id = world.runtime.database, vera.person_id
        await people.set_disabled(database, person_id, world.clock())
        await require_led_away(world, vera.client, things)
        with pytest.raises(Unauthenticated):  # who has just shown their password
            async with client_of(world, vera.person_id, vera.account_id):
                pass
        await people.set_disabled(database, person_id, None)
        assert (await vera.client.get("/settings")).status_code == 303


async def test_who_was_removed_from_an_account_acts_for_it_no_more(world: World):
    async with signed_in(world, "vera") as vera, signed_in(world, "bea") as bea:
        things = await things_of(world, vera)
        await join(world, bea.person_id, vera.account_id, "member")
        async with client_of(world, bea.person_id, vera.account_id) as (client, _):
            assert (await client.get(f"/tasks/{things.ended}")).status_code == 200
            form = {"person": bea.person_id}
            assert (await vera.client.post("/members/remove", data=form)).status_code == 303
            await require_out_of_reach(world, client, things, vera)


async def test_what_owners_do_members_may_not(world: World):
    async with signed_in(world, "vera") as vera, signed_in(world, "bea") as bea:
        things = await things_of(world, vera)
        await join(world, bea.person_id, vera.account_id, "member")
        async with client_of(world, bea.person_id, vera.account_id) as (client, _):
            before = await contents(world)
            asked = 0
            for page in pages_of(world, "owner"):
                assert (await ask(client, page, things)).status_code == 403, page
                asked += 1
            assert await contents(world) == before
    assert asked >= 15


async def test_what_operators_do_is_not_there_for_anybody_else(world: World):
    async with signed_in(world, "vera") as vera:
        things = await things_of(world, vera)
        before = await contents(world)
        for page in pages_of(world, "operator"):
            assert (await ask(vera.client, page, things)).status_code == 404, page
        assert await contents(world) == before
        await people.set_operator(world.runtime.database, vera.email, is_operator=True)
        for page in pages_of(world, "operator"):
            if page.method == "GET":
                assert (await ask(vera.client, page, things)).status_code == 200, page
        await people.set_operator(world.runtime.database, vera.email, is_operator=False)
        assert (await vera.client.get("/operator")).status_code == 404


async def test_nobody_reaches_what_is_anothers(world: World):
    """An owner of another account, who knows every name."""
    async with signed_in(world, "vera") as vera, signed_in(world, "mallory") as mallory:
        things = await things_of(world, vera)
        await require_out_of_reach(world, mallory.client, things, vera)
        # What was refused is there, and its owner gets it.
        for page in pages_of(world, "person", "owner"):
            if (page.method, page.path) in OBJECTS and page.method == "GET":
                assert (await ask(vera.client, page, things)).status_code == 200, page


async def require_out_of_reach(
    world: World, client: httpx.AsyncClient, things: Things, owner: SignedIn
) -> None:
    """Demand that somebody else gets nothing of an owner's, and changes nothing of it."""
    before = await contents(world)
    for page in pages_of(world, "anyone", "person", "owner"):
        if (page.method, page.path) in OBJECTS | NAMED_IN_FORMS:
            response = await ask(client, page, things)
            assert response.status_code in {403, 404}, page
            for secret in (owner.email, owner.account_id, things.delivery_id):
                assert secret not in response.text, page
    assert await contents(world) == before


async def test_looking_changes_nothing(world: World):
    """What changes something is a POST; only a link to sign in and the issuer's answer are not."""
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        assert (await vera.client.get("/studio")).status_code == 200  # makes the studio's key
        before = await contents(world)
        for page in pages_of(world):
            if page.method == "GET":
                assert (await ask(vera.client, page, things)).status_code < 500
                assert await contents(world) == before, page


ODD = [
    "nul\0",
    "\ud7ff\U0010ffff",
    "x" * 3000,
    "-1",
    "99999999999999999999",
    "' or 1=1 --",
    "{{7*7}}",
]

QUERIES = ["after", "before", "page", "q", "status", "model", "key", "from", "to", "day", "kind"]


async def test_odd_text_breaks_no_page(world: World):
    """In an address, in its query, in every field: a refusal at most."""
    broken = []
    async with signed_in(world, "vera", is_operator=True) as vera:
        things = await things_of(world, vera)
        for page in pages_of(world):
            example = example_of(page, things)
            for odd in ODD:
                named = re.sub(r"\{\w+\}", quote(odd[:200], safe=""), page.path)
                for path in {named, example.path} - {"/sign-out"}:
                    query = dict.fromkeys(QUERIES, odd) if page.method == "GET" else {}
                    form = dict.fromkeys([*FIELDS, *example.form], odd)
                    given = {"params": query} if page.method == "GET" else {"data": form}
                    response = await vera.client.request(page.method, path, **given)  # type: ignore[arg-type]
                    if response.status_code >= 500:
                        broken.append((page.method, path, odd[:20]))
        assert (await vera.client.get("/settings")).status_code == 200
    assert broken == []


FIELDS = [
    "account",
    "active",
    "amount",
    "answer",
    "credits",
    "cursor",
    "days",
    "email",
    "expires",
    "expires_at",
    "hold",
    "id",
    "inputs",
    "key",
    "link_password",
    "mode",
    "model",
    "name",
    "next",
    "overlap",
    "pack",
    "passkey_name",
    "passkey_password",
    "password",
    "person",
    "present",
    "prompt",
    "reason",
    "role",
    "scopes",
    "text",
    "threshold",
    "title",
    "token",
    "url",
    "version",
]
"""What forms call their fields; those that a page does not know are nothing to it."""


async def test_lists_and_pages_tell_nothing_of_others(world: World):
    async with signed_in(world, "vera") as vera, signed_in(world, "mallory") as mallory:
        things = await things_of(world, vera)
        for page in pages_of(world, "anyone", "person", "owner"):
            if page.method == "GET" and "{" not in page.path:
                response = await ask(mallory.client, page, things)
                assert response.status_code in {200, 303, 404}, page
                for secret in (
                    vera.email,
                    vera.account_id,
                    things.ended,
                    things.delivery_id,
                    things.key_id,
                    things.payment_id,
                ):
                    assert secret not in response.text, page


async def test_pages_for_anyone_are_the_same_without_a_session(world: World):
    async with signed_in(world, "vera") as vera, stranger(world) as client:
        things = await things_of(world, vera)
        for page in pages_of(world, "anyone"):
            response = await ask(client, page, things)
            assert response.status_code < 500, page
            assert vera.email not in response.text
            head = await client.head(example_of(page, things).path)
            if page.method == "GET":
                require_headers(head)
                assert head.content == b""


async def test_a_page_that_there_is_none_of_has_the_same_headers(world: World):
    async with signed_in(world, "vera") as vera:
        response = await vera.client.get("/no-such-page")
        assert response.status_code == 404
        require_headers(response)


PASSWORD = "a long enough secret"


async def test_a_sessions_cookie_is_out_of_reach(world: World):
    async with stranger(world) as client:
        form = {"name": "Vera", "email": "vera@example.com", "password": PASSWORD}
        response = await client.post("/sign-up", data=form)
    assert attributes(response, SESSION) == {
        "HttpOnly",
        "Max-Age=604800",
        "Path=/",
        "SameSite=lax",
    }
    assert "Strict-Transport-Security" not in response.headers


async def test_over_tls_a_sessions_cookie_is_bound_to_it_and_to_this_host(world: World):
    object.__setattr__(world.runtime.settings, "public_url", "https://kinetoscope.test")
    async with stranger(world) as client:
        client.base_url = httpx.URL("https://kinetoscope.test")
        form = {"name": "Vera", "email": "vera@example.com", "password": PASSWORD}
        response = await client.post("/sign-up", data=form)
        assert attributes(response, "__Host-kinetoscope") == {
            "HttpOnly",
            "Max-Age=604800",
            "Path=/",
            "SameSite=lax",
            "Secure",
        }
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert (await client.get("/settings")).status_code == 200
        # A cookie without the prefix, which another host of the domain could set, is nobody's.
        token = client.cookies["__Host-kinetoscope"]
        client.cookies.clear()
        client.cookies.set(SESSION, token, domain="kinetoscope.test")
        assert (await client.get("/settings")).status_code == 303
        client.cookies.set("__Host-kinetoscope", token, domain="kinetoscope.test")
        out = await client.post("/sign-out")
        assert {"Secure", "HttpOnly", "Max-Age=0"} <= attributes(out, "__Host-kinetoscope")


def attributes(response: httpx.Response, name: str) -> set[str]:
    """Return what is said of a cookie that was set."""
    (cookie,) = [
        line for line in response.headers.get_list("set-cookie") if line.startswith(f"{name}=")
    ]
    return {part for part in cookie.split("; ")[1:] if not part.startswith("expires=")}


async def test_who_signs_in_gets_a_new_session_and_the_one_before_ends(world: World):
    database = world.runtime.database
    async with signed_in(world, "vera") as vera:
        stored = await passwords.hashed(PASSWORD)
        await people.set_password(database, vera.person_id, stored, world.clock())
        form = {"email": vera.email, "password": PASSWORD}
        response = await vera.client.post("/sign-in", data=form)
        token = response.cookies[SESSION]
        assert token != vera.token
        assert await sessions.visitor(database, vera.token, world.clock()) is None
        visitor = await sessions.visitor(database, token, world.clock())
        assert visitor is not None
    async with stranger(world) as client:
        # A token that somebody else has chosen for them is never theirs.
        client.cookies.set(SESSION, "chosen-by-mallory", domain="kinetoscope.test")
        response = await client.post("/sign-in", data=form)
        assert response.cookies[SESSION] != "chosen-by-mallory"
    assert await sessions.visitor(database, "chosen-by-mallory", world.clock()) is None
    async with database.connection() as connection:
        rows = await (await connection.execute("select * from session")).fetchall()
    assert len(rows) == 2
    assert token not in str(rows)


async def test_signing_out_ends_the_session_and_does_so_twice(world: World):
    async with signed_in(world, "vera") as vera, stranger(world) as client:
        for _ in range(2):
            response = await vera.client.post("/sign-out")
            assert (response.status_code, response.headers["Location"]) == (303, "/")
            assert {"HttpOnly", "Max-Age=0"} <= attributes(response, SESSION)
        assert await world.count("session") == 0
        assert (await client.post("/sign-out")).status_code == 303
