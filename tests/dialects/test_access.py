"""Every route of every dialect against every kind of caller; a route without an example fails."""

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module

import httpx
import pytest
from tests.api.test_access_matrix import demo, key_with
from tests.conftest import Person, World
from tests.dialects.examples import Example, Make, Things
from tests.dialects.working import working
from tests.scripted import (
    PICTURE,
    ScriptedProvider,
    create,
    done_pictures,
    done_video,
    paint,
    tools_for,
)

from kinetoscope.accounts import accounts, keys
from kinetoscope.api.doors import Declared
from kinetoscope.dialects.telling import DIALECTS
from kinetoscope.tasks.advance import advance
from kinetoscope.tasks.audit import audit

pytestmark = pytest.mark.anyio

EXAMPLES: dict[tuple[str, str], Make] = {
    route: make
    for name in DIALECTS
    for route, make in import_module(f"tests.dialects.examples_{name}").EXAMPLES.items()
}

UNSUPPORTED = "/{rest:path}"
"""What answers 501 to anybody."""

OPEN = {
    ("GET", "/fal/.well-known/jwks.json"),  # public keys
    ("GET", "/replicate/v1/streams/{id}"),  # the address is the permission
}
"""What anybody may ask besides."""

ALLOWED_ABSENT = {401, 403, 404}
"""How a stranger hears that there is nothing for them."""


def declared(world: World) -> list[Declared]:
    found: list[Declared] = world.app.state.declared
    return [route for route in found if route.operation.tag in DIALECTS]


async def things_of(world: World, alice: Person) -> Things:
    ended = await create(world, alice, PICTURE)
    await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), ended)
    place = await world.client.post(
        "/api/v1/uploads", json={"fileName": "a.png"}, headers=alice.headers
    )
    folder = world.runtime.settings.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    picture = paint(folder / "a.png", 320, 320).read_bytes()
    put = await world.client.put(
        place.json()["uploadUrl"], content=picture, headers={"Content-Type": "image/png"}
    )
    assert put.is_success, put.text
    url = place.json()["url"]
    name = url.partition("?")[0].rpartition("/")[2]
    running = await create(world, alice, PICTURE)
    clip = await create(world, alice, {"model": "seedance2-5", "inputs": {"prompt": "a kite"}})
    await advance(tools_for(world, ScriptedProvider(statuses=[done_video])), clip)
    return Things(ended=ended, running=running, clip=clip, upload=name, upload_url=url)


async def ask(
    world: World, route: tuple[str, str], example: Example, key: str | None
) -> httpx.Response:
    headers = dict(example.headers)
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return await world.client.request(
        route[0],
        example.path or route[1],
        params=example.query or None,
        json=example.json,
        content=example.content,
        data=example.form or None,
        files=example.files or None,
        headers=headers,
    )


async def test_every_route_has_an_example_or_is_open_on_purpose(world: World):
    found = {(route.method, route.path): route for route in declared(world)}
    guarded = {route for route, declaration in found.items() if declaration.scopes}
    assert guarded == set(EXAMPLES)
    rest = {route for route in found if route[1].endswith(UNSUPPORTED)}
    assert set(found) - guarded - rest == OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A route, and alice's good request to it."""

    route: tuple[str, str]
    example: Example
    things: Things


async def require_refusal(world: World, asked: Asked, key: str | None, of: str) -> None:
    """See that a caller is told, in the dialect's way, that there is nothing for them."""
    response = await ask(world, asked.route, asked.example, key)
    told = response.status_code
    if told == 200:  # a dialect that tells of errors inside an answer
        told = response.json()["code"]
    assert told in ALLOWED_ABSENT, (of, response.status_code, response.text)
    for secret in (asked.things.upload, "/media/"):
        assert secret not in response.text, of


def require_success(response: httpx.Response) -> None:
    assert response.status_code < 400, response.text
    body = response.json() if _is_json(response) else {}
    assert body.get("code", 200) == 200, body


@pytest.mark.parametrize("route", EXAMPLES, ids=lambda route: f"{route[0]} {route[1]}")
async def test_each_kind_of_caller_gets_what_is_theirs(world: World, route: tuple[str, str]):
    alice, mallory = await world.person("alice"), await world.person("mallory")
    things = await things_of(world, alice)
    example = EXAMPLES[route](things)
    asked = Asked(route=route, example=example, things=things)
    (declaration,) = [each for each in declared(world) if (each.method, each.path) == route]

    before = await world.count("task"), await world.count("media_file")
    await require_refusal(world, asked, None, "no key")
    await require_refusal(world, asked, "kino_live_nonsense", "no key of ours")
    await require_refusal(world, asked, await demo(world), "the demo key")
    expired = await key_with(world, alice, *keys.SCOPES_ALL)
    ago = world.clock() - timedelta(seconds=1)
    await keys.set_expiry(world.runtime.database, expired.id, ago)
    await require_refusal(world, asked, expired.text, "an expired key")
    for scope in declaration.scopes:
        lacking = await key_with(world, alice, *(set(keys.SCOPES_ALL) - {scope, "samples:read"}))
        await require_refusal(world, asked, lacking.text, f"a key without {scope}")
    if example.names_something:
        await require_refusal(world, asked, mallory.key, "somebody else")
    assert (await world.count("task"), await world.count("media_file")) == before

    async with working(world, leaving=[things.running]):
        if not example.names_something:
            response = await ask(world, route, example, mallory.key)
            require_success(response)
            hers = (things.ended, things.running, things.clip, things.upload, alice.account_id)
            for name in hers:
                assert name not in response.text
        exact = await key_with(world, alice, *declaration.scopes)
        require_success(await ask(world, route, example, exact.text))
    await accounts.limit(world.runtime.database, "alice", tasks_running_max=None, api_access=False)
    await require_refusal(world, asked, exact.text, "an account without access")
    assert await audit(world.runtime.database) == []


def _is_json(response: httpx.Response) -> bool:
    found = response.headers.get("content-type", "").startswith("application/json")
    return found and isinstance(response.json(), dict)
