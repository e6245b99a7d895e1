"""Signing in and up: what slows guessers down, what links do, and what forms cannot do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal

import httpx
import pytest
from argon2 import PasswordHasher
from tests.conftest import World
from tests.dashboard.signed_in import OURS
from typing_extensions import override

from kinetoscope.accounts import passwords, people, sessions, signing_in
from kinetoscope.accounts.people import PersonId, SignUp
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.errors import NotFound, RateLimited, Unauthenticated

pytestmark = pytest.mark.anyio

PASSWORD = "a long enough secret"
WRONG = "The e-mail address or the password is not right"
SESSION = "kinetoscope"


class Counting(PasswordHasher):
    """The hasher that is used, which counts how often; a quick one where a test asks often."""

    def __init__(self, memory_kib: int = 19 * 1024) -> None:
        super().__init__(time_cost=2, memory_cost=memory_kib, parallelism=1)
        self.compared: list[str] = []

    @override
    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.compared.append(str(hash))
        return super().verify(hash, password)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    made = Counting()
    monkeypatch.setattr(passwords, "HASHER", made)
    return made


async def somebody(world: World, email: str, password: str | None = PASSWORD) -> PersonId:
    stored = None if password is None else await passwords.hashed(password)
    asked = SignUp(email=email, name="Somebody", password_hash=stored, client_ip=None)
    made = await people.sign_up(world.runtime.database, asked, world.clock(), 1000)
    return made.person_id


@asynccontextmanager
async def browser(world: World, address: str = "192.0.2.1") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(
        app=world.app, raise_app_exceptions=False, client=(address, 4000)
    )
    async with httpx.AsyncClient(
        transport=transport,
        base_url="http://kinetoscope.test",
        headers=OURS | {"Accept": "text/html"},
    ) as client:
        yield client


async def attempt(
    client: httpx.AsyncClient, email: str, password: str, next_path: str = ""
) -> httpx.Response:
    form = {"email": email, "password": password, "next": next_path}
    return await client.post("/sign-in", data=form)


async def test_the_right_password_signs_in_however_the_address_is_written(world: World):
    person_id = await somebody(world, "Ada@Example.com")
    async with browser(world) as client:
        for email in ("Ada@Example.com", " ada@example.COM "):
            response = await attempt(client, email, PASSWORD, "/tasks?status=fail")
            assert (response.status_code, response.headers["Location"]) == (
                303,
                "/tasks?status=fail",
            )
        token = client.cookies[SESSION]
    visitor = await sessions.visitor(world.runtime.database, token, world.clock())
    assert visitor is not None
    assert visitor.person_id == person_id


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\r\nX: y",
    ],
)
async def test_signing_in_leads_nowhere_else(world: World, path: str):
    await somebody(world, "ada@example.com")
    async with browser(world) as client:
        response = await attempt(client, "ada@example.com", PASSWORD, path)
        assert (response.status_code, response.headers["Location"]) == (303, "/studio")
        asked = await client.get("/sign-in", params={"next": path})
        assert asked.headers["Location"] == "/studio"


async def test_after_five_failures_each_try_waits_twice_as_long(world: World):
    await somebody(world, "ada@example.com")
    async with browser(world) as client:
        for _ in range(5):
            assert (await attempt(client, "ada@example.com", "wrong")).status_code == 422
        for delay_s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
            world.clock.move(timedelta(seconds=delay_s, milliseconds=-1))
            # Too soon, the right one is not even looked at.
            early = await attempt(client, "ada@example.com", PASSWORD)
            assert (early.status_code, "Try again in" in early.text) == (429, True)
            world.clock.move(timedelta(milliseconds=1))
            assert (await attempt(client, "ADA@example.com", "wrong")).status_code == 422
        world.clock.move(timedelta(minutes=15))
        assert (await attempt(client, "ada@example.com", PASSWORD)).status_code == 303
        # Who got in starts anew.
        for _ in range(5):
            assert (await attempt(client, "ada@example.com", "wrong")).status_code == 422


async def test_a_day_later_failures_are_forgotten(world: World):
    await somebody(world, "ada@example.com")
    async with browser(world) as client:
        for _ in range(5):
            assert (await attempt(client, "ada@example.com", "wrong")).status_code == 422
        world.clock.move(timedelta(hours=24, seconds=1))
        for _ in range(5):
            assert (await attempt(client, "ada@example.com", "wrong")).status_code == 422
    world.clock.move(timedelta(hours=24, seconds=1))
    await signing_in.forget_old(world.runtime.database, world.clock())
    assert await world.count("sign_in_failure") == 0


async def test_ten_thousand_guesses_in_an_hour_are_hardly_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """From a hundred addresses; whoever guesses gains nothing by more of them."""
    counting = Counting(memory_kib=64)
    monkeypatch.setattr(passwords, "HASHER", counting)
    await somebody(world, "ada@example.com")
    database = world.runtime.database

    async def guess(number: int) -> str:
        try:
            await signing_in.by_password(database, "ada@example.com", f"{number}", world.clock())
        except (Unauthenticated, RateLimited) as error:
            return type(error).__name__
        return "let in"

    told: list[str] = []
    for batch in range(500):
        told += await asyncio.gather(*(guess(batch * 20 + number) for number in range(20)))
        world.clock.move(timedelta(seconds=7.2))
    assert len(told) == 10_000
    assert "let in" not in told
    assert 10 <= len(counting.compared) == told.count("Unauthenticated") <= 100
    statuses = []
    for number in range(100):
        async with browser(world, f"198.51.100.{number}") as client:
            statuses.append((await attempt(client, "ada@example.com", "guess")).status_code)
    assert statuses.count(429) >= 99


async def test_who_is_guessed_at_still_gets_in_by_a_link(world: World):
    person_id = await somebody(world, "ada@example.com")
    async with browser(world) as client:
        for _ in range(5):
            await attempt(client, "ada@example.com", "wrong")
        assert (await attempt(client, "ada@example.com", PASSWORD)).status_code == 429
        token = await signing_in.make_link(world.runtime.database, person_id, world.clock())
        response = await client.get("/welcome", params={"token": token})
        assert (response.status_code, SESSION in client.cookies) == (303, True)


async def test_whether_there_is_anybody_shows_nowhere(world: World, counting: Counting):
    """The same words, the same status, the same work: for a stranger's address and each kind."""
    await somebody(world, "ada@example.com")
    await somebody(world, "nopassword@example.com", None)
    disabled = await somebody(world, "disabled@example.com")
    await people.set_disabled(world.runtime.database, disabled, world.clock())
    counting.compared.clear()
    said = set()
    addresses = ("ada@", "nobody@", "nopassword@", "disabled@")
    for number, address in enumerate(addresses, 1):
        email = f"{address}example.com"
        password = PASSWORD if address == "disabled@" else "wrong"
        async with browser(world) as client:
            for _ in range(5):
                response = await attempt(client, email, password)
                said.add((response.status_code, response.text.replace(email, "")))
            response = await attempt(client, email, password)
            assert response.status_code == 429
            assert SESSION not in client.cookies
        assert len(counting.compared) == 5 * number
    assert len(said) == 1
    assert WRONG in said.pop()[1]
    parameters = {each.rpartition("$")[0].rpartition("$")[0] for each in counting.compared}
    assert len(parameters) == 1  # the same algorithm, memory and rounds each time


async def test_what_was_typed_as_an_address_is_kept_nowhere(world: World):
    """People type their password there; only a hash of it says that it was tried."""
    async with browser(world) as client:
        await attempt(client, "hunter2 is my password", "x")
    async with world.runtime.database.connection() as connection:
        rows = await (await connection.execute("select * from sign_in_failure")).fetchall()
    assert len(rows) == 1
    assert "hunter2" not in str(rows)


async def test_what_no_database_reads_is_no_fault_of_ours(world: World):
    async with browser(world) as client:
        for email, status in (("nul\0@example.com", 400), ("x" * 100_000, 422), ("\ud7ff@b", 422)):
            assert (await attempt(client, email, "wrong")).status_code == status
            form = {"name": "Nul", "email": email, "password": PASSWORD}
            assert (await client.post("/sign-up", data=form)).status_code == status
        response = await client.post("/sign-in", content=b"email=%ff", headers=FORM)
        assert response.status_code == 400
    assert await world.count("person") == 0


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_hash_of_less_effort_is_made_anew(world: World):
    person_id = await somebody(world, "ada@example.com", None)
    database = world.runtime.database
    weaker = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    await people.set_password(database, person_id, weaker, world.clock())
    async with browser(world) as client:
        assert (await attempt(client, "ada@example.com", PASSWORD)).status_code == 303
    person = await people.by_id(database, person_id)
    assert person.password_hash is not None
    assert person.password_hash != weaker
    assert not passwords.is_outdated(person.password_hash)


# Links


async def link_of(world: World, email: str = "ada@example.com") -> str:
    person = await people.by_email(world.runtime.database, email)
    person_id = await somebody(world, email) if person is None else person.id
    token = await signing_in.make_link(world.runtime.database, person_id, world.clock())
    return f"/welcome?token={token}"


async def test_a_link_signs_in_once(world: World):
    path = await link_of(world)
    async with browser(world) as client, browser(world) as other:
        response = await client.get(path)
        assert (response.status_code, response.headers["Location"]) == (303, "/studio")
        assert SESSION in client.cookies
        again = await other.get(path)
        assert (again.status_code, SESSION in other.cookies) == (404, False)
        assert "has been used, or has expired" in again.text


async def test_of_many_at_once_a_link_lets_one_in(world: World):
    database = world.runtime.database
    token = (await link_of(world)).partition("=")[2]

    async def use() -> bool:
        try:
            await signing_in.by_link(database, token, world.clock())
        except NotFound:
            return False
        return True

    assert (await asyncio.gather(*(use() for _ in range(20)))).count(True) == 1


async def test_a_link_is_good_for_a_day(world: World):
    path = await link_of(world)
    world.clock.move(timedelta(hours=24, seconds=-1))
    async with browser(world) as client:
        assert (await client.get(path)).status_code == 303
    path = await link_of(world)
    world.clock.move(timedelta(hours=24))
    async with browser(world) as client:
        assert ((await client.get(path)).status_code, SESSION in client.cookies) == (404, False)
        assert (await client.post("/welcome", data={"token": path[15:]})).status_code == 404


LOOKS: list[tuple[str, dict[str, str]]] = [
    ("GET", {"Sec-Fetch-Site": "cross-site"}),
    ("GET", {"Sec-Fetch-Site": "same-site"}),
    ("GET", {"Sec-Fetch-Site": "none", "Sec-Purpose": "prefetch;prerender"}),
    ("GET", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}),
    ("GET", {"Sec-Fetch-Site": ""}),  # a program that looks what is behind a link
    ("HEAD", {"Sec-Fetch-Site": "none"}),
]


async def test_a_link_is_not_used_up_by_a_look(world: World):
    """Another site's page, a program, a browser that loads ahead: each only sees a button."""
    path = await link_of(world)
    for method, headers in LOOKS:
        async with browser(world) as client:
            if not headers["Sec-Fetch-Site"]:
                del client.headers["Sec-Fetch-Site"]
                headers = {}  # noqa: PLW2901
            response = await client.request(method, path, headers=headers)
            assert (response.status_code, SESSION in client.cookies) == (200, False)
            assert ('action="/welcome"' in response.text) == (method == "GET")
    assert await world.count("session") == 0
    async with browser(world) as client:
        response = await client.post("/welcome", data={"token": path.partition("=")[2]})
        assert (response.status_code, SESSION in client.cookies) == (303, True)


async def test_a_link_lets_nobody_in_who_is_disabled(world: World):
    path = await link_of(world)
    person = await people.by_email(world.runtime.database, "ada@example.com")
    assert person is not None
    await people.set_disabled(world.runtime.database, person.id, world.clock())
    async with browser(world) as client:
        assert ((await client.get(path)).status_code, SESSION in client.cookies) == (404, False)


async def test_old_links_are_forgotten(world: World):
    await link_of(world)
    world.clock.move(timedelta(days=2, seconds=1))
    await signing_in.forget_old(world.runtime.database, world.clock())
    assert await world.count("sign_in_link") == 0


# Signing up


def form_of(name: str, /, **other: str) -> dict[str, str]:
    return {"name": name, "email": f"{name}@example.com", "password": PASSWORD} | other


async def test_signing_up_makes_an_account_of_ones_own_with_what_is_given(world: World):
    async with browser(world) as client:
        response = await client.post("/sign-up", data=form_of("ada"))
        assert (response.status_code, response.headers["Location"]) == (303, "/studio")
        token = client.cookies[SESSION]
    visitor = await sessions.visitor(world.runtime.database, token, world.clock())
    assert visitor is not None
    assert (visitor.role, visitor.is_operator, visitor.available) == ("owner", False, 50_000)
    assert (await world.count("ledger_entry"), await world.count("member")) == (1, 1)


async def test_one_network_signs_up_so_often_an_hour_also_all_at_once(world: World):
    limit = world.runtime.settings.sign_ups_per_hour

    async def come(address: str, name: str) -> int:
        async with browser(world, address) as client:
            return (await client.post("/sign-up", data=form_of(name))).status_code

    many = [come(f"192.0.2.{number}", f"a{number}") for number in range(limit + 6)]
    statuses = await asyncio.gather(*many)
    assert (statuses.count(303), statuses.count(429)) == (limit, 6)
    assert await world.count("person") == await world.count("account") == limit
    assert await come("198.51.100.1", "b") == 303
    assert await come("2001:db8:1::1", "c") == 303
    world.clock.move(timedelta(hours=1))
    assert await come("192.0.2.7", "d") == 303


async def test_those_who_come_at_once_are_counted_one_by_one(world: World):
    async def come(number: int) -> bool:
        asked = SignUp(
            email=f"p{number}@example.com",
            name="Somebody",
            password_hash=None,
            client_ip=f"2001:db8:7:{number}::1",
        )
        try:
            await people.sign_up(world.runtime.database, asked, world.clock(), 5)
        except RateLimited:
            return False
        return True

    assert (await asyncio.gather(*map(come, range(40)))).count(True) == 5
    assert await world.count("person") == await world.count("member") == 5


async def test_of_one_address_there_is_one_person(world: World):
    async with browser(world) as client:
        assert (await client.post("/sign-up", data=form_of("ada"))).status_code == 303
    async with browser(world) as client:
        taken = await client.post("/sign-up", data=form_of("ada", email="ADA@example.com"))
        assert (taken.status_code, "is here already" in taken.text) == (409, True)
        assert SESSION not in client.cookies

    async def come() -> int:
        async with browser(world) as client:
            return (await client.post("/sign-up", data=form_of("bea"))).status_code

    statuses = await asyncio.gather(*(come() for _ in range(5)))
    assert (statuses.count(303), statuses.count(409)) == (1, 4)
    assert await world.count("person") == await world.count("account") == 2


async def test_where_one_is_invited_only_nobody_signs_up(world: World):
    object.__setattr__(world.runtime.settings, "sign_up", "invited")
    async with browser(world) as client:
        assert "By invitation" in (await client.get("/sign-up")).text
        assert (await client.post("/sign-up", data=form_of("ada"))).status_code == 404
        assert "Sign up" not in (await client.get("/sign-in")).text
    assert await world.count("person") == 0


BAD = [
    form_of("ada", name=""),
    form_of("ada", name="x" * 81),
    form_of("ada", email="ada"),
    form_of("ada", email="ada@"),
    form_of("ada", email="a b@example.com"),
    form_of("ada", email="<b>@example.com"),
    form_of("ada", password="too short"),
    form_of("ada", password="x" * 257),
    form_of("ada", password="password123"),
    form_of("ada", password="ADA@example.com"),
    {},
]


async def test_what_is_filled_in_wrongly_is_told_and_makes_nobody(world: World):
    async with browser(world) as client:
        for form in BAD:
            response = await client.post("/sign-up", data=form)
            assert response.status_code == 422, form
            assert 'role="alert"' in response.text
            if len(form.get("password", "")) > 7:
                assert form["password"] not in response.text.replace(form["email"], "")
    assert (await world.count("person"), await world.count("account")) == (0, 0)


FORBIDDEN = {
    **dict.fromkeys(
        ["is_operator", "isOperator", "operator", "admin", "is_admin", "owner"], "true"
    ),
    **dict.fromkeys(["available", "held", "spent", "granted", "credits", "balance"], "999999999"),
    **dict.fromkeys(["amount", "sign_up_grant", "tasks_running_max", "cap"], "999999999"),
    **dict.fromkeys(["id", "person_id", "account_id", "account", "session_id"], "local"),
    **dict.fromkeys(["role", "who", "scopes", "mode"], "owner"),
    **dict.fromkeys(["disabled_at", "created_at", "expires_at", "now", "seen_at"], "2000-01-01"),
    **dict.fromkeys(["password_hash", "password_changed_at", "has_password", "hash"], "x"),
    **dict.fromkeys(["network", "address", "client_ip", "user_agent", "title"], "192.0.2.9"),
    **dict.fromkeys(["api_access", "is_studio", "legal_hold", "active", "verified"], "true"),
    **dict.fromkeys(["person[is_operator]", "account[available]", "__proto__[x]", "_method"], "1"),
    **dict.fromkeys(["visitor", "visitor.is_operator", "settings.sign_up", "runtime"], "1"),
}


async def test_fields_that_no_form_has_change_nothing(world: World):
    assert len(FORBIDDEN) >= 50
    local = await world.person("local")
    async with browser(world) as client:
        response = await client.post("/sign-up", data=FORBIDDEN | form_of("ada"))
        assert response.status_code == 303
        await require_ordinary(world, client)
        response = await client.post("/settings/name", data=FORBIDDEN | {"name": "Ada L"})
        assert response.status_code == 303
        await require_ordinary(world, client, "Ada L")
    async with browser(world) as client:
        response = await client.post(
            "/sign-in", data=FORBIDDEN | {"email": "ada@example.com", "password": PASSWORD}
        )
        assert response.status_code == 303
        await require_ordinary(world, client, "Ada L")
    available, *_ = await world.balance(local)
    assert available == Credits(100_000)
    assert (await world.count("person"), await world.count("account")) == (1, 2)


async def require_ordinary(world: World, client: httpx.AsyncClient, name: str = "ada") -> None:
    """Demand that who is signed in is nobody special."""
    visitor = await sessions.visitor(world.runtime.database, client.cookies[SESSION], world.clock())
    assert visitor is not None
    assert (visitor.is_operator, visitor.available, visitor.held) == (False, 50_000, 0)
    assert (visitor.person_name, visitor.account_title) == (name, "ada@example.com")
    assert (visitor.tasks_running_max, visitor.role, visitor.accounts) == (50, "owner", 1)
    person = await people.by_id(world.runtime.database, visitor.person_id)
    assert (person.disabled_at, person.created_at) == (None, world.clock())
    assert (await client.get("/operator")).status_code == 404


async def test_a_form_of_more_fields_than_any_has_is_not_read(world: World):
    async with browser(world) as client:
        fields = {f"field{number}": "x" for number in range(400)}
        assert (await client.post("/sign-up", data=fields | form_of("ada"))).status_code == 400
        large = form_of("ada", more="x" * 300_000)
        assert (await client.post("/sign-up", data=large)).status_code == 413
    assert await world.count("person") == 0
