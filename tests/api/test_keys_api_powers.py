"""Keys give no more than they have: every way of getting more by making or changing a key."""

from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest
from tests.conftest import START, Person, World

from kinetoscope.accounts import keys
from kinetoscope.accounts.caps import UNCAPPED, Caps, read_range
from kinetoscope.accounts.powers import ALONE, Powers, excess
from kinetoscope.kernel.clock import unix_ms
from kinetoscope.kernel.credits import Credits
from kinetoscope.kernel.secrets import KeyMode

pytestmark = pytest.mark.anyio

PATH = "/api/v1/keys"

ALONE_CAPS = (
    Caps(spend_max=Credits(100_00)),
    Caps(tasks_running_max=3),
    Caps(requests_per_second=5),
    Caps(requests_burst=1000),
)

NO_CHANGE = "This API Key may not change a key that may do more than itself"


async def key_with(
    world: World,
    *,
    mode: KeyMode = KeyMode.LIVE,
    scopes: tuple[str, ...] = keys.SCOPES_ALL,
    caps: Caps = UNCAPPED,
    lifetime: timedelta | None = None,
) -> Person:
    person = await world.person("alice", "0")
    issued = await keys.create(
        world.runtime.database,
        person.account_id,
        "made",
        mode=mode,
        expires_at=None if lifetime is None else world.clock() + lifetime,
        scopes=scopes,
        caps=caps,
        now=world.clock(),
    )
    return Person(name="alice", account_id=person.account_id, key=issued.text, key_id=issued.id)


async def send(
    world: World, person: Person, method: str, path: str = "", body: object = None
) -> httpx.Response:
    return await world.client.request(method, PATH + path, headers=person.headers, json=body)


async def make(world: World, person: Person, **stated: object) -> httpx.Response:
    return await send(world, person, "POST", "", {"name": "x", **stated})


async def change(
    world: World, person: Person, other: Person, body: Mapping[str, object]
) -> httpx.Response:
    return await send(world, person, "PATCH", f"/{other.key_id}", body)


def beyond(name: str) -> tuple[int, dict[str, str]]:
    return 403, {"message": f"This API Key may not give more than it has: {name}"}


def told(response: httpx.Response) -> tuple[int, object]:
    return response.status_code, response.json()


async def test_a_key_without_the_scope_manages_nothing(world: World):
    alice = await world.person("alice")
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"name": "x"}),
        ("PATCH", f"/{alice.key_id}", {"active": False}),
        ("DELETE", f"/{alice.key_id}", None),
        ("POST", f"/{alice.key_id}/rotate", None),
    ):
        refused = await send(world, alice, method, path, body)
        assert told(refused) == (403, {"message": "This API Key lacks the scope keys:write"})


async def test_scopes_are_given_as_far_as_there_are_any(world: World):
    narrow = await key_with(world, scopes=("keys:write", "tasks:read"))
    assert (await make(world, narrow)).json()["scopes"] == ["tasks:read"]
    assert (await make(world, narrow, scopes=["keys:write"])).status_code == 200
    refused = await make(world, narrow, scopes=["tasks:read", "tasks:write"])
    assert told(refused) == beyond("scopes")
    made = await world.count("api_key")
    only = await key_with(world, scopes=("keys:write",))
    assert (await make(world, only)).status_code == 400
    assert await world.count("api_key") == made + 2
    assert told(await change(world, only, only, {"scopes": ["tasks:write"]})) == beyond("scopes")


async def test_a_test_key_makes_test_keys(world: World):
    tester = await key_with(world, mode=KeyMode.TEST)
    live = await key_with(world)
    assert (await make(world, tester)).json()["mode"] == "test"
    assert told(await make(world, tester, mode="live")) == beyond("mode")
    assert (await make(world, live, mode="test")).json()["mode"] == "test"
    for body in ({"active": False}, {"active": True}, {"name": "y"}):
        refused = await change(world, tester, live, body)
        assert refused.status_code == 403
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        refused = await send(world, tester, method, f"/{live.key_id}{path}")
        assert refused.status_code == 403
    assert (await change(world, live, tester, {"active": False})).status_code == 200


async def test_a_key_that_ends_makes_none_that_outlives_it(world: World):
    ending = await key_with(world, lifetime=timedelta(days=1))
    ends = unix_ms(START + timedelta(days=1))
    assert (await make(world, ending)).json()["expiresAt"] == ends
    assert (await make(world, ending, expiresAt=ends)).status_code == 200
    assert told(await make(world, ending, expiresAt=ends + 1)) == beyond("expiresAt")
    assert told(await make(world, ending, expiresAt=None)) == beyond("expiresAt")
    assert told(await change(world, ending, ending, {"expiresAt": None})) == beyond("expiresAt")
    lasting = await key_with(world)
    refused = await send(world, ending, "POST", f"/{lasting.key_id}/rotate")
    assert told(refused) == (403, {"message": NO_CHANGE})
    # What leaked can be stopped all the same.
    assert (await change(world, ending, lasting, {"active": False})).status_code == 200
    started = await change(world, ending, lasting, {"active": True})
    assert told(started) == (403, {"message": NO_CHANGE})
    assert (await send(world, ending, "DELETE", f"/{lasting.key_id}")).status_code == 200


async def test_caps_are_inherited_and_may_be_narrowed_but_not_widened(world: World):
    caps = Caps(
        models=("gpt-image-2", "seedance-20"),
        price_max=Credits(10_00),
        ip_ranges=(read_range("127.0.0.0/8"), read_range("2001:db8::/32")),
    )
    capped = await key_with(world, caps=caps)
    inherited = (await make(world, capped)).json()
    assert inherited["caps"]["models"] == ["gpt-image-2", "seedance-20"]
    assert inherited["caps"]["priceMax"] == 10
    assert inherited["caps"]["ipRanges"] == ["127.0.0.0/8", "2001:db8::/32"]
    narrow = {"models": ["seedance-20"], "priceMax": 9.99, "ipRanges": ["127.0.0.1"]}
    assert (await make(world, capped, caps=narrow)).status_code == 200
    for name, wide in (
        ("models", ["seedance-20", "nanobanana2"]),
        ("priceMax", 10.01),
        ("ipRanges", ["127.0.0.1", "0.0.0.0/0"]),
        ("ipRanges", ["2001::/16"]),
    ):
        assert told(await make(world, capped, caps={name: wide})) == beyond(name)
        assert told(await change(world, capped, capped, {"caps": {name: wide}})) == beyond(name)
        assert told(await change(world, capped, capped, {"caps": {name: None}})) == beyond(name)
    free = await key_with(world)
    refused = await change(world, capped, free, {"caps": {"priceMax": 1}})
    assert told(refused) == (403, {"message": NO_CHANGE})
    refused = await send(world, capped, "POST", f"/{free.key_id}/rotate")
    assert told(refused) == (403, {"message": NO_CHANGE})
    assert (await change(world, capped, capped, {"caps": narrow})).status_code == 200


@pytest.mark.parametrize("caps", ALONE_CAPS, ids=repr)
async def test_a_cap_that_adds_up_makes_a_key_manage_itself_alone(world: World, caps: Caps):
    capped, other = await key_with(world, caps=caps), await key_with(world, caps=caps)
    alone = (403, {"message": ALONE})
    assert told(await make(world, capped)) == alone
    assert told(await send(world, capped, "POST", f"/{other.key_id}/rotate")) == alone
    assert told(await change(world, capped, other, {"name": "y"})) == alone
    assert (await change(world, capped, other, {"active": False})).status_code == 200
    assert (await change(world, capped, capped, {"name": "y"})).status_code == 200
    (loosened,) = [
        {name: None}
        for name, cap in (
            ("spendMax", caps.spend_max),
            ("tasksRunningMax", caps.tasks_running_max),
            ("requestsPerSecond", caps.requests_per_second),
            ("requestsBurst", caps.requests_burst),
        )
        if cap is not None
    ]
    (name,) = loosened
    assert told(await change(world, capped, capped, {"caps": loosened})) == beyond(name)
    assert (await send(world, capped, "POST", f"/{capped.key_id}/rotate")).status_code == 200


async def test_a_spending_window_may_grow_but_not_shrink(world: World):
    capped = await key_with(
        world, caps=Caps(spend_max=Credits(100), spend_window=timedelta(hours=24))
    )
    for hours, status in ((23, 403), (24, 200), (25, 200), (24, 403), (None, 200), (8784, 403)):
        response = await change(world, capped, capped, {"caps": {"spendWindowHours": hours}})
        assert response.status_code == status, hours


@pytest.mark.parametrize(
    ("mode", "given", "nothing_more"),
    [
        (KeyMode.LIVE, KeyMode.LIVE, True),
        (KeyMode.TEST, KeyMode.LIVE, True),
        (KeyMode.TEST, KeyMode.TEST, True),
        (KeyMode.LIVE, KeyMode.TEST, False),
        (KeyMode.DEMO, KeyMode.TEST, False),
    ],
)
async def test_what_a_mode_may_do_beyond_another(
    mode: KeyMode,
    given: KeyMode,
    nothing_more: bool,  # noqa: FBT001 - a column of the table
):
    wanted, has = [
        Powers(mode=one, scopes=(), expires_at=None, caps=UNCAPPED) for one in (mode, given)
    ]
    assert (excess(wanted, has) is None) == nothing_more
