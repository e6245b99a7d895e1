"""Replicate's own client gets along with the wire shape that our adapter is tested against."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError
from tests.providers.upstream import KEY, Stage, Upstream, media_of, running
from tests.providers.wire_replicate import wire

from kinetoscope.kernel.order import MediaKind

pytestmark = pytest.mark.anyio

MODEL = "bytedance/seedance-2.0"


@asynccontextmanager
async def client(upstream: Upstream, key: str = KEY) -> AsyncIterator[Client]:
    api = Client(api_token=key, base_url=f"http://127.0.0.1:{upstream.port}")
    try:
        yield api
    finally:
        await api._async_client.aclose()  # it has no end of its own


async def test_a_prediction_is_made_followed_and_done():
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.models.predictions.async_create(
            MODEL,
            {"prompt": "A fox", "duration": 5},
            webhook="https://us.example/news",
            webhook_events_filter=["completed"],
        )
        assert made.status == "starting"
        assert upstream.only.body == {
            "input": {"prompt": "A fox", "duration": 5},
            "webhook": "https://us.example/news",
            "webhook_events_filter": ["completed"],
        }
        words: list[str] = []
        for _ in range(3):
            await made.async_reload()
            words.append(made.status)
            progress = made.progress
            assert words[-1] != "processing" or (progress and progress.percentage == 0.42)
        assert words == ["starting", "processing", "succeeded"]
        assert made.output == [upstream.file_url(upstream.only)]


async def test_a_version_is_named_in_the_body():
    async with running(wire) as upstream, client(upstream) as api:
        await api.predictions.async_create("ab" * 32, {"prompt": "A fox"})
        assert upstream.only.body["version"] == "ab" * 32


async def test_a_prediction_is_cancelled():
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.models.predictions.async_create(MODEL, {"prompt": "A fox"})
        stopped = await api.predictions.async_cancel(made.id)
        assert stopped.status == "canceled"


async def test_a_failure_has_an_error():
    async with running(wire) as upstream, client(upstream) as api:
        made = await api.models.predictions.async_create(MODEL, {"prompt": "A fox"})
        upstream.only.stay(Stage.REFUSED)
        await made.async_reload()
        assert made.status == "failed"
        assert "E005" in str(made.error)


async def test_a_file_is_uploaded_as_ours_are(tmp_path: Path):
    content = media_of(MediaKind.IMAGE)[1]
    path = tmp_path / "fox.png"
    path.write_bytes(content)
    async with running(wire) as upstream, client(upstream) as api:
        file = await api.files.async_create(path)
        assert file.urls["get"].endswith("/v1/files/file-1")
        assert upstream.uploads["file-1"] == content


async def test_a_wrong_key_is_an_error():
    async with running(wire) as upstream, client(upstream, "wrong") as api:
        with pytest.raises(ReplicateError) as caught:
            await api.predictions.async_create("ab" * 32, {})
        assert caught.value.status == 401
