"""How many requests may come: refused with 429 and no trace, told in headers, decided once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from tests.conftest import Person, World
from tests.scripted import PATH_CREATE, PATH_RECORD, PICTURE, create
from typing_extensions import override

from kinetoscope.accounts import accounts, keys
from kinetoscope.accounts.caps import Caps, read_range
from kinetoscope.accounts.opening import present
from kinetoscope.api.pace import limiter_of
from kinetoscope.cli.first_start import ensure_demo
from kinetoscope.kernel.secrets import KeyMode, checksum
from kinetoscope.limits.gcra import Pace
from kinetoscope.limits.limiter import Limiter
from kinetoscope.postgres.pool import Connection, Database, Result
from kinetoscope.server import create_app
from kinetoscope.settings import DEMO_KEY, Settings
from kinetoscope.tasks.audit import audit
from kinetoscope.tasks.reap import reap
from kinetoscope.tasks.samples import SAMPLES
from kinetoscope.wiring import reaper_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, requests_per_second=5, requests_burst=10)


async def ask(world: World, person: Person) -> httpx.Response:
    return await world.client.get("/api/v1/credits", headers=person.headers)


async def ask_many(world: World, person: Person, times: int) -> Counter[int]:
    answers = await asyncio.gather(*(ask(world, person) for _ in range(times)))
    return Counter(answer.status_code for answer in answers)


async def key_of(world: World, person: Person, caps: Caps, mode: KeyMode = KeyMode.LIVE) -> Person:
    issued = await keys.create(
        world.runtime.database,
        person.account_id,
        "another",
        mode=mode,
        expires_at=None,
        caps=caps,
        now=world.clock(),
    )
    return replace(person, key=issued.text, key_id=issued.id)


async def test_a_burst_passes_and_the_next_request_is_told_when_to_come_back(world: World):
    alice = await world.person("alice")
    for left in range(9, -1, -1):
        response = await ask(world, alice)
        assert response.status_code == 200
        assert response.headers["ratelimit-policy"] == '"account";q=10;w=2'
        wait_s = 1 if left in {9, 8, 7, 6, 5, 0} else 2
        assert response.headers["ratelimit"] == f'"account";r={left};t={wait_s}'
    refused = await ask(world, alice)
    assert refused.status_code == 429
    assert refused.json() == {
        "message": "Rate limit reached (5 requests per second). Please slow down, "
        "or ask the operator for a higher limit.",
        "limit": 5,
    }
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"] == '"account";r=0;t=1'
    world.clock.move(timedelta(milliseconds=199))
    assert (await ask(world, alice)).status_code == 429
    world.clock.move(timedelta(milliseconds=1))
    assert await ask_many(world, alice, 3) == {200: 1, 429: 2}
    world.clock.move(timedelta(hours=1))
    assert await ask_many(world, alice, 12) == {200: 10, 429: 2}


async def test_a_refused_create_leaves_no_trace(world: World):
    alice = await world.person("alice")
    task_id = await create(world, alice, PICTURE)
    before = await world.balance(alice)
    entries, jobs = await world.count("ledger_entry"), await world.count("procrastinate_jobs")
    assert await ask_many(world, alice, 9) == {200: 9}
    for order in (PICTURE, {"model": "none"}, "no object"):
        refused = await world.client.post(PATH_CREATE, json=order, headers=alice.headers)
        assert (refused.status_code, refused.json()["limit"]) == (429, 5)
        assert refused.headers["retry-after"] == "1"
    once = {**alice.headers, "Idempotency-Key": "once"}
    assert (await world.client.post(PATH_CREATE, json=PICTURE, headers=once)).status_code == 429
    polled = await world.client.get(PATH_RECORD, params={"taskId": task_id}, headers=alice.headers)
    assert polled.status_code == 429
    assert await world.count("task") == 1
    assert await world.count("idempotency_key") == 0
    assert await world.count("ledger_entry") == entries
    assert await world.count("procrastinate_jobs") == jobs
    assert await world.balance(alice) == before
    assert await audit(world.runtime.database) == []
    world.clock.move(timedelta(seconds=2))
    assert (await world.client.post(PATH_CREATE, json=PICTURE, headers=once)).status_code == 200


async def test_every_answer_on_a_route_with_a_key_tells_how_one_stands(world: World):
    alice = await world.person("alice")
    answers = [
        await world.client.post(PATH_CREATE, json=PICTURE, headers=alice.headers),
        await world.client.post(PATH_CREATE, json={}, headers=alice.headers),
        await world.client.get(PATH_RECORD, headers=alice.headers),
        await world.client.get("/api/v1/account", headers=alice.headers),
        await world.client.get("/api/v1/keys", headers=alice.headers),
        await world.client.get("/api/v1/account/ledger?limit=0", headers=alice.headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 200, 403, 400]
    left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
    assert left == ["r=9", "r=8", "r=7", "r=6", "r=5", "r=4"]
    for answer in (
        await world.client.get("/livez"),
        await world.client.get("/api/v1/account"),
        await world.client.get("/api/v1/nothing", headers=alice.headers),
    ):
        assert "ratelimit" not in answer.headers


async def test_the_keys_of_an_account_share_its_pace_and_accounts_do_not(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    other = await key_of(world, alice, Caps())
    people = [alice, other] * 10
    answers = await asyncio.gather(*(ask(world, person) for person in people))
    assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 10}
    assert await ask_many(world, bob, 10) == {200: 10}


async def test_test_keys_have_a_pace_of_their_own(world: World):
    live = await world.person("alice")
    test = await world.person("alice", mode=KeyMode.TEST)
    own = await key_of(world, test, Caps(requests_per_second=1, requests_burst=1), KeyMode.TEST)
    assert await ask_many(world, test, 12) == {200: 10, 429: 2}
    answers = await asyncio.gather(*(ask(world, one) for one in [live, test, own] * 12))
    assert Counter(answer.status_code for answer in answers[::3]) == {200: 10, 429: 2}
    assert {answer.status_code for answer in answers[1::3]} == {429}
    assert {answer.status_code for answer in answers[2::3]} == {429}
    world.clock.move(timedelta(hours=1))
    for person in (live, test):
        for left in range(9, -1, -1):
            response = await ask(world, person)
            assert response.headers["ratelimit"].startswith(f'"account";r={left};')
        assert (await ask(world, person)).status_code == 429


async def test_a_key_with_its_own_pace_is_refused_by_it_and_spares_its_account(world: World):
    alice = await world.person("alice")
    slow = await key_of(world, alice, Caps(requests_per_second=1, requests_burst=2))
    first = await ask(world, slow)
    assert first.headers["ratelimit-policy"] == '"account";q=10;w=2, "key";q=2;w=2'
    assert first.headers["ratelimit"] == '"account";r=9;t=1, "key";r=1;t=1'
    answers = await asyncio.gather(*(ask(world, slow) for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 429: 29}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["limit"] == 1
    assert refused.headers["retry-after"] == "1"
    assert await ask_many(world, alice, 10) == {200: 8, 429: 2}
    world.clock.move(timedelta(seconds=1))
    mixed = await asyncio.gather(*(ask(world, person) for person in [slow, alice] * 10))
    assert Counter(answer.status_code for answer in mixed[::2]) == {200: 1, 429: 9}
    assert Counter(answer.status_code for answer in mixed[1::2]) == {200: 4, 429: 6}


async def test_an_account_may_have_a_pace_of_its_own(world: World):
    alice = await world.person("alice")
    await accounts.limit(
        world.runtime.database,
        "alice",
        tasks_running_max=None,
        api_access=None,
        requests_per_second=2,
    )
    assert await ask_many(world, alice, 9) == {200: 4, 429: 5}
    world.clock.move(timedelta(seconds=1))
    limits = (await world.client.get("/api/v1/account", headers=alice.headers)).json()["limits"]
    assert limits == {"tasksRunningMax": 50, "requestsPerSecond": 2, "requestsBurst": 4}


async def test_a_key_that_does_not_open_uses_up_nothing(world: World):
    alice = await world.person("alice")
    database, now = world.runtime.database, world.clock()
    # A key that is well formed and names alice's, with another secret.
    body = f"kino_live_{alice.key_id}_" + "0" * 43
    guessed = replace(alice, key=body + checksum(body))
    assert present(f"Bearer {guessed.key}").id == alice.key_id
    inactive, expired, distant = [
        await key_of(world, alice, caps)
        for caps in (Caps(), Caps(), Caps(ip_ranges=(read_range("203.0.113.0/24"),)))
    ]
    await keys.set_active(database, inactive.key_id, active=False)
    await keys.set_expiry(database, expired.key_id, now)
    deleted = await key_of(world, alice, Caps())
    await keys.delete(database, deleted.key_id, now)
    for person, status in (
        (guessed, 401),
        (inactive, 401),
        (expired, 401),
        (deleted, 401),
        (distant, 403),
    ):
        answers = [await ask(world, person) for _ in range(3)]
        answers += await asyncio.gather(*(ask(world, one) for one in [person, alice] * 2))
        assert {answer.status_code for answer in [*answers[:3], *answers[3::2]]} == {status}
        assert {answer.status_code for answer in answers[4::2]} == {200}
        assert "ratelimit" not in answers[0].headers
    world.clock.move(timedelta(seconds=2))
    await accounts.limit(database, "alice", tasks_running_max=None, api_access=False)
    assert await ask_many(world, alice, 20) == {403: 20}
    await accounts.limit(database, "alice", tasks_running_max=None, api_access=True)
    assert await ask_many(world, alice, 12) == {200: 10, 429: 2}


async def test_requests_that_wait_together_are_decided_by_one_statement(world: World):
    alice, bob = await world.person("alice"), await world.person("bob")
    limiter = Limiter(CountingDatabase(world), Pace(5, 10), world.clock)
    asked = [present(f"Bearer {person.key}") for person in [alice, bob] * 20]
    verdicts = await asyncio.gather(*(limiter.ask(key) for key in asked))
    granted = [verdict is not None and verdict.refused_by is None for verdict in verdicts]
    # In the order in which they came.
    assert granted == [True] * 20 + [False] * 20
    assert isinstance(limiter.database, CountingDatabase)
    assert limiter.database.statements <= 2


class CountingDatabase(Database):
    """The world's database, counting."""

    def __init__(self, world: World) -> None:
        self.pool = world.runtime.database.pool
        self.patience_s = 1.0
        self.statements = 0

    @override
    async def _lent(self, once: Callable[[Connection], Awaitable[Result]]) -> Result:
        self.statements += 1
        return await super()._lent(once)


async def test_several_processes_share_one_pace(world: World):
    alice = await world.person("alice")
    key = present(f"Bearer {alice.key}")
    limiters = [Limiter(world.runtime.database, Pace(5, 10), world.clock) for _ in range(4)]
    admitted = 0
    for _ in range(20):
        verdicts = await asyncio.gather(*(limiter.ask(key) for limiter in limiters * 5))
        admitted += sum(verdict is not None and not verdict.refused_by for verdict in verdicts)
        world.clock.move(timedelta(milliseconds=100))
    assert admitted == 10 + 9  # 5 a second, for 1.9 seconds


async def test_a_request_that_goes_away_takes_no_other_with_it(world: World):
    alice = await world.person("alice")
    key = present(f"Bearer {alice.key}")
    limiter = Limiter(world.runtime.database, Pace(5, 10), world.clock)
    first, second = asyncio.create_task(limiter.ask(key)), asyncio.create_task(limiter.ask(key))
    await asyncio.sleep(0)
    first.cancel()
    verdict = await asyncio.wait_for(second, 10)
    assert verdict is not None
    assert verdict.refused_by is None
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_breaks_is_raised_for_everybody_and_the_next_request_is_decided(world: World):
    alice = await world.person("alice")
    key = present(f"Bearer {alice.key}")
    limiter = Limiter(world.runtime.database, Pace(5, 10), world.clock)
    async with world.runtime.database.connection() as connection:
        await connection.execute("alter table request_pace rename owner to somebody")
    broken = await asyncio.gather(*(limiter.ask(key) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(answer, Exception) for answer in broken)
    async with world.runtime.database.connection() as connection:
        await connection.execute("alter table request_pace rename somebody to owner")
    assert await limiter.ask(key) is not None


async def test_no_limit_is_a_setting(world: World):
    alice = await world.person("alice")
    settings = replace(world.runtime.settings, requests_per_second=0)
    runtime = replace(world.runtime, settings=settings)
    assert limiter_of(runtime) is None
    transport = httpx.ASGITransport(app=create_app(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://k.test") as client:
        for _ in range(30):
            response = await client.get("/api/v1/account", headers=alice.headers)
            assert response.status_code == 200
            assert "ratelimit" not in response.headers
            assert response.json()["limits"]["requestsPerSecond"] is None
    assert await world.count("request_pace") == 0


async def test_the_databases_clock_is_used_unless_time_is_moved(world: World):
    alice = await world.person("alice")
    limiter = Limiter(world.runtime.database, Pace(1, 3))
    key = present(f"Bearer {alice.key}")
    verdicts = [await limiter.ask(key) for _ in range(3)]
    assert all(verdict is not None and not verdict.refused_by for verdict in verdicts)
    async with world.runtime.database.connection() as connection:
        cursor = await connection.execute(
            "select extract(epoch from clock_timestamp()) - decided_ns / 1e9 from request_pace"
        )
        row = await cursor.fetchone()
    assert row is not None
    assert 0 <= row[0] < 60


async def test_the_demo_key_is_paced_by_address_and_one_address_hinders_no_other(world: World):
    settings = replace(
        world.runtime.settings, requests_per_address=2, trusted_proxies=(read_range("127.0.0.0/8"),)
    )
    await ensure_demo(replace(world.runtime, settings=settings))
    app = create_app(replace(world.runtime, settings=settings))

    async def answers(address: str, times: int) -> Counter[int]:
        headers = {"Authorization": f"Bearer {DEMO_KEY}", "X-Forwarded-For": address}
        query = {"taskId": SAMPLES[0].id}
        asked = (client.get(PATH_RECORD, params=query, headers=headers) for _ in range(times))
        return Counter(answer.status_code for answer in await asyncio.gather(*asked))

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://k.test") as client:
        assert await answers("203.0.113.7", 30) == {200: 20, 429: 10}
        assert await answers("203.0.113.8", 20) == {200: 20}
        # Of IPv6 a client has as many addresses as it likes.
        assert await answers("2001:db8::1", 12) == {200: 12}
        assert await answers("2001:db8::2", 12) == {200: 8, 429: 4}
        assert await answers("2001:db8:0:1::1", 1) == {200: 1}
        world.clock.move(timedelta(seconds=1))
        assert await answers("203.0.113.7", 3) == {200: 2, 429: 1}


async def test_open_routes_that_cost_something_are_paced_by_address(world: World):
    settings = replace(world.runtime.settings, requests_per_address=1)
    app = create_app(replace(world.runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://k.test") as client:
        asked = [
            lambda: client.get("/api/v1/verify", params={"sha256": "0" * 64}),
            lambda: client.post("/api/v1/verify", content=b"x"),
            lambda: client.get("/media/x.png"),
            lambda: client.put("/api/v1/uploads/x.png", content=b"x"),
        ]
        for ask_one in asked:
            answers = [await ask_one() for _ in range(11)]
            assert 429 not in {answer.status_code for answer in answers[:10]}
            assert answers[10].status_code == 429, answers[10].request.url
            assert answers[10].headers["retry-after"] == "1"
            world.clock.move(timedelta(seconds=10))
        for _ in range(30):
            assert (await client.get("/livez")).status_code == 200


async def test_no_limit_by_address_is_a_setting(world: World):
    settings = replace(world.runtime.settings, requests_per_address=0)
    app = create_app(replace(world.runtime, settings=settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://k.test") as client:
        for _ in range(30):
            answer = await client.get("/api/v1/verify", params={"sha256": "0" * 64})
            assert answer.status_code == 200
    assert await world.count("request_pace") == 0


async def test_addresses_are_forgotten_once_their_burst_is_there_again(world: World):
    await world.person("alice")
    for _ in range(3):
        await world.client.get("/api/v1/verify", params={"sha256": "0" * 64})
    assert await world.count("request_pace where owner = 'address 127.0.0.1'") == 1
    await reap(reaper_of(world.runtime))
    assert await world.count("request_pace") == 1
    world.clock.move(timedelta(hours=1, seconds=1))
    await reap(reaper_of(world.runtime))
    assert await world.count("request_pace") == 0


async def test_a_full_cap_says_when_to_look_again(world: World):
    alice = await world.person("alice")
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=0, api_access=None)
    refused = await world.client.post(PATH_CREATE, json=PICTURE, headers=alice.headers)
    assert (refused.status_code, refused.json()["limit"]) == (429, 0)
    assert refused.headers["retry-after"] == "2"
