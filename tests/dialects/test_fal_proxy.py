"""What fal's JavaScript client sends to its proxyUrl: understood here, and forwarded nowhere."""

import socket

import httpx
import pytest
from tests.api.test_access_matrix import key_with
from tests.conftest import Person, World
from tests.dialects.working import working

pytestmark = pytest.mark.anyio

PROXIES = ("/fal/proxy", "/api/fal/proxy")
MODEL = "kinetoscope/gpt-image-2"


@pytest.fixture
async def alice(world: World) -> Person:
    return await world.person("alice")


async def through(
    world: World,
    key: str,
    method: str,
    target: str,
    body: object = None,
    proxy: str = "/fal/proxy",
) -> httpx.Response:
    return await world.client.request(
        method,
        proxy,
        json=body,
        headers={"Authorization": f"Key {key}", "x-fal-target-url": target},
    )


async def test_every_call_of_the_client_finds_its_route(world: World, alice: Person):
    """Behaviour 13: JavaScript's client reads the request's id from the header, too."""
    for proxy in PROXIES:
        submitted = await through(
            world,
            alice.key,
            "POST",
            f"https://queue.fal.run/{MODEL}?fal_webhook=https%3A%2F%2Fexample.com%2Fhook%3Fa%3D1",
            {"prompt": "x"},
            proxy,
        )
        task_id = submitted.json()["request_id"]
        assert submitted.headers["x-fal-request-id"] == task_id
        base = f"https://queue.fal.run/kinetoscope/gpt-image-2/requests/{task_id}"
        told = await through(world, alice.key, "GET", f"{base}/status?logs=1", proxy=proxy)
        assert (told.status_code, told.json()["status"]) == (202, "IN_QUEUE")
        early = await through(world, alice.key, "GET", base, proxy=proxy)
        assert (early.status_code, early.headers["x-fal-request-id"]) == (400, task_id)
        cancelled = await through(world, alice.key, "PUT", f"{base}/cancel", proxy=proxy)
        assert cancelled.json() == {"status": "OK"}
        stream = await through(world, alice.key, "GET", f"{base}/status/stream?logs=0", proxy=proxy)
        assert '"status":"COMPLETED"' in stream.text
    hooks = await world.runtime.database.fetch_values("select min(callback_url) from task", {})
    assert hooks == ("https://example.com/hook?a=1",)
    async with working(world):
        made = await through(world, alice.key, "POST", f"https://fal.run/{MODEL}", {"prompt": "x"})
    assert len(made.json()["images"]) == 1
    place = await through(
        world,
        alice.key,
        "POST",
        "https://rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3",
        {"content_type": "image/png", "file_name": "a.png"},
    )
    assert set(place.json()) == {"upload_url", "file_url"}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("", 400),
        ("https://example.com/kinetoscope/gpt-image-2", 400),
        ("https://fal.run.example.com/kinetoscope/gpt-image-2", 400),
        ("https://notfal.run/kinetoscope/gpt-image-2", 400),
        ("https://fal.run@example.com/kinetoscope/gpt-image-2", 400),
        ("https://[fal.run/kinetoscope/gpt-image-2", 400),
        ("http://127.0.0.1:1/", 400),
        ("file:///etc/passwd", 400),
        ("https://api.fal.ai/v1/models", 501),
        ("https://rest.fal.ai/tokens/", 501),
        ("https://queue.fal.run/proxy/../api/v1/jobs/createTask", 404),
    ],
)
async def test_no_other_address_is_understood_and_none_is_ever_asked(
    world: World, alice: Person, monkeypatch: pytest.MonkeyPatch, target: str, status: int
):
    def never(*_arguments: object, **_named: object) -> None:
        raise AssertionError("an address was looked up")

    await world.count("task")  # connected by now
    monkeypatch.setattr(socket, "getaddrinfo", never)
    response = await through(world, alice.key, "POST", target, {"prompt": "x"})
    assert response.status_code == status, response.text
    assert response.json()["detail"]
    assert await world.count("task") == 0


async def test_a_target_needs_the_scope_that_its_own_route_needs(world: World, alice: Person):
    reads = await key_with(world, alice, "tasks:read")
    refused = await through(
        world, reads.text, "POST", f"https://queue.fal.run/{MODEL}", {"prompt": "x"}
    )
    assert refused.status_code == 403
    writes = await key_with(world, alice, "tasks:write")
    for path in (MODEL, f"{MODEL}/stream"):
        for key, missing in ((writes, "tasks:read"), (reads, "tasks:write")):
            refused = await through(
                world, key.text, "POST", f"https://fal.run/{path}", {"prompt": "x"}
            )
            assert (refused.status_code, missing in refused.text) == (403, True)
    uploads = await key_with(world, alice, "uploads:write")
    place = await through(
        world,
        uploads.text,
        "POST",
        "https://rest.fal.ai/storage/upload/initiate",
        {"content_type": "image/png", "file_name": "a.png"},
    )
    assert place.status_code == 200
    refused = await through(
        world, uploads.text, "GET", f"https://queue.fal.run/{MODEL}/requests/task_0123456789"
    )
    assert refused.status_code == 403
    assert await world.count("task") == 0
