"""What the tests of Replicate's dialect share: how its routes are called."""

from typing import Any

import httpx
from tests.conftest import Person, World

BASE = "/replicate/v1"
VIDEO_MODEL = "kinetoscope/seedance-20"
PICTURE_MODEL = "kinetoscope/gpt-image-2"
SUNSET = {"prompt": "a sunset"}


async def ask(
    world: World,
    person: Person,
    method: str,
    path: str,
    *,
    json: object = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Ask, whatever comes of it."""
    return await world.client.request(
        method, BASE + path, json=json, headers={**person.headers, **(headers or {})}
    )


async def predict(
    world: World,
    person: Person,
    model: str = VIDEO_MODEL,
    *,
    inputs: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    **further: object,
) -> dict[str, Any]:
    """Make a prediction, which must be possible."""
    response = await ask(
        world,
        person,
        "POST",
        f"/models/{model}/predictions",
        json={"input": SUNSET if inputs is None else inputs, **further},
        headers=headers,
    )
    assert response.status_code in {201, 202}, response.text
    made: dict[str, Any] = response.json()
    return made


async def shown(world: World, person: Person, task_id: str) -> dict[str, Any]:
    """Get a prediction."""
    response = await ask(world, person, "GET", f"/predictions/{task_id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found
