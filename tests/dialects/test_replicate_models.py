"""Models as Replicate's clients read them, and what belongs to the account."""

import httpx
import pytest
from replicate.client import Client
from replicate.model import Model as TheirModel
from tests.conftest import Person, World
from tests.dialects.replicate_calls import ask
from tests.scripted import FOUR, PICTURE, ScriptedProvider, create, done_pictures, tools_for

from kinetoscope.dialects.replicate.schema import openapi_schema
from kinetoscope.dialects.replicate.versions import version_of
from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.tasks.advance import advance
from kinetoscope.webhooks import secret

pytestmark = pytest.mark.anyio


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


def client(world: World, person: Person) -> Client:
    """Give the real client, in front of the app in this process."""
    return Client(
        person.key,
        base_url="http://kinetoscope.test/replicate",
        transport=httpx.ASGITransport(app=world.app),
    )


async def test_the_client_reads_a_models_schema(world: World, alice: Person):
    found = await client(world, alice).models.async_get("kinetoscope/seedance-20")
    assert found.latest_version is not None
    ours = world.runtime.catalog.models_by_id["seedance-20"]
    assert (found.id, found.latest_version.id) == ("kinetoscope/seedance-20", version_of(ours))
    schemas = found.latest_version.openapi_schema["components"]["schemas"]
    properties = schemas["Input"]["properties"]
    assert list(properties) == [field.name for field in ours.fields]
    assert [each["x-order"] for each in properties.values()] == list(range(len(ours.fields)))
    assert schemas["Input"]["required"] == ["prompt"]
    assert properties["aspectRatio"]["allOf"] == [{"$ref": "#/components/schemas/aspectRatio"}]
    assert schemas["aspectRatio"]["enum"][:2] == ["16:9", "9:16"]
    assert properties["duration"]["type"] == "integer"


async def test_what_a_schema_says_of_the_output_is_so(world: World, alice: Person):
    for order in (PICTURE, FOUR):
        model = world.runtime.catalog.models_by_id[str(order["model"])]
        task_id = await create(world, alice, order)
        await advance(tools_for(world, ScriptedProvider(statuses=[done_pictures])), task_id)
        output = (await ask(world, alice, "GET", f"/predictions/{task_id}")).json()["output"]
        kind = openapi_schema(model)["components"]["schemas"]["Output"]["type"]
        assert isinstance(output, {"string": str, "array": list}[kind])


async def test_models_by_name_by_version_by_search_and_all(world: World, alice: Person):
    speaker = client(world, alice)
    models = world.runtime.catalog.models
    assert [each.name for each in await speaker.models.async_list()] == [each.id for each in models]
    known = await speaker.models.async_get("bytedance/seedance-2.0")
    assert known.id == "kinetoscope/seedance-20"
    digits = version_of(world.runtime.catalog.models_by_id["seedance-20"])
    versions = await known.versions.async_list()
    assert [each.id for each in versions] == [digits]
    assert (await known.versions.async_get(digits)).id == digits
    assert (await ask(world, alice, "GET", f"/models/{known.id}/versions/{'0' * 64}")).is_error
    assert len({version_of(model) for model in models}) == len(models)
    assert all(isinstance(each, TheirModel) for each in await speaker.models.async_search("audio"))
    for query in ("soundscape", '"soundscape"'):  # the JavaScript client writes JSON
        response = await world.client.request(
            "QUERY", "/replicate/v1/models", content=query, headers=alice.headers
        )
        assert [each["name"] for each in response.json()["results"]] == ["kinetoscope-soundscape"]
    readme = await ask(world, alice, "GET", "/models/kinetoscope/seedance-20/readme")
    assert "# Seedance" in readme.text


async def test_the_account_and_what_there_is_none_of(world: World, alice: Person):
    speaker = client(world, alice)
    account = await speaker.accounts.async_current()
    assert (account.type, account.username) == ("organization", "alice")
    assert await speaker.hardware.async_list() == []
    assert list(await speaker.collections.async_list()) == []
    assert list(await speaker.deployments.async_list()) == []
    deployment = await speaker.deployments.async_get("kinetoscope/seedance-20")
    made = await deployment.predictions.async_create(input={"prompt": "a sunset"})
    assert made.status == "starting"


async def test_the_secret_is_shown_to_keys_that_may_make_one(world: World, alice: Person):
    runtime = world.runtime
    speaker = client(world, alice)
    shown = (await speaker.webhooks.default.async_secret()).key
    assert shown.startswith("whsec_")
    texts = await secret.texts(runtime.database, runtime.sealer, alice.account_id, world.clock())
    assert texts == [shown]
    # The key of a test run may not: with the secret one could forge what the account's live
    # tasks tell.
    test = await world.person("alice", mode=KeyMode.TEST)
    refused = await ask(world, test, "GET", "/webhooks/default/secret")
    assert (refused.status_code, "whsec" in refused.text) == (403, False)
    bob = await world.person("bob")
    assert (await client(world, bob).webhooks.default.async_secret()).key != shown
