"""Keys managed by keys: what can be made, changed, replaced and deleted, and what is refused."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import START, Person, World
from tests.scripted import PATH_CREATE, PICTURE, VIDEO, create

from kinetoscope.accounts import keys
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.secrets import KeyMode, parse_key

pytestmark = pytest.mark.anyio

PATH = "/api/v1/keys"

NO_CAPS = dict.fromkeys(
    (
        "models",
        "priceMax",
        "tasksRunningMax",
        "spendMax",
        "spendWindowHours",
        "ipRanges",
        "requestsPerSecond",
        "requestsBurst",
    )
)


async def keeper(world: World, name: str = "alice") -> Person:
    """Make an account and a key that may do everything."""
    person = await world.person(name)
    issued = await keys.create(
        world.runtime.database,
        person.account_id,
        "keeper",
        mode=KeyMode.LIVE,
        expires_at=None,
        now=world.clock(),
        scopes=keys.SCOPES_ALL,
    )
    return Person(name=name, account_id=person.account_id, key=issued.text, key_id=issued.id)


async def send(
    world: World, person: Person, method: str, path: str = "", body: object = None
) -> httpx.Response:
    return await world.client.request(method, PATH + path, headers=person.headers, json=body)


async def good(
    world: World, person: Person, method: str, path: str = "", body: object = None
) -> dict[str, Any]:
    response = await send(world, person, method, path, body)
    assert response.status_code == 200, response.text
    answered: dict[str, Any] = response.json()
    return answered


async def opens(world: World, key: str) -> int:
    response = await world.client.get("/api/v1/credits", headers={"Authorization": f"Bearer {key}"})
    return response.status_code


async def test_a_key_is_made_shown_once_and_works(world: World):
    alice = await keeper(world)
    made = await good(world, alice, "POST", body={"name": "ci ✓"})
    text = made.pop("key")
    assert made == {
        "keyId": text.split("_")[2],
        "name": "ci ✓",
        "mode": "live",
        "lastFour": text[-4:],
        "scopes": list(keys.SCOPES_DEFAULT),
        "caps": NO_CAPS,
        "active": True,
        "expiresAt": None,
        "replacedBy": None,
        "createTime": unix_ms(START),
        "lastUsedTime": None,
    }
    assert await opens(world, text) == 200
    shown = await send(world, alice, "GET", f"/{made['keyId']}")
    listed = await send(world, alice, "GET")
    assert shown.json() == made
    assert {key["name"] for key in listed.json()["keys"]} == {"key", "keeper", "ci ✓"}
    for response in (shown, listed):
        assert text not in response.text
        assert text.split("_")[3] not in response.text


async def test_everything_about_a_new_key_can_be_said(world: World):
    alice = await keeper(world)
    ends = START + timedelta(days=30)
    caps = {
        "models": ["gpt-image-2"],
        "priceMax": 142.57,
        "tasksRunningMax": 3,
        "spendMax": 99.8,
        "spendWindowHours": 24.0,
        "ipRanges": ["127.0.0.0/8", "2001:db8::/32", "203.0.113.7"],
        "requestsPerSecond": 5,
        "requestsBurst": 9,
    }
    body = {
        "name": "narrow",
        "mode": "test",
        "expiresAt": unix_ms(ends),
        "scopes": ["tasks:write", "account:read"],
        "caps": caps,
    }
    made = await good(world, alice, "POST", body=body)
    assert made["caps"] == caps | {"ipRanges": ["127.0.0.0/8", "2001:db8::/32", "203.0.113.7/32"]}
    assert (made["mode"], made["expiresAt"]) == ("test", unix_ms(ends))
    assert made["scopes"] == ["tasks:write", "account:read"]
    narrow = Person(
        name="alice", account_id=alice.account_id, key=made["key"], key_id=made["keyId"]
    )
    refused = await world.client.post(PATH_CREATE, json=VIDEO, headers=narrow.headers)
    assert refused.json() == {"message": "This API Key may not use the model seedance-20"}
    await create(world, narrow, PICTURE)
    answered = await world.client.get("/api/v1/credits", headers=narrow.headers)
    assert '"key";q=9;w=2' in answered.headers["ratelimit-policy"]
    world.clock.move(timedelta(days=30))
    assert await opens(world, made["key"]) == 401


WRONG: list[tuple[object, list[list[str]]]] = [
    ({}, [["name"]]),
    ({"name": ""}, [["name"]]),
    ({"name": "x" * 101}, [["name"]]),
    ({"name": "a\nb"}, [["name"]]),
    ({"name": 5, "mode": "demo"}, [["name"], ["mode"]]),
    ({"name": "x", "mode": ["live"]}, [["mode"]]),
    ({"name": "x", "expiresAt": unix_ms(START)}, [["expiresAt"]]),
    ({"name": "x", "expiresAt": "2027-01-01"}, [["expiresAt"]]),
    ({"name": "x", "expiresAt": 1e300}, [["expiresAt"]]),
    ({"name": "x", "expiresAt": True}, [["expiresAt"]]),
    ({"name": "x", "scopes": []}, [["scopes"]]),
    ({"name": "x", "scopes": ["tasks:read", "tasks:read"]}, [["scopes"]]),
    ({"name": "x", "scopes": ["everything"]}, [["scopes"]]),
    ({"name": "x", "scopes": "tasks:read"}, [["scopes"]]),
    ({"name": "x", "keyId": "abc", "active": True}, [["keyId"], ["active"]]),
    ({"name": "x", "caps": []}, [["caps"]]),
    ({"name": "x", "caps": {"spendmax": 5}}, [["caps", "spendmax"]]),
    ({"name": "x", "caps": {"priceMax": -1}}, [["caps", "priceMax"]]),
    ({"name": "x", "caps": {"priceMax": 0.001}}, [["caps", "priceMax"]]),
    ({"name": "x", "caps": {"priceMax": 1e-9}}, [["caps", "priceMax"]]),
    ({"name": "x", "caps": {"priceMax": 1e13}}, [["caps", "priceMax"]]),
    ({"name": "x", "caps": {"priceMax": "5"}}, [["caps", "priceMax"]]),
    ({"name": "x", "caps": {"spendMax": False}}, [["caps", "spendMax"]]),
    ({"name": "x", "caps": {"tasksRunningMax": 1.5}}, [["caps", "tasksRunningMax"]]),
    ({"name": "x", "caps": {"tasksRunningMax": 10**30}}, [["caps", "tasksRunningMax"]]),
    ({"name": "x", "caps": {"spendWindowHours": 24}}, [["caps", "spendWindowHours"]]),
    (
        {"name": "x", "caps": {"spendMax": 5, "spendWindowHours": 0}},
        [["caps", "spendWindowHours"]],
    ),
    ({"name": "x", "caps": {"models": ["gpt-image-2", "none"]}}, [["caps", "models"]]),
    ({"name": "x", "caps": {"models": []}}, [["caps", "models"]]),
    ({"name": "x", "caps": {"ipRanges": ["10.0.0.1/8"]}}, [["caps", "ipRanges"]]),
    ({"name": "x", "caps": {"ipRanges": ["example.com"]}}, [["caps", "ipRanges"]]),
    ({"name": "x", "caps": {"ipRanges": ["fe80::1%eth0"]}}, [["caps", "ipRanges"]]),
    ({"name": "x", "caps": {"ipRanges": ["::ffff:10.0.0.1"]}}, [["caps", "ipRanges"]]),
    ({"name": "x", "caps": {"requestsPerSecond": 0}}, [["caps", "requestsPerSecond"]]),
    (["name"], [[]]),
]


@pytest.mark.parametrize(("body", "paths"), WRONG, ids=str)
async def test_a_wrong_field_is_named_and_no_key_made(
    world: World, body: object, paths: list[list[str]]
):
    alice = await keeper(world)
    response = await send(world, alice, "POST", body=body)
    assert response.status_code == 400, response.text
    assert response.json()["message"] == "Invalid request parameters"
    assert [issue["path"] for issue in response.json()["errors"]] == paths
    assert await world.count("api_key") == 2


async def test_only_what_is_stated_changes(world: World):
    alice = await keeper(world)
    made = await good(
        world, alice, "POST", body={"name": "x", "caps": {"spendMax": 5, "spendWindowHours": 1}}
    )
    made.pop("key")
    path = f"/{made['keyId']}"
    changed = await good(world, alice, "PATCH", path, {"caps": {"priceMax": 2.5}})
    assert changed == made | {"caps": made["caps"] | {"priceMax": 2.5}}
    ends = unix_ms(START + timedelta(days=1))
    changed = await good(
        world,
        alice,
        "PATCH",
        path,
        {"name": "y", "expiresAt": ends, "scopes": ["tasks:read"], "caps": {"spendMax": None}},
    )
    assert changed == made | {
        "name": "y",
        "expiresAt": ends,
        "scopes": ["tasks:read"],
        "caps": NO_CAPS | {"priceMax": 2.5},
    }
    changed = await good(world, alice, "PATCH", path, {"expiresAt": None, "caps": {}})
    assert changed["expiresAt"] is None
    assert await good(world, alice, "PATCH", path, {}) == changed
    for body in ({"mode": "test"}, {"active": 1}, {"caps": {"spendWindowHours": 5}}):
        assert (await send(world, alice, "PATCH", path, body)).status_code == 400
    assert await good(world, alice, "GET", path) == changed


async def test_a_key_is_stopped_and_started_and_may_stop_itself(world: World):
    alice = await keeper(world)
    made = await good(world, alice, "POST", body={"name": "x"})
    path = f"/{made['keyId']}"
    assert (await good(world, alice, "PATCH", path, {"active": False}))["active"] is False
    assert await opens(world, made["key"]) == 401
    assert (await good(world, alice, "PATCH", path, {"active": True}))["active"] is True
    assert await opens(world, made["key"]) == 200
    await good(world, alice, "PATCH", f"/{alice.key_id}", {"active": False})
    stopped = await send(world, alice, "GET")
    assert (stopped.status_code, stopped.json()) == (401, {"message": "API Key is inactive"})


async def test_a_deleted_key_is_gone_for_good_and_its_tasks_stay(world: World):
    alice = await keeper(world)
    made = await good(world, alice, "POST", body={"name": "x"})
    maker = Person(name="alice", account_id=alice.account_id, key=made["key"], key_id=made["keyId"])
    await create(world, maker, PICTURE)
    path = f"/{made['keyId']}"
    assert await good(world, alice, "DELETE", path) == {"keyId": made["keyId"], "deleted": True}
    assert await opens(world, made["key"]) == 401
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"active": True})):
        gone = await send(world, alice, method, path, body)
        assert (gone.status_code, gone.json()) == (404, {"message": "Key not found"})
    assert (await send(world, alice, "POST", path + "/rotate")).status_code == 404
    listed = await good(world, alice, "GET")
    assert made["keyId"] not in [key["keyId"] for key in listed["keys"]]
    assert await opens(world, made["key"]) == 401
    assert await world.count("task") == 1


async def test_a_key_is_replaced_with_an_overlap(world: World):
    alice = await keeper(world)
    caps = {"spendMax": 2.17, "requestsBurst": 1000}
    made = await good(world, alice, "POST", body={"name": "x", "caps": caps})
    path = f"/{made['keyId']}/rotate"
    replaced = await good(world, alice, "POST", path, {"overlapHours": 2})
    assert {name: replaced[name] for name in ("name", "mode", "scopes", "caps")} == {
        name: made[name] for name in ("name", "mode", "scopes", "caps")
    }
    old = await good(world, alice, "GET", f"/{made['keyId']}")
    assert old["replacedBy"] == replaced["keyId"]
    assert old["expiresAt"] == unix_ms(START + timedelta(hours=2))
    assert [await opens(world, key) for key in (made["key"], replaced["key"])] == [200, 200]
    world.clock.move(timedelta(hours=2))
    assert [await opens(world, key) for key in (made["key"], replaced["key"])] == [401, 200]
    again = await send(world, alice, "POST", path)
    assert again.status_code == 400
    assert "already replaced" in again.json()["message"]
    for body in ({"overlapHours": 169}, {"overlapHours": -1}, {"overlap": 1}):
        assert (await send(world, alice, "POST", path, body)).status_code == 400
    usual = await good(world, alice, "POST", f"/{replaced['keyId']}/rotate")
    ends = (await good(world, alice, "GET", f"/{replaced['keyId']}"))["expiresAt"]
    assert ends == unix_ms(world.clock() + timedelta(hours=24))
    assert parse_key(usual["key"]) is not None


async def test_another_accounts_keys_are_denied_and_unknown_ones_unknown(world: World):
    alice, bob = await keeper(world), await keeper(world, "bob")
    requests = [
        ("GET", "", None),
        ("PATCH", "", {"active": False}),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("POST", "/rotate", None),
    ]
    for method, more, body in requests:
        denied = await send(world, bob, method, f"/{alice.key_id}{more}", body)
        assert (denied.status_code, denied.json()) == (403, {"message": "Access denied"})
        for unknown in ("000000000000", "x", "%00", "000000000000%0a"):
            missing = await send(world, bob, method, f"/{unknown}{more}", body)
            assert (missing.status_code, missing.json()) == (404, {"message": "Key not found"})
    assert await opens(world, alice.key) == 200
    assert {key["name"] for key in (await good(world, bob, "GET"))["keys"]} == {"key", "keeper"}
