"""Signing in with an OpenID Connect issuer: whole, and every way in which it must not work."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from tests.conftest import START, World
from tests.dashboard.oidc_issuer import CLIENT_ID, CLIENT_SECRET, Issuer, issuer
from tests.dashboard.signed_in import OURS, SignedIn, signed_in

from kinetoscope.accounts import passwords, people, sessions
from kinetoscope.accounts.people import SignUp
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import SettingInvalid
from kinetoscope.settings import Settings, load_settings

pytestmark = pytest.mark.anyio

SESSION, KEPT = "kinetoscope", "kinetoscope_oidc"


@pytest.fixture
def there() -> Iterator[Issuer]:
    with issuer(lambda: START) as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, there: Issuer) -> Settings:
    return load_settings(
        {
            "KINETOSCOPE_DATA_DIR": str(tmp_path / "data"),
            "KINETOSCOPE_PUBLIC_URL": "http://kinetoscope.test",
            "KINETOSCOPE_SIGN_UP": "open",
            "KINETOSCOPE_SIGN_UP_GRANT": "500",
            "KINETOSCOPE_REQUESTS_BURST": "1000000",
            "KINETOSCOPE_OIDC_ISSUER": there.address,
            "KINETOSCOPE_OIDC_CLIENT_ID": CLIENT_ID,
            "KINETOSCOPE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "KINETOSCOPE_OIDC_NAME": "Example Works",
        }
    )


@asynccontextmanager
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://kinetoscope.test",
        headers=OURS | {"Accept": "text/html"},
    ) as client:
        yield client


async def sent(client: httpx.AsyncClient, path: str = "/sign-in/oidc") -> str:
    """Begin, and return where the issuer is asked."""
    response = await client.get(path)
    assert response.status_code == 303
    return response.headers["Location"]


def back(there: Issuer, url: str) -> str:
    """Be signed in at the issuer, and return where that leads."""
    return there.authorize(dict(parse_qsl(urlsplit(url).query)))


async def came_back(
    there: Issuer, client: httpx.AsyncClient, begin: str = "/sign-in/oidc"
) -> httpx.Response:
    return await client.get(back(there, await sent(client, begin)))


async def nobody_got_in(world: World, client: httpx.AsyncClient, response: httpx.Response) -> None:
    assert response.status_code >= 400
    assert SESSION not in response.cookies
    assert SESSION not in client.cookies
    for table in ("session", "identity", "account"):
        assert await world.count(table) == 0, table


async def test_somebody_new_is_taken_in_and_comes_again(world: World, there: Issuer):
    async with browser(world) as client:
        page = await client.get("/sign-in?next=/tasks")
        assert 'href="/sign-in/oidc?next=/tasks"' in page.text
        assert "Continue with Example Works" in page.text
        url = await sent(client, "/sign-in/oidc?next=/tasks")
        asked = parse_qs(urlsplit(url).query)
        assert asked["redirect_uri"] == ["http://kinetoscope.test/sign-in/oidc/callback"]
        assert url.startswith(f"{there.address}/authorize?")
        response = await client.get(back(there, url))
        assert (response.status_code, response.headers["Location"]) == (303, "/tasks")
        assert KEPT not in client.cookies
        token = client.cookies[SESSION]
    database = world.runtime.database
    visitor = await sessions.visitor(database, token, world.clock())
    assert visitor is not None
    assert (visitor.email, visitor.person_name) == ("ada@example.com", "Ada Lovelace")
    assert (visitor.has_password, visitor.is_operator, visitor.role) == (False, False, "owner")
    assert visitor.available == world.runtime.settings.sign_up_grant == Credits(50_000)

    there.person["email"] = "another@example.com"  # the subject counts, not the address
    async with browser(world) as client:
        response = await came_back(there, client)
        assert (response.status_code, response.headers["Location"]) == (303, "/studio")
        again = await sessions.visitor(database, client.cookies[SESSION], world.clock())
    assert again is not None
    assert again.person_id == visitor.person_id
    assert (await world.count("person"), await world.count("identity")) == (1, 1)


async def test_an_address_is_taken_from_userinfo_where_the_token_has_none(
    world: World, there: Issuer
):
    there.in_userinfo_only = True
    async with browser(world) as client:
        response = await came_back(there, client)
        assert response.status_code == 303
    person = await people.by_email(world.runtime.database, "ada@example.com")
    assert person is not None
    assert person.name == "Ada Lovelace"


SPOILT: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "another attempt's"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "another client"},
    "no audience": {"aud": None},
    "audience shared, made for another": {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "audience shared, made for nobody": {"aud": [CLIENT_ID, "other"]},
    "issuer": {"iss": "https://issuer.invalid"},
    "expired": {"exp": int(START.timestamp()) - 31},
    "never expires": {"exp": None},
    "from tomorrow": {"iat": int((START + timedelta(days=1)).timestamp())},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
}


async def test_a_token_that_is_wrong_anywhere_signs_nobody_in(world: World, there: Issuer):
    for what, claims in SPOILT.items():
        there.spoil = claims
        async with browser(world) as client:
            response = await came_back(there, client)
            assert response.status_code == 403, what
            await nobody_got_in(world, client, response)
    assert len(there.exchanged) == len(SPOILT)
    there.spoil = {"aud": [CLIENT_ID]}  # as a list of one it is right
    async with browser(world) as client:
        assert (await came_back(there, client)).status_code == 303


async def test_a_token_that_anybody_could_make_signs_nobody_in(world: World, there: Issuer):
    for algorithm in ("none", "HS256"):
        there.algorithm = algorithm
        async with browser(world) as client:
            await nobody_got_in(world, client, await came_back(there, client))
    assert len(there.exchanged) == 2


async def test_a_token_of_another_issuers_key_signs_nobody_in(world: World, there: Issuer):
    there.signing_key = RSAKey.generate_key(2048, {"kid": "one"})
    async with browser(world) as client:
        await nobody_got_in(world, client, await came_back(there, client))


UNVERIFIED: list[dict[str, Any]] = [
    {"email_verified": False},
    {"email_verified": None},
    {"email_verified": 1},
    {"email": None},
    {"email": "no address"},
    {"email": "nul\0@example.com"},
]


async def test_without_an_address_that_was_verified_nobody_is_made(world: World, there: Issuer):
    good = there.person
    for claims in UNVERIFIED:
        there.person = {**good, **claims}
        async with browser(world) as client:
            await nobody_got_in(world, client, await came_back(there, client))
    assert len(there.exchanged) == len(UNVERIFIED)
    assert await world.count("person") == 0


async def test_only_the_browser_that_was_sent_there_comes_back(world: World, there: Issuer):
    """Another's state, none, a made-up one, one that is old, and one that was used."""
    async with browser(world) as mallory, browser(world) as client:
        others = back(there, await sent(mallory))
        await nobody_got_in(world, client, await client.get(others))  # kept nothing
        await sent(client)
        await nobody_got_in(world, client, await client.get(others))  # kept another
        client.cookies.set(KEPT, "bm9uc2Vuc2U=", domain="kinetoscope.test")
        await nobody_got_in(world, client, await client.get(others))
    async with browser(world) as client:
        url = back(there, await sent(client))
        world.clock.move(timedelta(minutes=10))
        await nobody_got_in(world, client, await client.get(url))
        assert there.exchanged == []


async def test_what_came_back_once_does_not_come_back_again(world: World, there: Issuer):
    async with browser(world) as client:
        url = back(there, await sent(client))
        kept = client.cookies[KEPT]
        assert (await client.get(url)).status_code == 303
        client.cookies.delete(SESSION)
        again = await client.get(url)
        assert again.status_code == 403
        # Even who kept the cookie gets nothing for a code that was used.
        client.cookies.set(KEPT, kept, domain="kinetoscope.test")
        again = await client.get(url)
        assert (again.status_code, SESSION in again.cookies) == (403, False)
    assert len(there.exchanged) == 1
    assert await world.count("session") == 1


async def test_a_cookie_of_another_purpose_opens_nothing(world: World, there: Issuer):
    """What we sealed for the issuer's way cannot be taken for anything else's, nor changed."""
    async with browser(world) as client:
        url = back(there, await sent(client))
        kept = client.cookies[KEPT]
        changed = kept[:-6] + ("A" if kept[-6] != "A" else "B") + kept[-5:]
        client.cookies.set(KEPT, changed, domain="kinetoscope.test")
        await nobody_got_in(world, client, await client.get(url))


async def test_an_answer_of_another_issuer_is_not_believed(world: World, there: Issuer):
    async with browser(world) as client:
        url = back(there, await sent(client))
        other = url.replace(f"iss={there.address.replace(':', '%3A').replace('/', '%2F')}", "iss=x")
        assert other != url
        await nobody_got_in(world, client, await client.get(other))
        url = back(there, await sent(client))
        await nobody_got_in(world, client, await client.get(url.partition("&iss=")[0]))
    assert there.exchanged == []


async def test_who_was_refused_there_is_told_so(world: World):
    async with browser(world) as client:
        state = parse_qs(urlsplit(await sent(client)).query)["state"][0]
        response = await client.get(
            "/sign-in/oidc/callback", params={"error": "access_denied", "state": state}
        )
        assert "not signed in there" in response.text
        await nobody_got_in(world, client, response)


async def test_an_address_alone_opens_nobodys_account(world: World, there: Issuer):
    """Whoever has the same address at the issuer is sent to sign in first."""
    asked = SignUp(
        email="Ada@example.com",
        name="Ada",
        password_hash=await passwords.hashed("a long enough secret"),
        client_ip=None,
    )
    await people.sign_up(world.runtime.database, asked, world.clock(), 10)
    async with browser(world) as client:
        response = await came_back(there, client)
        assert response.status_code == 403
        assert "Sign in with your password first" in response.text
        assert SESSION not in client.cookies
        assert (await world.count("session"), await world.count("identity")) == (0, 0)

        form = {"email": "ada@example.com", "password": "a long enough secret"}
        assert (await client.post("/sign-in", data=form)).status_code == 303
        wrong = await client.post("/settings/identities", data={"link_password": "not it"})
        assert (wrong.status_code, KEPT in wrong.cookies) == (422, False)
        response = await client.post("/settings/identities", data={"link_password": asked_for()})
        assert response.status_code == 200
        url = leaving(response)
        response = await client.get(back(there, url))
        assert (response.status_code, response.headers["Location"]) == (303, "/settings")
        ways = await client.get("/settings/ways")
        assert "ada@example.com" in ways.text
        assert "Unlink" in ways.text
    async with browser(world) as client:
        assert (await came_back(there, client)).status_code == 303
    assert (await world.count("person"), await world.count("identity")) == (1, 1)


def asked_for() -> str:
    return "a long enough secret"


def leaving(response: httpx.Response) -> str:
    """Return where the page that leads away leads."""
    return response.text.partition('content="0;url=')[2].partition('"')[0].replace("&amp;", "&")


async def test_a_link_goes_to_who_asked_for_it_and_to_nobody_else(world: World, there: Issuer):
    async with signed_in(world, "bea") as bea, signed_in(world, "cid") as cid:
        url = back(there, leaving(await bea.client.post("/settings/identities")))
        # Somebody else comes back in her place, with what her browser kept.
        cid.client.cookies.set(KEPT, bea.client.cookies[KEPT], domain="kinetoscope.test")
        assert (await cid.client.get(url)).status_code == 403
        assert await world.count("identity") == 0

        url = back(there, leaving(await bea.client.post("/settings/identities")))
        assert (await bea.client.get(url)).status_code == 303
        # The same subject signs in nobody else.
        url = back(there, leaving(await cid.client.post("/settings/identities")))
        response = await cid.client.get(url)
        assert (response.status_code, "somebody else" in response.text) == (403, True)
        await unlinked_by_its_person_alone(world, bea, cid)


async def unlinked_by_its_person_alone(world: World, bea: SignedIn, cid: SignedIn) -> None:
    page = (await bea.client.get("/settings/ways")).text
    path = page.partition('action="/settings/identities/')[2].partition('"')[0]
    assert path.endswith("/remove")
    assert (await cid.client.post(f"/settings/identities/{path}")).status_code == 404
    only = await bea.client.post(f"/settings/identities/{path}")
    assert (only.status_code, "only way" in only.text) == (409, True)
    assert await world.count("identity") == 1
    await people.set_password(world.runtime.database, bea.person_id, "hash", world.clock())
    assert (await bea.client.post(f"/settings/identities/{path}")).status_code == 303
    assert await world.count("identity") == 0


async def test_a_session_that_ended_meanwhile_is_not_linked(world: World, there: Issuer):
    async with signed_in(world, "bea") as bea:
        url = back(there, leaving(await bea.client.post("/settings/identities")))
        assert (await bea.client.post("/sign-out")).status_code == 303
        response = await bea.client.get(url)
        assert (response.status_code, await world.count("identity")) == (403, 0)


async def test_who_is_disabled_is_not_let_in(world: World, there: Issuer):
    async with browser(world) as client:
        assert (await came_back(there, client)).status_code == 303
    person = await people.by_email(world.runtime.database, "ada@example.com")
    assert person is not None
    await people.set_disabled(world.runtime.database, person.id, world.clock())
    async with browser(world) as client:
        response = await came_back(there, client)
        assert (response.status_code, SESSION in client.cookies) == (403, False)
    assert await world.count("session") == 0


async def test_where_one_is_invited_only_nobody_is_made(world: World, there: Issuer):
    closed = replace(world.runtime.settings, sign_up="invited")
    object.__setattr__(world.runtime, "settings", closed)
    async with browser(world) as client:
        response = await came_back(there, client)
        assert "by invitation only" in response.text
        await nobody_got_in(world, client, response)
    assert await world.count("person") == 0


async def test_an_issuer_that_is_away_or_another_is_told_of(world: World, there: Issuer):
    address, there.address = there.address, "https://issuer.invalid"
    async with browser(world) as client:
        response = await client.get("/sign-in/oidc")
        assert response.status_code == 502
        there.address = address
        gone = replace(world.runtime.settings, oidc_issuer="http://127.0.0.1:9")
        object.__setattr__(world.runtime, "settings", gone)
        response = await client.get("/sign-in/oidc")
        assert (response.status_code, "did not answer" in response.text) == (502, True)


async def test_without_an_issuer_there_is_no_such_way(world: World):
    off = replace(world.runtime.settings, oidc_issuer="")
    object.__setattr__(world.runtime, "settings", off)
    async with browser(world) as client:
        assert (await client.get("/sign-in/oidc")).status_code == 404
        assert (await client.get("/sign-in/oidc/callback")).status_code == 404
        assert "Continue with" not in (await client.get("/sign-in")).text


def test_an_issuer_without_our_name_there_stops_the_start():
    with pytest.raises(SettingInvalid, match="KINETOSCOPE_OIDC_CLIENT_ID"):
        load_settings({"KINETOSCOPE_OIDC_ISSUER": "https://issuer.example"})
