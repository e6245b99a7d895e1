"""Every route of the contract against every kind of caller, and no route without a declaration."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from datetime import timedelta

import httpx
import pytest
from starlette.routing import Route
from tests.conftest import Person, World
from tests.scripted import PICTURE, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.accounts import accounts, keys
from kinetoscope.accounts.opening import READ_ONLY
from kinetoscope.api import webhooks
from kinetoscope.api.doors import Declared
from kinetoscope.dashboard.pages import Page
from kinetoscope.dialects.telling import DIALECTS
from kinetoscope.kernel.ids import KeyId
from kinetoscope.kernel.secrets import DEMO_KEY_ID, IssuedKey, KeyMode, parse_key
from kinetoscope.tasks.advance import advance

pytestmark = pytest.mark.anyio

DEMO_KEY = "kino_demo_readonly_" + "0" * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What alice has, and others must not reach."""

    ended: str
    running: str
    key_id: str
    delivery_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A good request by the owner of what it names, if it names anything of somebody's."""

    path: str = ""
    query: dict[str, str] = field(default_factory=dict)
    body: object = None
    names_something: bool = False


Make = Callable[[Things], Example]

EXAMPLES: dict[tuple[str, str], Make] = {
    ("POST", "/api/v1/jobs/createTask"): lambda _: Example(body=PICTURE),
    ("GET", "/api/v1/jobs/recordInfo"): lambda things: Example(
        query={"taskId": things.ended}, names_something=True
    ),
    ("POST", "/api/v1/jobs/estimateTask"): lambda _: Example(body=PICTURE),
    ("POST", "/api/v1/jobs/cancelTask"): lambda things: Example(
        body={"taskId": things.running}, names_something=True
    ),
    ("POST", "/api/v1/jobs/deleteTask"): lambda things: Example(
        body={"taskId": things.ended}, names_something=True
    ),
    ("GET", "/api/v1/jobs/listTasks"): lambda _: Example(),
    ("GET", "/api/v1/jobs/waitTask"): lambda things: Example(
        query={"taskId": things.ended}, names_something=True
    ),
    ("GET", "/api/v1/jobs/taskEvents"): lambda things: Example(
        query={"taskId": things.ended}, names_something=True
    ),
    ("POST", "/api/v1/uploads"): lambda _: Example(body={"fileName": "a.png"}),
    ("GET", "/api/v1/webhooks/deliveries"): lambda _: Example(),
    ("GET", "/api/v1/webhooks/deliveries/{id}"): lambda things: Example(
        path=f"/api/v1/webhooks/deliveries/{things.delivery_id}", names_something=True
    ),
    ("POST", "/api/v1/webhooks/deliveries/{id}/redeliver"): lambda things: Example(
        path=f"/api/v1/webhooks/deliveries/{things.delivery_id}/redeliver", names_something=True
    ),
    ("POST", "/api/v1/webhooks/test"): lambda _: Example(body={"url": "https://hook.invalid/"}),
    ("GET", "/api/v1/webhooks/settings"): lambda _: Example(),
    ("POST", "/api/v1/webhooks/settings"): lambda _: Example(body={"kieHeaders": True}),
    ("POST", "/api/v1/webhooks/secret"): lambda _: Example(body={}),
    ("GET", "/api/v1/webhooks/listen"): lambda _: Example(query={"since": "0"}),
    ("GET", "/api/v1/account"): lambda _: Example(),
    ("GET", "/api/v1/credits"): lambda _: Example(),
    ("GET", "/api/v1/account/ledger"): lambda _: Example(),
    ("GET", "/api/v1/account/usage"): lambda _: Example(),
    ("GET", "/api/v1/keys"): lambda _: Example(),
    ("POST", "/api/v1/keys"): lambda _: Example(body={"name": "new", "scopes": ["keys:write"]}),
    ("GET", "/api/v1/keys/{keyId}"): lambda things: Example(
        path=f"/api/v1/keys/{things.key_id}", names_something=True
    ),
    ("PATCH", "/api/v1/keys/{keyId}"): lambda things: Example(
        path=f"/api/v1/keys/{things.key_id}", body={"name": "other"}, names_something=True
    ),
    ("DELETE", "/api/v1/keys/{keyId}"): lambda things: Example(
        path=f"/api/v1/keys/{things.key_id}", names_something=True
    ),
    ("POST", "/api/v1/keys/{keyId}/rotate"): lambda things: Example(
        path=f"/api/v1/keys/{things.key_id}/rotate", body={}, names_something=True
    ),
    ("POST", "/api/mcp"): lambda _: Example(
        body={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    ),
}

OPEN = {
    ("POST", "/api/v1/upstream/{provider}/{taskId}/{token}"),  # its address is the permission
    ("PUT", "/api/v1/uploads/{name}"),  # its address is the permission, as the next one's
    ("GET", "/media/{name}"),
    ("GET", "/api/v1/verify"),
    ("POST", "/api/v1/verify"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/models/{id}"),
    ("GET", "/models/{id}.md"),
    ("GET", "/models/{id}.schema.json"),
    ("GET", "/docs/{slug}.md"),
    ("POST", "/api/stripe/webhook"),  # what it says is signed
    ("GET", "/static/{name}"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/llms.txt"),
    ("GET", "/llms-full.txt"),
    ("GET", "/.well-known/api-catalog"),
}
"""What anybody may ask; a route joins this list on purpose or not at all."""


def declared(world: World) -> list[Declared]:
    """Return the native contract's routes; the dialects' have a matrix in tests/dialects."""
    found: list[Declared] = world.app.state.declared
    return [route for route in found if route.operation.tag not in DIALECTS]


def added(world: World) -> list[Page]:
    found: list[Page] = world.app.state.pages.added
    return found


async def test_every_route_declares_what_it_needs(world: World):
    """A route is one of the contract or a page, whose matrix is in tests/dashboard."""
    every: list[Declared] = world.app.state.declared
    declarations = {(route.method, route.path): route for route in every}
    assert len(declarations) == len(every)
    served = {
        (method, route.path)
        for route in world.app.routes
        if isinstance(route, Route)
        for method in (route.methods or {"*"})
        if method != "HEAD"
    }
    assert len(served) >= 8
    pages = {(page.method, page.path) for page in added(world)}
    assert len(pages) == len(added(world))
    assert not pages & set(declarations)
    assert served == set(declarations) | pages
    assert not any(path.startswith("/api/") for _, path in pages)
    for route in declarations.values():
        assert set(route.scopes) <= set(keys.SCOPES_ALL), route


async def test_every_route_is_in_the_matrix_or_open_on_purpose(world: World):
    guarded = {(route.method, route.path) for route in declared(world) if route.scopes}
    assert guarded == set(EXAMPLES)
    assert {(route.method, route.path) for route in declared(world)} - guarded == OPEN


async def things_of(world: World, alice: Person) -> Things:
    calling = {**PICTURE, "callBackUrl": "https://hook.invalid/"}
    ended = await create(world, alice, calling)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), ended)
    deliveries = await world.client.get("/api/v1/webhooks/deliveries", headers=alice.headers)
    key = await key_with(world, alice, "keys:write")
    return Things(
        ended=ended,
        running=await create(world, alice, PICTURE),
        key_id=key.id,
        delivery_id=deliveries.json()["deliveries"][0]["id"],
    )


async def ask(
    world: World, route: tuple[str, str], example: Example, key: str | None
) -> httpx.Response:
    headers = {"Accept": "application/json, text/event-stream"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return await world.client.request(
        route[0],
        example.path or route[1],
        params=example.query,
        json=example.body,
        headers=headers,
    )


def declaration(world: World, route: tuple[str, str]) -> Declared:
    (found,) = [each for each in declared(world) if (each.method, each.path) == route]
    return found


async def key_with(
    world: World, person: Person, *scopes: str, mode: KeyMode = KeyMode.LIVE
) -> IssuedKey:
    return await keys.create(
        world.runtime.database,
        person.account_id,
        "matrix",
        mode=mode,
        expires_at=None,
        scopes=scopes,
        now=world.clock(),
    )


async def demo(world: World) -> str:
    """Let the demo key in, on an account of its own."""
    account, _ = await accounts.ensure(world.runtime.database, "demo", world.clock())
    presented = parse_key(DEMO_KEY)
    assert presented is not None
    issued = IssuedKey(DEMO_KEY_ID, DEMO_KEY, presented.secret_sha256, DEMO_KEY[-4:])
    await keys.keep(
        world.runtime.database,
        account.id,
        "demo",
        issued,
        mode=KeyMode.DEMO,
        expires_at=None,
        scopes=("samples:read",),
        now=world.clock(),
    )
    return DEMO_KEY


@pytest.mark.parametrize("route", EXAMPLES, ids=lambda route: f"{route[0]} {route[1]}")
async def test_each_kind_of_caller_gets_what_is_theirs(
    world: World, route: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "TEST_PATIENCE_S", 0)  # nobody sends here
    alice = await world.person("alice")
    things = await things_of(world, alice)
    example = EXAMPLES[route](things)
    needed = declaration(world, route).scopes
    assert needed
    database = world.runtime.database

    async def refused(key: str | None, status: int, message: str) -> None:
        response = await ask(world, route, example, key)
        assert (response.status_code, response.json()) == (status, {"message": message})

    await refused(None, 401, "Missing Authorization header")
    await refused("kino_live_nonsense", 401, "Invalid API Key")

    await refused(await demo(world), 403, READ_ONLY)

    inactive = await key_with(world, alice, *keys.SCOPES_ALL)
    await keys.set_active(database, inactive.id, active=False)
    await refused(inactive.text, 401, "API Key is inactive")

    expired = await key_with(world, alice, *keys.SCOPES_ALL)
    await keys.set_expiry(database, expired.id, world.clock() - timedelta(seconds=1))
    await refused(expired.text, 401, "API Key has expired")

    for scope in needed:
        lacking = await key_with(world, alice, *(set(keys.SCOPES_ALL) - {scope, "samples:read"}))
        await refused(lacking.text, 403, f"This API Key lacks the scope {scope}")

    mallory = await world.person("mallory")
    stranger = await key_with(world, mallory, *keys.SCOPES_ALL)
    if example.names_something:
        await refused(stranger.text, 403, "Access denied")
    else:
        response = await ask(world, route, example, stranger.text)
        assert response.is_success
        for name in (*astuple(things), alice.account_id, alice.key_id):
            assert name not in response.text

    exact = await key_with(world, alice, *needed)
    assert (await ask(world, route, example, exact.text)).is_success

    await accounts.limit(database, "alice", tasks_running_max=None, api_access=False)
    await refused(exact.text, 403, "API access not enabled for this account")


LISTEN = ("GET", "/api/v1/webhooks/listen")

READS = {
    ("GET", "/api/v1/jobs/recordInfo"),
    ("GET", "/api/v1/jobs/listTasks"),
    ("GET", "/api/v1/jobs/waitTask"),
    ("GET", "/api/v1/jobs/taskEvents"),
    ("GET", "/api/v1/webhooks/deliveries"),
    ("GET", "/api/v1/webhooks/deliveries/{id}"),
    ("POST", "/api/v1/webhooks/deliveries/{id}/redeliver"),
    LISTEN,
    ("POST", "/api/mcp"),
}
"""What tells how tasks went; whoever may not read tasks may not ask it."""


async def test_whatever_tells_how_tasks_went_needs_the_scope_to_read_them(world: World):
    needing = {
        (route.method, route.path) for route in declared(world) if "tasks:read" in route.scopes
    }
    assert needing == READS


async def test_a_key_that_reads_no_tasks_hears_of_none(world: World):
    """Every guarded route, asked by a key that has all scopes but that one."""
    alice = await world.person("alice")
    things = await things_of(world, alice)
    blind = await key_with(world, alice, *(set(keys.SCOPES_ALL) - {"tasks:read"}))
    listing = await world.client.get(
        "/api/v1/jobs/recordInfo", params={"taskId": things.ended}, headers=alice.headers
    )
    address = listing.json()["output"][0]["url"].partition("?")[0]
    for route in READS:
        response = await ask(world, route, EXAMPLES[route](things), blind.text)
        assert response.status_code == 403, route
        assert address not in response.text


CHANGES_TASKS = {
    ("POST", "/api/v1/jobs/cancelTask"),
    ("POST", "/api/v1/jobs/deleteTask"),
    ("POST", "/api/v1/webhooks/deliveries/{id}/redeliver"),
}
"""What writes to a task that there is, or sends what it came to."""

LIVE_ONLY = {("POST", "/api/v1/webhooks/settings"), ("POST", "/api/v1/webhooks/secret")}
"""What changes something for the whole account."""

MANAGES_KEYS = {
    ("PATCH", "/api/v1/keys/{keyId}"),
    ("DELETE", "/api/v1/keys/{keyId}"),
    ("POST", "/api/v1/keys/{keyId}/rotate"),
}

MAKES_NEW = {
    ("POST", "/api/v1/jobs/createTask"),
    ("POST", "/api/v1/jobs/estimateTask"),
    ("POST", "/api/v1/uploads"),
    ("POST", "/api/v1/webhooks/test"),
    ("POST", "/api/v1/keys"),  # a test key makes test keys
    ("POST", "/api/mcp"),
}
"""What makes something of its own, or nothing."""


async def test_every_route_that_writes_says_what_test_keys_may_do_there(world: World):
    writing = {
        (route.method, route.path)
        for route in declared(world)
        if route.scopes and route.method != "GET"
    }
    assert writing == CHANGES_TASKS | LIVE_ONLY | MANAGES_KEYS | MAKES_NEW
    assert {(each.method, each.path) for each in declared(world) if each.live_only} == LIVE_ONLY


@pytest.mark.parametrize("route", sorted(CHANGES_TASKS | LIVE_ONLY | MANAGES_KEYS), ids=" ".join)
async def test_a_test_key_changes_nothing_live(world: World, route: tuple[str, str]):
    alice = await world.person("alice")
    things = await things_of(world, alice)
    test = await key_with(world, alice, *keys.SCOPES_ALL, mode=KeyMode.TEST)
    before = await shown_of(world, alice, things)
    response = await ask(world, route, EXAMPLES[route](things), test.text)
    assert response.status_code == 403
    words = (
        "A test key may not change a task that a live key made",
        "A test key may not change what holds for the whole account",
        "A test key may not change a live key",
        "This API Key may not change a key that may do more than itself",
    )
    assert response.json()["message"] in words
    assert await shown_of(world, alice, things) == before
    assert await world.count("webhook_secret") == 0
    live = await key_with(world, alice, *keys.SCOPES_ALL)
    assert (await ask(world, route, EXAMPLES[route](things), live.text)).is_success


@pytest.mark.parametrize("route", sorted(CHANGES_TASKS), ids=" ".join)
async def test_a_live_key_changes_no_test_task(world: World, route: tuple[str, str]):
    alice = await world.person("alice", mode=KeyMode.TEST)
    things = await things_of(world, alice)
    live = await key_with(world, alice, *keys.SCOPES_ALL)
    response = await ask(world, route, EXAMPLES[route](things), live.text)
    message = "A live key may not change a task that a test key made"
    assert (response.status_code, response.json()) == (403, {"message": message})
    same = await ask(world, route, EXAMPLES[route](things), alice.key)
    assert same.is_success


async def shown_of(world: World, alice: Person, things: Things) -> list[object]:
    """Return what there is to see of alice's things."""
    paths = (
        f"/api/v1/jobs/recordInfo?taskId={things.ended}",
        f"/api/v1/jobs/recordInfo?taskId={things.running}",
        f"/api/v1/webhooks/deliveries/{things.delivery_id}",
        "/api/v1/webhooks/settings",
    )
    answers = [await world.client.get(path, headers=alice.headers) for path in paths]
    assert all(answer.status_code == 200 for answer in answers)
    found: list[object] = [answer.json() for answer in answers]
    key = await keys.find(world.runtime.database, KeyId(things.key_id))
    return [*found, (key.name, key.active, key.replaced_by)]
