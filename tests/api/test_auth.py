"""Who may come in: both routes, every way a key can be wrong, in the contract's exact words."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product

import httpx
import pytest
from tests.conftest import START, Person, World
from tests.scripted import PATH_CREATE, PATH_RECORD, VIDEO, create

from kinetoscope.accounts import accounts, keys, opening
from kinetoscope.kernel.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import KeyMode, checksum, issue_key, parse_key
from kinetoscope.server import create_app
from kinetoscope.wiring import build_runtime

pytestmark = pytest.mark.anyio

MISSING = "Missing Authorization header"
INVALID = "Invalid API Key"
INACTIVE = "API Key is inactive"
EXPIRED = "API Key has expired"
NO_ACCESS = "API access not enabled for this account"

SOME_TASK = "task_0123456789abcdefghijklmn"
GOOD_SHAPE = issue_key(KeyMode.LIVE).text


@dataclass(frozen=True)
class Route:
    name: str
    scope: str
    opened: int
    """What a good key gets here: createTask makes a task, recordInfo finds none."""

    async def ask(self, world: World, headers: dict[str, str] | None) -> httpx.Response:
        if self.name == "createTask":
            return await world.client.post(PATH_CREATE, json=VIDEO, headers=headers)
        return await world.client.get(PATH_RECORD, params={"taskId": SOME_TASK}, headers=headers)


CREATE = Route("createTask", "tasks:write", 200)
RECORD = Route("recordInfo", "tasks:read", 404)
ROUTES = pytest.mark.parametrize("route", [CREATE, RECORD], ids=["createTask", "recordInfo"])


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def assert_refused(response: httpx.Response, status: int, message: str) -> None:
    assert (response.status_code, response.json()) == (status, {"message": message})
    assert response.headers["content-type"] == "application/json"
    challenge = response.headers.get("www-authenticate")
    assert challenge == ("Bearer" if status == 401 else None)


async def assert_nothing_made(world: World, person: Person) -> None:
    assert await world.balance(person) == (1000_00, 0, 0, 0)
    assert await world.count("task") == 0
    assert await world.count("ledger_entry") == 1
    assert await world.count("procrastinate_jobs") == 0


async def change_key(world: World, person: Person, change: str) -> None:
    async with world.runtime.database.connection() as connection:
        await connection.execute(f"update api_key set {change} where id = %s", (person.key_id,))


@ROUTES
async def test_every_way_a_key_can_be_wrong_has_its_exact_words(world: World, route: Route):
    alice = await world.person("alice")
    body, check = alice.key[:-6], alice.key[-6:]
    secret = body[-43:]
    other_secret = issue_key(KeyMode.LIVE)
    wrong: list[tuple[dict[str, str] | None, str]] = [
        (None, MISSING),
        ({"Authorization": ""}, MISSING),
        ({"Authorization": f"Basic {alice.key}"}, INVALID),
        ({"Authorization": f"Token {alice.key}"}, INVALID),
        ({"Authorization": alice.key}, INVALID),
        ({"Authorization": "Bearer"}, INVALID),
        ({"Authorization": "Bearer "}, INVALID),
        ({"Authorization": f"Bearer {alice.key} {alice.key}"}, INVALID),
        ({"Authorization": f"Bearer {alice.key}, Bearer {alice.key}"}, INVALID),
        (bearer("garbage"), INVALID),
        (bearer("'; drop table api_key; --"), INVALID),
        (bearer("k" * 5000), INVALID),
        (bearer(alice.key[:-1]), INVALID),
        (bearer(alice.key + "x"), INVALID),
        (bearer(body + ("000000" if check != "000000" else "000001")), INVALID),
        (bearer(alice.key.replace("kino_live", "kino_test")), INVALID),
        (bearer(alice.key.replace("kino_live", "KINO_live")), INVALID),
        (bearer(GOOD_SHAPE), INVALID),
        (bearer(with_id(other_secret.text, alice.key_id)), INVALID),
        (bearer(with_id(alice.key, other_secret.id)), INVALID),
    ]
    assert secret not in other_secret.text
    for headers, message in wrong:
        assert_refused(await route.ask(world, headers), 401, message)
    raw = world.client.build_request("GET", PATH_RECORD, headers={b"authorization": b"Bearer \xff"})
    assert_refused(await world.client.send(raw), 401, INVALID)
    await assert_nothing_made(world, alice)


def with_id(text: str, key_id: str) -> str:
    """Put another id into a key and make the checksum right again."""
    mode = text.split("_")[1]
    body = f"kino_{mode}_{key_id}_{text[-49:-6]}"
    return body + checksum(body)


def with_mode(text: str, mode: str) -> str:
    """Write another mode into a key and make the checksum right again."""
    body = f"kino_{mode}_{text.split('_', 2)[2][:-6]}"
    return body + checksum(body)


@ROUTES
async def test_a_key_whose_holder_writes_another_mode_into_it_does_not_open(
    world: World, route: Route
):
    """Test keys cost nothing and live keys are real: neither may be made of the other."""
    live = await world.person("live")
    test = await world.person("test", "0", mode=KeyMode.TEST)
    assert_refused(await route.ask(world, bearer(with_mode(live.key, "test"))), 401, INVALID)
    assert_refused(await route.ask(world, bearer(with_mode(test.key, "live"))), 401, INVALID)
    assert await world.count("task") == 0
    assert (await route.ask(world, bearer(with_mode(live.key, "live")))).status_code == route.opened


async def test_the_statement_and_the_rule_open_for_the_same_keys(world: World):
    """Every state a key can be in: `OPENS` in SQL decides as `admit` and `require` do."""
    alice = await world.person("alice")
    database = world.runtime.database
    good = parse_key(alice.key)
    assert good is not None
    presented = [
        good,
        replace(good, secret_sha256=bytes(32)),
        replace(good, mode=KeyMode.TEST),
        replace(good, id=KeyId("nobody")),
    ]
    opened = 0
    ends = (None, START - timedelta(microseconds=1), START, START + timedelta(microseconds=1))
    for active, expires_at, scopes, api_access in product(
        (True, False), ends, ([], ["tasks:read"], ["tasks:write", "tasks:read"]), (True, False)
    ):
        async with database.connection() as connection:
            await connection.execute(
                "update api_key set active = %s, expires_at = %s, scopes = %s",
                (active, expires_at, scopes),
            )
            await connection.execute("update account set api_access = %s", (api_access,))
            for key in presented:
                cursor = await connection.execute(
                    f"select from api_key, account where {opening.OPENS}",
                    {**opening.opens_parameters(key, "tasks:write"), "now": START},
                )
                by_statement = await cursor.fetchone() is not None
                try:
                    opening.require(await opening.authenticate(database, key, START), "tasks:write")
                    by_rule = True
                except (Unauthenticated, Forbidden):
                    by_rule = False
                assert by_statement == by_rule, (key, active, expires_at, scopes, api_access)
                opened += by_rule
    assert opened == 2


@ROUTES
async def test_the_scheme_is_read_in_any_case_and_a_padded_key_still_opens(
    world: World, route: Route
):
    alice = await world.person("alice")
    for value in (f"bearer {alice.key}", f"BEARER  {alice.key}"):
        response = await route.ask(world, {"Authorization": value})
        assert response.status_code == route.opened


@ROUTES
async def test_a_deactivated_key_is_refused_and_works_again_on_the_very_next_request(
    world: World, route: Route
):
    alice = await world.person("alice")
    await keys.set_active(world.runtime.database, alice.key_id, active=False)
    assert_refused(await route.ask(world, alice.headers), 401, INACTIVE)
    await assert_nothing_made(world, alice)
    await keys.set_active(world.runtime.database, alice.key_id, active=True)
    assert (await route.ask(world, alice.headers)).status_code == route.opened


@ROUTES
async def test_a_key_expires_at_the_exact_second(world: World, route: Route):
    alice = await world.person("alice", expires_at=START + timedelta(days=30))
    world.clock.move(timedelta(days=30, microseconds=-1))
    assert (await route.ask(world, alice.headers)).status_code == route.opened
    entries = await world.count("ledger_entry")
    world.clock.move(timedelta(microseconds=1))
    assert_refused(await route.ask(world, alice.headers), 401, EXPIRED)
    assert await world.count("ledger_entry") == entries


@ROUTES
async def test_inactive_is_said_before_expired(world: World, route: Route):
    alice = await world.person("alice", expires_at=START)
    assert_refused(await route.ask(world, alice.headers), 401, EXPIRED)
    await keys.set_active(world.runtime.database, alice.key_id, active=False)
    assert_refused(await route.ask(world, alice.headers), 401, INACTIVE)


@ROUTES
async def test_an_account_without_api_access_is_refused_until_it_has_it(world: World, route: Route):
    alice = await world.person("alice")
    database = world.runtime.database
    await accounts.limit(database, "alice", tasks_running_max=None, api_access=False)
    assert_refused(await route.ask(world, alice.headers), 403, NO_ACCESS)
    await assert_nothing_made(world, alice)
    await accounts.limit(database, "alice", tasks_running_max=None, api_access=True)
    assert (await route.ask(world, alice.headers)).status_code == route.opened


@ROUTES
async def test_a_key_may_only_do_what_its_scopes_say(world: World, route: Route):
    alice = await world.person("alice")
    for scopes in ("{}", "{tasks:delete}"):
        await change_key(world, alice, f"scopes = '{scopes}'")
        message = f"This API Key lacks the scope {route.scope}"
        assert_refused(await route.ask(world, alice.headers), 403, message)
    await assert_nothing_made(world, alice)
    await change_key(world, alice, f"scopes = '{{{route.scope}}}'")
    assert (await route.ask(world, alice.headers)).status_code == route.opened
    other = RECORD if route is CREATE else CREATE
    assert (await other.ask(world, alice.headers)).status_code == 403


@ROUTES
async def test_the_key_is_judged_before_the_request(world: World, route: Route):
    if route is CREATE:
        response = await world.client.post(PATH_CREATE, content=b"{", headers=bearer(GOOD_SHAPE))
    else:
        response = await world.client.get(PATH_RECORD, headers=bearer(GOOD_SHAPE))
    assert_refused(response, 401, INVALID)


@ROUTES
async def test_after_a_rotation_both_keys_work_until_the_overlap_ends(world: World, route: Route):
    alice = await world.person("alice")
    now, database = world.clock(), world.runtime.database
    successor = await keys.rotate(database, alice.key_id, overlap=timedelta(hours=24), now=now)
    world.clock.move(timedelta(hours=24, microseconds=-1))
    assert (await route.ask(world, alice.headers)).status_code == route.opened
    assert (await route.ask(world, bearer(successor.text))).status_code == route.opened
    world.clock.move(timedelta(microseconds=1))
    assert_refused(await route.ask(world, alice.headers), 401, EXPIRED)
    assert (await route.ask(world, bearer(successor.text))).status_code == route.opened
    world.clock.move(timedelta(days=3650))
    assert (await route.ask(world, bearer(successor.text))).status_code == route.opened


async def test_a_rotation_without_overlap_ends_the_old_key_at_once(world: World):
    alice = await world.person("alice")
    await keys.rotate(world.runtime.database, alice.key_id, overlap=timedelta(), now=world.clock())
    assert_refused(await CREATE.ask(world, alice.headers), 401, EXPIRED)


async def test_a_rotation_copies_everything_and_never_extends_a_life(world: World):
    ends = START + timedelta(hours=1)
    alice = await world.person("alice", mode=KeyMode.TEST, expires_at=ends)
    await change_key(world, alice, "scopes = '{tasks:read}'")
    database = world.runtime.database
    issued = await keys.rotate(database, alice.key_id, overlap=timedelta(days=7), now=START)
    assert issued.text.startswith("kino_test_")
    old, new = await keys.listing(database)
    if old.id != alice.key_id:
        old, new = new, old
    assert (old.id, old.expires_at, old.replaced_by) == (alice.key_id, ends, issued.id)
    assert (new.id, new.expires_at, new.replaced_by) == (issued.id, ends, None)
    assert (new.account, new.name, new.mode, new.active) == ("alice", "key", "test", True)
    assert new.last_four == issued.text[-4:]
    refused = await CREATE.ask(world, bearer(issued.text))
    assert_refused(refused, 403, "This API Key lacks the scope tasks:write")
    world.clock.move(timedelta(hours=1))
    assert_refused(await RECORD.ask(world, alice.headers), 401, EXPIRED)
    assert_refused(await RECORD.ask(world, bearer(issued.text)), 401, EXPIRED)


@pytest.mark.parametrize(
    "overlap", [timedelta(days=7, microseconds=1), timedelta(microseconds=-1), timedelta(days=365)]
)
async def test_an_overlap_out_of_range_is_refused_and_nothing_changes(
    world: World, overlap: timedelta
):
    alice = await world.person("alice")
    with pytest.raises(InvalidRequest, match="between 0 and 7 days"):
        await keys.rotate(world.runtime.database, alice.key_id, overlap=overlap, now=START)
    assert await world.count("api_key where replaced_by is null and expires_at is null") == 1


async def test_a_key_is_rotated_once_however_often_it_is_asked(world: World):
    alice = await world.person("alice")
    database, day = world.runtime.database, timedelta(days=1)
    outcomes = await asyncio.gather(
        *(keys.rotate(database, alice.key_id, overlap=day, now=START) for _ in range(8)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(outcome) for outcome in refused] == [InvalidRequest] * 7
    assert await world.count("api_key") == 2
    with pytest.raises(InvalidRequest, match="was already replaced by"):
        await keys.rotate(database, alice.key_id, overlap=day, now=START)
    assert await world.count("api_key") == 2


async def test_a_key_that_does_not_exist_cannot_be_changed(world: World):
    database, nobody = world.runtime.database, KeyId("nobody")
    with pytest.raises(NotFound):
        await keys.rotate(database, nobody, overlap=timedelta(), now=START)
    with pytest.raises(NotFound):
        await keys.set_active(database, nobody, active=False)
    with pytest.raises(NotFound):
        await keys.set_expiry(database, nobody, START)


async def test_the_secret_is_nowhere_in_the_database(world: World):
    alice = await world.person("alice")
    secret = alice.key[-49:-6]
    assert await world.count(f"api_key k where k::text like '%{secret}%'") == 0
    assert await world.count("api_key where length(secret_sha256) = 32") == 1


async def test_when_a_key_was_last_used_is_noted_when_the_server_stops_at_the_latest(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    carol = await world.person("carol")
    await keys.set_active(world.runtime.database, carol.key_id, active=False)
    runtime = build_runtime(
        world.runtime.settings, world.runtime.database.conninfo, patience_s=5, clock=world.clock
    )
    app = create_app(runtime)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://kinetoscope.test") as client,
    ):
        task_id = await create(world, bob, VIDEO)
        polled = await client.get(PATH_RECORD, params={"taskId": task_id}, headers=bob.headers)
        assert polled.status_code == 200
        assert (await client.post(PATH_CREATE, json=VIDEO, headers=alice.headers)).is_success
        assert (await client.post(PATH_CREATE, json=VIDEO, headers=carol.headers)).is_error
        world.clock.move(timedelta(seconds=20))
    used = {key.id: key.last_used_at for key in await keys.listing(world.runtime.database)}
    noted = START + timedelta(seconds=20)
    assert used == {alice.key_id: noted, bob.key_id: noted, carol.key_id: None}
