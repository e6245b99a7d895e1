"""What Replicate's dialect does with odd requests, and with clients that ask too much."""

import asyncio
from dataclasses import replace

import orjson
import pytest
from tests.api.test_access_matrix import key_with
from tests.api.test_watch import until_watched
from tests.conftest import Person, World
from tests.dialects.replicate_calls import (
    BASE,
    PICTURE_MODEL,
    SUNSET,
    VIDEO_MODEL,
    ask,
    predict,
    shown,
)

from kinetoscope.accounts import audit
from kinetoscope.dialects.replicate.account import NOTED_EVERY
from kinetoscope.settings import Settings
from kinetoscope.tasks.watch import FOLLOWERS_MAX

pytestmark = pytest.mark.anyio

HASTY = {"User-Agent": "replicate-javascript/1.4.0"}


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def test_names_without_end_are_refused(world: World, alice: Person):
    name = "kinetoscope/seedance-20" + "/" * 9000
    for version in (name, f"{name}:{'0' * 64}", "0" * 9000):
        json = {"version": version, "input": SUNSET}
        response = await ask(world, alice, "POST", "/predictions", json=json)
        assert (response.status_code, len(response.content) < 500) == (422, True)
    assert await world.count("task") == 0


async def test_of_a_name_only_the_name_is_kept_and_of_events_each_one(world: World, alice: Person):
    json = {
        "version": "bytedance/seedance-2.0/text-to-video///",
        "input": SUNSET,
        "webhook": "https://hooks.example.com/x",
        "webhook_events_filter": ["completed"] * 1000,
    }
    response = await ask(world, alice, "POST", "/predictions", json=json)
    assert response.json()["model"] == "bytedance/seedance-2.0"
    values = await world.runtime.database.fetch_values(
        "select dialect_details->>'model', events from task", {}
    )
    assert values == ("bytedance/seedance-2.0", ["completed"])


@pytest.mark.parametrize(
    "odd",
    [{"mask": ["x"]}, {"frames": {"a": 1}}, {"negative_prompt": ["x"]}, {"output_format": {}}],
    ids=lambda odd: next(iter(odd)),
)
async def test_odd_inputs_are_refused_by_name(world: World, alice: Person, odd: dict[str, object]):
    (name,) = odd
    path = f"/models/{PICTURE_MODEL}/predictions"
    response = await ask(world, alice, "POST", path, json={"input": SUNSET | odd})
    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["invalid_fields"]] == [name]


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ({"resolution": "480p", "width": 1280, "height": 720}, "resolution"),
        ({"size": "1280x720", "aspect_ratio": "9:16"}, "aspect_ratio"),
        ({"image": "https://a.example/1", "reference_images": ["https://a.example/2"]}, "image"),
    ],
)
async def test_inputs_that_contradict_each_other_make_nothing(
    world: World, alice: Person, stated: dict[str, object], name: str
):
    path = "/models/bytedance/seedance-2.0/predictions"
    response = await ask(world, alice, "POST", path, json={"input": SUNSET | stated})
    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["invalid_fields"]] == [name]
    assert await world.count("task") == 0


@pytest.mark.parametrize("path", ["/files/%00", "/files?cursor=%00", "/files?cursor=,", "/files/x"])
async def test_files_that_cannot_be_are_not_found(world: World, alice: Person, path: str):
    assert (await ask(world, alice, "GET", path)).status_code == 404


async def test_whoever_has_an_address_takes_no_place_of_the_owners(world: World, alice: Person):
    made, other = await predict(world, alice), await predict(world, alice)
    url, watchers = made["urls"]["stream"], world.runtime.watch.watchers
    following = asyncio.gather(*(world.client.get(url) for _ in range(FOLLOWERS_MAX)))
    await until_watched(world, made["id"], FOLLOWERS_MAX)
    assert alice.account_id not in watchers
    refused = await world.client.get(url)
    assert refused.status_code == 429, refused.text
    # Another task's are free.
    await ask(world, alice, "POST", f"/predictions/{other['id']}/cancel")
    assert (await world.client.get(other["urls"]["stream"])).status_code == 200
    await ask(world, alice, "POST", f"/predictions/{made['id']}/cancel")
    assert [response.status_code for response in await following] == [200] * FOLLOWERS_MAX
    assert watchers == {}


async def test_a_key_that_may_not_read_is_shown_nothing_by_cancelling(world: World, alice: Person):
    """What answers a cancellation is the prediction: its inputs, files and keyless stream."""
    made = await predict(world, alice)
    path = f"{BASE}/predictions/{made['id']}/cancel"
    writes = await key_with(world, alice, "tasks:write")
    response = await world.client.post(path, headers={"Authorization": f"Bearer {writes.text}"})
    assert (response.status_code, "tasks:read" in response.text) == (403, True)
    for told in (SUNSET["prompt"], "signature="):
        assert told not in response.text
    assert (await shown(world, alice, made["id"]))["status"] == "starting"
    both = await key_with(world, alice, "tasks:write", "tasks:read")
    response = await world.client.post(path, headers={"Authorization": f"Bearer {both.text}"})
    assert (response.status_code, response.json()["status"]) == (200, "canceled")


async def test_a_version_of_null_is_none(world: World, alice: Person):
    """Clients that write down every field send null for what they leave out."""
    json = {"version": None, "model": VIDEO_MODEL, "input": SUNSET}
    response = await ask(world, alice, "POST", "/predictions", json=json)
    assert (response.status_code, response.json()["model"]) == (201, VIDEO_MODEL)
    json = {"version": None, "model": None, "input": SUNSET}
    response = await ask(world, alice, "POST", "/predictions", json=json)
    assert response.json()["invalid_fields"][0]["field"] == "version"


async def test_showing_the_secret_is_written_down(world: World, alice: Person):
    keys = [
        (await ask(world, alice, "GET", "/webhooks/default/secret")).json()["key"] for _ in range(2)
    ]
    (entry,) = await audit.listing(world.runtime.database, alice.account_id, None, 10)
    assert (entry.action, entry.actor.startswith("key ")) == ("webhook.secret_shown", True)
    assert entry.target == f"…{keys[0].rstrip('=')[-4:]}"
    assert keys[0].encode() not in orjson.dumps([entry.target, entry.detail, entry.actor])
    world.clock.move(NOTED_EVERY)
    await ask(world, alice, "GET", "/webhooks/default/secret")
    assert len(await audit.listing(world.runtime.database, alice.account_id, None, 10)) == 2
    assert await audit.first_broken(world.runtime.database) is None


class TestPaced:
    """Requests come too fast."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, requests_per_second=1, requests_burst=1)

    async def test_the_hasty_client_gets_no_429_for_what_it_would_send_again(
        self, world: World, alice: Person
    ):
        """Behaviour 10: it sends what is no GET five times more after a 429, without waiting."""
        await ask(world, alice, "GET", "/hardware")
        for method, path in (
            ("POST", f"/models/{PICTURE_MODEL}/predictions"),
            ("DELETE", "/files/x"),
        ):
            headers = {**alice.headers, **HASTY}
            response = await world.client.request(method, BASE + path, headers=headers)
            assert (response.status_code, response.headers["retry-after"]) == (409, "1")
        assert (await ask(world, alice, "POST", "/predictions", json={})).status_code == 429
