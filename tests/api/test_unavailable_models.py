"""A model whose provider's file cannot be used is refused: no preview stands in for it."""

from dataclasses import replace

import pytest
from tests.conftest import Person, World
from tests.scripted import PATH_CREATE, PICTURE

from kinetoscope.kernel.secrets import KeyMode
from kinetoscope.settings import Settings

pytestmark = pytest.mark.anyio

BODY = {"message": "This model is not available at the moment"}
MODEL = str(PICTURE["model"])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    folder = settings.config_dir / "providers"
    folder.mkdir(parents=True)
    (folder / "ark.toml").write_text(
        f'adapter = "byteplus"\norder = "first"\n[models."{MODEL}"]\nupstream = "x"\n'
    )
    return replace(settings, config_dir=folder.parent)


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def test_it_is_a_503_and_leaves_no_trace(world: World, alice: Person):
    before = await world.balance(alice)
    for path in (PATH_CREATE, "/api/v1/jobs/estimateTask"):
        response = await world.client.post(path, json=PICTURE, headers=alice.headers)
        assert (response.status_code, response.json()) == (503, BODY)
    assert await world.balance(alice) == before


async def test_a_stranger_is_told_nothing(world: World):
    response = await world.client.post(PATH_CREATE, json=PICTURE)
    assert response.status_code == 401


async def test_other_models_and_test_keys_go_on(world: World, alice: Person):
    other = {"model": "midjourney-v8", "inputs": {"prompt": "a fox"}}
    assert (await world.client.post(PATH_CREATE, json=other, headers=alice.headers)).is_success
    tester = await world.person("tester", mode=KeyMode.TEST)
    assert (await world.client.post(PATH_CREATE, json=PICTURE, headers=tester.headers)).is_success


async def test_the_list_says_so(world: World):
    listed = (await world.client.get("/api/v1/models")).json()["models"]
    assert [model["id"] for model in listed if not model["available"]] == [MODEL]
    shown = (await world.client.get(f"/api/v1/models/{MODEL}")).json()
    assert shown["available"] is False
